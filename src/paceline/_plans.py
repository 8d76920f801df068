"""
What each operation does, as a generator that does no I/O and reads no clock.

A plan yields effects and is sent their results. ``_sync.run`` and ``_aio.run`` are its
two drivers, so there is one copy of every decision and two of every await. Whatever
interrupts an effect is thrown into the plan, which can then still give a booking back.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, TypeAlias, TypeVar

from . import _reply, _wire
from ._decision import Decision, LimitStatus
from ._errors import CostTooLarge, RateLimitExceeded, StoreError
from ._limits import SECOND_US
from ._reply import OTHER_DAY, Answer, Reply
from ._rules import Policy
from ._wire import Booking, Call, Clock, Request, Scope

T = TypeVar("T")

# A booked sleeper that has heard nothing of its account for so many seconds asks before
# it goes: somebody may have called a cool-down since. A second, and a little: whoever
# waits for a window of a second hears of it once in each.
_HEARSAY = 1.1

# Seconds by which a turn may lie beyond the timeout: a quick answer is no reason to
# give up a turn, a slow one is.
_LAG = 0.01

_FURTHEST = _wire.FURTHEST_US / SECOND_US
_NAP = 86_400.0  # no clock of a platform sleeps for years


@dataclass(frozen=True, slots=True)
class Sleep:
    """Ask the driver to wait."""

    seconds: float


class Now:
    """Ask the driver for a moment of a clock that never steps back, in seconds."""


Effect: TypeAlias = Call | Sleep | Now
Plan: TypeAlias = Generator[Effect, Any, T]


@dataclass(slots=True)
class Desk:
    """
    What all calls of one limiter share.

    Attributes:
        nonce: Returns a random number.
        day_us: The server's clock at the last reply, for calendars.
        heard: Per account: when it was last heard of and until when it cools down.
    """

    nonce: Callable[[], int]
    day_us: int = 0
    heard: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def clock(self) -> Clock:
        """Return what the next call needs to know of time and chance."""
        return Clock(self.nonce(), self.day_us)

    def listen(self, scope: Scope, policy: Policy, at: float, cool_us: int) -> None:
        """Note what a reply said of an account's cool-down."""
        if len(self.heard) > _MOST_HEARD:
            self.heard.clear()
        until = at + cool_us / SECOND_US if cool_us else 0.0
        self.heard[scope.key, policy.account] = (at, until)

    def heard_since(self, scope: Scope, policy: Policy, moment: float) -> bool:
        """Tell whether a reply told of an account since *moment*."""
        return self.heard.get((scope.key, policy.account), _UNHEARD)[0] >= moment

    def cools_until(self, scope: Scope, policy: Policy) -> float:
        """Return until when an account cools down, as far as was heard."""
        return self.heard.get((scope.key, policy.account), _UNHEARD)[1]


_MOST_HEARD = 10_000
_UNHEARD = (-inf, 0.0)


@dataclass(frozen=True, slots=True)
class Granted:
    """A permit that may be used now, and how many seconds it waited."""

    booking: Booking
    waited: float


def ask(desk: Desk, encode: Callable[[Clock], Call]) -> Plan[Reply]:
    """Call a script; once more if the server's day is another than we thought."""
    reply = yield encode(desk.clock())
    if _other_day(desk, reply):
        reply = yield encode(desk.clock())
        if _other_day(desk, reply):
            raise StoreError(
                "the server's clock and the limits' calendar do not agree",
                code="P210",
                hint="Look at the server's clock, and at tzdata on this host.",
            )
    return reply


def _other_day(desk: Desk, reply: Reply) -> bool:
    try:
        kind, desk.day_us = int(reply[0]), int(reply[1])
    except (TypeError, ValueError, IndexError):
        return False  # the decoder says what is wrong with it
    return kind == OTHER_DAY


def decide(
    desk: Desk, scope: Scope, policy: Policy, charges: tuple[int, ...], wait_us: int
) -> Plan[Answer]:
    """Ask once, for a booking at most *wait_us* ahead."""
    requests = [Request(policy, charges, wait_us)]

    def encode(clock: Clock) -> Call:
        return _wire.encode_acquire(scope, requests, clock)

    try:
        reply = yield from ask(desk, encode)
    except BaseException as error:
        # Interrupted while the server decided: what it booked, nobody will use.
        late = getattr(error, "reply", None)
        if late is not None:
            (answer,) = _reply.decode_acquire(late, scope, requests)
            if answer.booking is not None:
                yield from cancel(desk, scope, policy, answer.booking)
        raise
    (answer,) = _reply.decode_acquire(reply, scope, requests)
    if answer.never:
        pairs = zip(policy.limits, charges, strict=True)
        cost = ", ".join(f"{units:,} of {limit.name}" for limit, units in pairs)
        raise CostTooLarge(
            f"{answer.decision.limit} can never hold this cost: {cost}",
            hint="No waiting would help: lower the cost or raise the limit.",
        )
    now = yield Now()
    desk.listen(scope, policy, now, answer.cool_us)
    return answer


