"""
Waiting for a turn: when to ask, how far ahead to book, when to give a booking back.

Exact costs book their turn at once, however far ahead, and sleep until it comes: one
round trip. Estimated costs, backlogs and limits on calls at a time stand in line in
their process, first come first served; when there is no room, only who leads asks. A
booking far ahead would freeze an estimate, put a backlog before interactive calls, or
hold a place that nobody uses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import _reply, _wire
from ._caller import Begun, Caller, caller_of, span_us
from ._calls import Booking, Request, Scope
from ._decision import Decision
from ._desk import Desk
from ._effects import Enter, Now, Plan, Sleep, Wait
from ._errors import RateLimitExceeded, StoreError
from ._limits import SECOND_US
from ._plans import decide
from ._policy import Policy
from ._postings import cancel
from ._reply import Answer
from ._wish import Granted, Priority, Wish

__all__ = ["Granted", "Priority", "Wish", "acquire"]

# A booked sleeper that has heard nothing of its account for so many seconds asks before
# it goes: somebody may have called a cool-down since. A second, and a little: whoever
# waits for a window of a second hears of it once in each.
_HEARSAY = 1.1

# It asks so many seconds before its turn, so that asking does not make it late.
_BEFORE = 0.05

# Seconds by which a turn may lie beyond the timeout: a quick answer is no reason to
# give up a turn, a slow one is.
_LAG = 0.01

# Seconds after which who is first looks again whether another process has released a
# place: from the first to the last pause, by steps, jittered.
_FIRST_LOOK, _LAST_LOOK, _LOOK_STEP = 0.02, 0.5, 1.5

_NAP = 86_400.0  # no clock of a platform sleeps for years


@dataclass(frozen=True, slots=True)
class _Turn:
    """A booking, and the moment from which it may be used."""

    booking: Booking
    due: float
    now: float


def acquire(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    charges: tuple[int, ...],
    wish: Wish,
    begun: Begun | None = None,
) -> Plan[Granted]:
    """
    Get a turn and sleep until it comes.

    A permit whose holder wakes later than the turn was booked for is given back and
    booked anew, once, with twice the lag to spare: with those that are on time, those
    that are late would be more than the limit. In a process that is often a little
    late, all turns are booked with some more to spare.

    Args:
        begun: What the caller did already, by the short way.

    Raises RateLimitExceeded as soon as it is known that the turn comes too late.
    """
    start = begun.start if begun else (yield Now())
    caller = caller_of(scope, policy, charges, wish, start)
    spare_us = _wire.spare_us(scope, policy, charges)
    span, late, again = span_us(desk, caller), False, False
    if begun is not None:
        span = begun.span_us
    while True:
        if caller.lines_up:
            turn = yield from _in_line(desk, caller, span, begun, again=again)
        else:
            turn = yield from _at_once(desk, caller, span, begun)
        begun, again = None, True
        lag = yield from _take_turn(desk, caller, turn)
        if lag is None:
            continue
        lag_us = round(lag * SECOND_US)
        if turn.due > turn.now:
            desk.note_lag(lag_us)
        if late or lag_us <= max(spare_us, scope.guard_us + span):
            now = yield Now()
            return Granted(turn.booking, now - start)
        span, late = 2 * lag_us, True
        yield from cancel(desk, scope, policy, turn.booking, caller.gives_up)


def _at_once(
    desk: Desk, caller: Caller, span: int, begun: Begun | None = None
) -> Plan[_Turn]:
    """Book as far ahead as the caller will wait."""
    while True:
        now = yield Now()
        left = max(0.0, caller.end - now)
        answer = yield from _ask(desk, caller, caller.request(left, span), begun)
        begun = None
        now = yield Now()
        turn = yield from _use(desk, caller, answer, now)
        if turn is not None:
            return turn
        wait = max(0.0, answer.wait_us / SECOND_US)
        if now + wait > caller.end or left <= 0:
            raise _too_late(caller, answer.decision)
        # A hint, not a booking: the pause is the server's word.
        yield Sleep(min(wait, _NAP))


def _in_line(
    desk: Desk, caller: Caller, span: int, begun: Begun | None, *, again: bool
) -> Plan[_Turn]:
    """Wait to be near the front, then ask; who leads asks in turns."""
    ticket = begun.ticket if begun is not None else None
    if ticket is None:
        ticket = yield Enter(caller.scope.key, caller.line, ahead=again)
    told, look = False, _FIRST_LOOK
    try:
        while True:
            now = yield Now()
            left = max(0.0, caller.end - now)
            asked = begun is not None and begun.asked
            if not ticket.first and not asked:
                if not left:
                    # Not there in time: what is free now decides.
                    return (yield from _at_once(desk, caller, span))
                yield Wait(ticket, min(left, _NAP))
                continue
            leads = ticket.leads
            request = caller.request(left, span, leads=leads, again=told)
            answer = yield from _ask(desk, caller, request, begun)
            begun = None
            now = yield Now()
            turn = yield from _use(desk, caller, answer, now)
            if turn is not None:
                ticket.served()
                return turn
            ticket.deferred()
            wait = max(0.0, answer.wait_us / SECOND_US)
            if answer.busy:
                # Any release may end the wait; those of this process are told at once.
                jitter = 0.5 + desk.almanac.nonce() / 10_000
                wait = min(wait, look * jitter, caller.end - now)
                look = min(look * _LOOK_STEP, _LAST_LOOK)
            # Compared as differences: the last look, at the end, is not past it.
            if left <= 0 or wait > caller.end - now:
                raise _too_late(caller, answer.decision)
            if leads:
                told = answer.later
                yield Wait(ticket, min(wait, _NAP))
    finally:
        ticket.leave()


def _ask(
    desk: Desk, caller: Caller, request: Request, begun: Begun | None
) -> Plan[Answer]:
    """Ask, unless that was done before there was a plan."""
    if begun is None:
        return (yield from decide(desk, caller.scope, request, caller.gives_up))
    if begun.answer is not None:
        return begun.answer
    how = (caller.scope, request, caller.gives_up, begun.error)
    return (yield from decide(desk, *how))


def _use(desk: Desk, caller: Caller, answer: Answer, now: float) -> Plan[_Turn | None]:
    """Return the turn that an answer holds, if it comes in time."""
    if answer.booking is None:
        return None
    wait = answer.wait_us / SECOND_US
    if wait > 0 and now + wait > caller.end + _LAG:
        # The answer took so long that the booked turn is too late.
        yield from cancel(desk, caller.scope, caller.policy, answer.booking, caller.end)
        late = replace(answer.decision, allowed=False, retry_after=wait)
        raise _too_late(caller, replace(late, limit=answer.cause))
    return _Turn(answer.booking, max(now, now + wait), now)


def _too_late(caller: Caller, decision: Decision) -> RateLimitExceeded:
    scope, timeout = caller.scope, caller.wish.timeout
    who = "/".join(part for part in (scope.display, caller.policy.account) if part)
    asked = "no wait" if timeout == 0 else f"at most {timeout:g} s"
    return RateLimitExceeded(
        f"{decision.limit} of {who or 'this key'} allows this call in "
        f"{decision.retry_after:.3f} s; the caller allowed {asked}",
        decision=decision,
        hint="Wait longer (timeout=), lower the cost, or raise the limit.",
    )


def _take_turn(desk: Desk, caller: Caller, turn: _Turn) -> Plan[float | None]:
    """
    Sleep until a booked turn; return by how many seconds it was missed.

    None if a cool-down came between, and the booking is back.
    """
    if turn.due <= turn.now:
        return 0.0
    scope, policy = caller.scope, caller.policy
    try:
        now = turn.now
        if turn.due - now > _HEARSAY:
            yield Sleep(turn.due - now - _BEFORE)
            now = yield Now()
            if not desk.heard_since(scope, policy, now - _HEARSAY):
                yield from _ask_cool_down(desk, caller, now, turn.due)
                now = yield Now()
        if turn.due > now:
            yield Sleep(turn.due - now)
            now = yield Now()
    except GeneratorExit:
        raise  # a plan that is closed can call nobody
    except BaseException:
        # Cancelled or interrupted: the booking goes back, whoever waits moves up.
        yield from cancel(desk, scope, policy, turn.booking)
        raise
    if desk.cools_until(scope, policy) <= now:
        late: float = now - turn.due
        return max(0.0, late)
    yield from cancel(desk, scope, policy, turn.booking, caller.gives_up)
    return None


def _ask_cool_down(desk: Desk, caller: Caller, now: float, due: float) -> Plan[None]:
    scope, policy = caller.scope, caller.policy

    # Many wake at once: one of them asks, the others hear of it.
    def known() -> bool:
        return desk.heard_since(scope, policy, now - _HEARSAY)

    call = _wire.encode_peek(scope, policy, desk.almanac.clock())
    try:
        reply = yield replace(call, needless=known, until=due)
    except StoreError:
        # The turn is booked; a store that went away cannot take it back. The others
        # need not ask it as well.
        now = yield Now()
        desk.heard_nothing(scope, policy, now)
        return
    if reply is not None and not desk.almanac.other_day(reply):
        now = yield Now()
        desk.listen(scope, policy, now, _reply.decode_cool(reply))
