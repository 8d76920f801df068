"""
What each operation does, as a generator that does no I/O and reads no clock.

A plan yields effects and is sent their results. ``_sync.run`` and ``_aio.run`` are its
two drivers, so there is one copy of every decision and two of every await. Whatever
interrupts an effect is thrown into the plan, which can then still give a booking back.
Waiting for a turn is in ``_turns``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from math import inf

from . import _healing, _reply, _sight, _wire
from ._batch import ask_day
from ._calls import Call, Clock, Post, Request, Scope
from ._corrections import LIFE, fact_of, limit_fact
from ._decision import Decision, LimitStatus
from ._desk import Desk
from ._effects import Ask, Now, Plan, Stir
from ._errors import CostTooLarge, StoreError, StoreUnavailable
from ._facts import Fact, Known, decode_note, encode_note
from ._limits import SECOND_US, Limit
from ._policy import Policy
from ._postings import cancel, interrupted, recall
from ._reply import Answer
from ._sight import Lost
from ._unheard import is_of_others

# How late a permit may be when its reply had to be fetched a second time, and how
# often one may be.
_PROMPT_US = 1_000
_MOST_LOST = 4


def decide(
    desk: Desk,
    scope: Scope,
    request: Request,
    until: float = inf,
    known: StoreError | None = None,
) -> Plan[Answer]:
    """
    Ask once; anew if a lost reply came back too late to use what it grants.

    Args:
        until: The moment of the monotonic clock at which the caller gives up.

        known: How asking has failed already, by the short way.

    Raises:
        CostTooLarge: If a limit can never hold the cost.
    """
    if known is not None and not is_of_others(known, until):
        # One of its own: what is found in a traceback of itself is freed late.
        raise copy(known) from known.__cause__
    request = desk.current(scope, request)
    for _ in range(_MOST_LOST):
        if desk.owed:
            yield from recall(desk, scope, until)
        try:
            answer = yield from _decide(desk, scope, request, until)
        except StoreUnavailable as error:
            if not is_of_others(error, until):
                raise
            continue  # it shared a call with somebody who gave up earlier
        late_us = -answer.wait_us - scope.guard_us
        if late_us <= _PROMPT_US or answer.booking is None:
            return answer
        yield from cancel(desk, scope, request.policy, answer.booking, until)
    raise StoreUnavailable(
        "the store's replies are lost again and again",
        code="P208",
        hint="Look at the network between here and the store.",
    )


def _decide(desk: Desk, scope: Scope, request: Request, until: float) -> Plan[Answer]:
    """Ask; anew if the store has lost what this process remembers."""
    policy = request.policy
    for _ in range(_MOST_LOST):
        before = desk.seen.get((scope.key, policy.account))
        answer = yield from _ask(desk, scope, request, until)
        now = yield Now()
        lost: list[Lost] = []
        if desk.heals:
            lost = yield from _healing.find(desk, scope, policy, before, answer, now)
        if not lost:
            desk.hear(scope, now, policy, answer)
            return answer
        if answer.booking is not None:
            yield from cancel(desk, scope, policy, answer.booking, until)
        yield from _healing.heal(desk, scope, policy, lost, before, now, until)
    raise StoreUnavailable(
        "the store loses its data again and again",
        code="P213",
        hint="Who flushes it, or starts it without its data?",
    )


def _ask(desk: Desk, scope: Scope, request: Request, until: float) -> Plan[Answer]:
    try:
        answer: Answer = yield Ask(desk.almanac, scope, request, until)
    except BaseException as error:
        yield from interrupted(desk, scope, request.policy, error, until)
        raise
    if answer.never:
        pairs = zip(request.policy.limits, request.charges, strict=True)
        cost = ", ".join(f"{units:,} of {limit.name}" for limit, units in pairs)
        raise CostTooLarge(
            f"{answer.decision.limit} can never hold this cost: {cost}",
            hint="No waiting would help: lower the cost or raise the limit.",
        )
    return answer


def try_acquire(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    charges: tuple[int, ...],
    known: StoreError | None = None,
) -> Plan[Decision]:
    """Ask once, for now; *known* as of :func:`decide`."""
    request = Request(policy, charges, 0)
    answer = yield from decide(desk, scope, request, inf, known)
    return answer.decision


def renew(
    desk: Desk, scope: Scope, holds: list[tuple[Policy, Limit, Post]]
) -> Plan[list[int]]:
    """Hold on to leases; return the new end of each, 0 if it is lost."""

    def encode(clock: Clock) -> Call:
        return _wire.encode_renew(scope, holds, clock)

    return _reply.decode_renew((yield from ask_day(desk.almanac, encode)), len(holds))


def peek(desk: Desk, scope: Scope, policy: Policy) -> Plan[tuple[LimitStatus, ...]]:
    """Look, without writing."""

    def encode(clock: Clock) -> Call:
        return _wire.encode_peek(scope, policy, clock)

    return _reply.decode_peek((yield from ask_day(desk.almanac, encode)), policy)


def cool_down(
    desk: Desk, scope: Scope, policy: Policy, seconds: float, *, refused: bool
) -> Plan[None]:
    """Let nobody use the account for a while; the store counts it if it is a 429's."""
    duration, clock = round(seconds * SECOND_US), desk.almanac.clock()
    reply = yield _wire.encode_cool_down(
        scope, policy, duration, clock, refused=refused
    )
    now = yield Now()
    desk.listen(scope, policy, now, _reply.decode_cool(reply))


def tell(
    desk: Desk, scope: Scope, policy: Policy, facts: Sequence[Fact] = ()
) -> Plan[Mapping[str, Known]]:
    """Tell facts of an account, and return all that are kept."""
    reply = yield encode_note(scope, policy, facts, desk.almanac.clock())
    known = decode_note(reply)
    now = yield Now()
    desk.learn(scope, policy, known, now)
    return known


def correct(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    correction: tuple[str, int | None],
    seconds: float,
) -> Plan[None]:
    """
    Tell what a limit really is, by its name.

    Where the store is gone, this process goes by it all the same.
    """
    fact = fact_of(policy, *correction, seconds)
    try:
        yield from tell(desk, scope, policy, [fact])
    except StoreError:
        now = yield Now()
        alone = {fact.name: Known(fact.value, seconds)}
        desk.learn(scope, policy, alone, now)
        raise


def introduce(
    desk: Desk, scope: Scope, policy: Policy, learnt: Sequence[tuple[Limit, int]]
) -> Plan[Sequence[Fact]]:
    """
    Charge what is used already of limits that nobody configured.

    Before anybody else knows of them; returns the facts by which they will.
    """
    new, used = zip(*learnt, strict=True)
    future = Policy(policy.account, new)
    yield from decide(desk, scope, Request(future, used, 0))
    return [Fact(limit_fact(limit), str(limit.capacity), LIFE) for limit in new]


def reset(desk: Desk, scope: Scope, policy: Policy) -> Plan[None]:
    """Forget the accounts of a key and model."""
    known: list[tuple[str, int]] = []
    sight = desk.forget(scope, policy)
    if sight is not None:
        # Others may have seen more of it: for as long as a full limit takes to empty.
        rest = max(_sight.longest_us(limit) for limit in policy.limits)
        known = [(life.epoch, rest) for life in sight[0].lives]
    yield _wire.encode_reset(scope, policy, desk.almanac.clock(), known)
    desk.refusals.forget(scope.key)
    yield Stir(scope.key)