def try_acquire(
    desk: Desk, scope: Scope, policy: Policy, charges: tuple[int, ...]
) -> Plan[Decision]:
    """Ask once, for now."""
    answer = yield from decide(desk, scope, policy, charges, 0)
    return answer.decision


def acquire(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    charges: tuple[int, ...],
    timeout: float | None,
) -> Plan[Granted]:
    """
    Book the earliest turn and sleep until it comes.

    Args:
        timeout: Seconds in all, the store's time included. None means no bound.

    Raises RateLimitExceeded as soon as it is known that the turn comes too late.
    """
    start = yield Now()
    end = inf if timeout is None else start + timeout
    now = start
    while True:
        left = max(0.0, end - now)
        wait_us = int(min(left, _FURTHEST) * SECOND_US)
        answer = yield from decide(desk, scope, policy, charges, wait_us)
        now = yield Now()
        wait = answer.wait_us / SECOND_US
        if answer.booking is None:
            if now + wait > end or left <= 0:
                raise _too_late(scope, policy, answer.decision, timeout)
            # A hint, not a booking: the pause is the server's word.
            yield Sleep(min(wait, _NAP))
        elif wait == 0:
            return Granted(answer.booking, now - start)
        elif now + wait > end + _LAG:
            # The answer took so long that the booked turn is too late.
            yield from cancel(desk, scope, policy, answer.booking)
            raise _too_late(scope, policy, answer.decision, timeout)
        else:
            went = yield from _take_turn(desk, scope, policy, answer.booking, wait)
            if went:
                now = yield Now()
                return Granted(answer.booking, now - start)
        now = yield Now()


def _too_late(
    scope: Scope, policy: Policy, decision: Decision, timeout: float | None
) -> RateLimitExceeded:
    who = "/".join(part for part in (scope.display, policy.account) if part)
    asked = "no wait" if timeout == 0 else f"at most {timeout:g} s"
    return RateLimitExceeded(
        f"{decision.limit} of {who or 'this key'} allows this call in "
        f"{decision.retry_after:.3f} s; the caller allowed {asked}",
        decision=decision,
        hint="Wait longer (timeout=), lower the cost, or raise the limit.",
    )


def _take_turn(
    desk: Desk, scope: Scope, policy: Policy, booking: Booking, wait: float
) -> Plan[bool]:
    """Sleep until a booked turn; False if a cool-down came between, and it is back."""
    try:
        yield Sleep(wait)
        now = yield Now()
        if not desk.heard_since(scope, policy, now - _HEARSAY):
            yield from _ask_cool_down(desk, scope, policy, now)
    except GeneratorExit:
        raise  # a plan that is closed can call nobody
    except BaseException:
        # Cancelled or interrupted: the booking goes back, whoever waits moves up.
        yield from cancel(desk, scope, policy, booking)
        raise
    if desk.cools_until(scope, policy) <= now:
        return True
    yield from cancel(desk, scope, policy, booking)
    return False


def _ask_cool_down(desk: Desk, scope: Scope, policy: Policy, now: float) -> Plan[None]:
    # Many wake at once: one of them asks, the others hear of it.
    def known() -> bool:
        return desk.heard_since(scope, policy, now - _HEARSAY)

    call = _wire.encode_peek(scope, policy, desk.clock())
    try:
        reply = yield replace(call, ordered=True, needless=known)
    except StoreError:
        return  # the turn is booked; a store that went away cannot take it back
    if reply is not None and not _other_day(desk, reply):
        now = yield Now()
        desk.listen(scope, policy, now, _reply.decode_cool(reply))


def settle(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    booking: Booking,
    actual: tuple[int, ...],
) -> Plan[None]:
    """Post the true cost of a booking."""

    def encode(clock: Clock) -> Call:
        return _wire.encode_settle(scope, policy, booking, actual, clock)

    if actual != tuple(post[1] for post in booking.posts):
        yield from ask(desk, encode)


def cancel(desk: Desk, scope: Scope, policy: Policy, booking: Booking) -> Plan[None]:
    """Give all of a booking back. A store that cannot be reached keeps it."""
    nothing = (0,) * len(booking.posts)
    try:
        yield from settle(desk, scope, policy, booking, nothing)
    except StoreError:
        return


def peek(desk: Desk, scope: Scope, policy: Policy) -> Plan[tuple[LimitStatus, ...]]:
    """Look, without writing."""

    def encode(clock: Clock) -> Call:
        return _wire.encode_peek(scope, policy, clock)

    return _reply.decode_peek((yield from ask(desk, encode)), policy)


def cool_down(desk: Desk, scope: Scope, policy: Policy, seconds: float) -> Plan[None]:
    """Let nobody use the account for a while."""
    duration = round(seconds * SECOND_US)
    reply = yield _wire.encode_cool_down(scope, policy, duration, desk.clock())
    now = yield Now()
    desk.listen(scope, policy, now, _reply.decode_cool(reply))


def reset(desk: Desk, scope: Scope, policy: Policy) -> Plan[None]:
    """Forget the accounts of a key and model."""
    desk.heard.pop((scope.key, policy.account), None)
    yield _wire.encode_reset(scope, policy)
