"""
What a client remembers of an account: its sight, in case that the store forgets.

Every answer tells which life of the account it is of, how many scripts had written it,
and how each limit stood. That is kept as it came; what would still be booked of it is
only worked out when the store turns out to have lost it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ._calendar import boundaries
from ._calls import Arg, Clock, Request, Scope, Telling
from ._decision import LimitStatus
from ._limits import SECOND_US, CalendarWindow, Concurrency, Limit, SlidingWindow
from ._policy import Policy
from ._reply import Answer, Reply, strange
from ._wire import FURTHEST_US, SHARED, Book, own_field, place

LIFE = ("place", "epoch", "seq", "cool")
GHOST = ("life", "limit", "units", "rest", "ahead", "last")
CLOSED = ("account", "epoch", "rest")

# An answer that was fetched again does not tell how much was booked over the end of a
# period, but that something was. A moment of grace, for clocks are not exact.
_OVER_US = 60 * SECOND_US


# The last answer of an account, when it came, by a clock that never steps back, and the
# limits that it is about.
Sight: TypeAlias = tuple[Answer, float, Policy]


class Ghost(NamedTuple):
    """
    What one limit still holds of a sight.

    Attributes:
        units: How many were taken.

        rest_us: Until these are as if never used.

        ahead: Of a window: units whose moment had not come; of a calendar: units of
            the next period.

        last_us: Until the former are as if never used.
    """

    limit: Limit
    units: int
    rest_us: int
    ahead: int = 0
    last_us: int = 0


class Lost(NamedTuple):
    """
    A life of a field that the store has lost, or a part of it, and what it held.

    Attributes:
        field: The field's name.

        epoch: The life.

        seq: How many scripts had written it when it was last seen; 0 if nobody knows.

        cool_us: Until the account's cool-down ends.
    """

    field: str
    epoch: str
    seq: int
    cool_us: int
    ghosts: tuple[Ghost, ...]


def is_lost(before: Answer, after: Answer) -> bool:
    """
    Tell whether the store has lost what it knew at one answer, by a later one.

    The later one must have been asked for after the first had come.
    """
    # Every call passes here.
    olds, news = before.lives, after.lives
    (epoch, seq, _, _), (other, later, _, _) = olds[0], news[0]
    if epoch != other or later < seq:
        return True
    if len(olds) == 1 or len(news) == 1:
        return False
    (epoch, seq, _, _), (other, later, _, _) = olds[1], news[1]
    return epoch != other or later < seq


def remains(
    sight: Sight, after: Answer, now: float, wider: Sight | None = None
) -> list[Lost]:
    """
    Work out what the lives that *after* shows to be lost would still hold.

    Args:
        wider: The last answer that told of what models share, for any of them.
    """
    before, found = sight[0], []
    for shared, (old, new) in enumerate(zip(before.lives, after.lives, strict=False)):
        if new.epoch == old.epoch and new.seq >= old.seq:
            continue
        best = sight
        if shared and wider is not None:
            known = wider[0].lives[shared]
            best = wider if known[:1] == old[:1] and known.seq > old.seq else sight
        lost = _held(best, shared, now)
        if lost.ghosts or lost.cool_us:
            found.append(lost)
    return found


def _held(sight: Sight, shared: int, now: float) -> Lost:
    answer, at, policy = sight
    life = answer.lives[shared]
    name = SHARED if shared else own_field(policy)
    age = max(0, round((now - at) * SECOND_US))
    pairs = zip(policy.limits, answer.decision.statuses, strict=True)
    ghosts = tuple(
        ghost
        for limit, status in pairs
        if place(policy, limit)[0] == name
        and (ghost := _ghost(limit, status, answer, age))
    )
    return Lost(name, life.epoch, life.seq, max(0, life.cool_us - age), ghosts)


def unknown(after: Answer, policy: Policy, born_us: int) -> list[Lost]:
    """
    Return what there may have been of an account, if its server was born a moment ago.

    All that its limits could hold, until the field or the server was born, whichever
    is longer ago: since then nothing is lost.
    """
    found = []
    names = (own_field(policy), SHARED)
    for name, life in zip(names, after.lives, strict=False):
        then = min(born_us, int(life.epoch[:16]))
        ghosts = tuple(
            Ghost(limit, limit.capacity, rest)
            for limit in policy.limits
            if place(policy, limit)[0] == name
            and (rest := _full_until(limit, then) - after.now_us) > 0
        )
        if ghosts:
            found.append(Lost(name, f"{born_us:016d}full", 0, 0, ghosts))
    return found


def longest_us(limit: Limit) -> int:
    """For how long anybody may remember what was booked of a limit."""
    if isinstance(limit, Concurrency):
        return limit.lease_us
    if isinstance(limit, CalendarWindow):
        return 2 * FURTHEST_US
    fill = limit.per_us
    if not isinstance(limit, SlidingWindow):
        fill = fill * limit.capacity // limit.rate
    return fill + FURTHEST_US


def _full_until(limit: Limit, then: int) -> int:
    """Until when a limit is in use of which all was taken *then*."""
    if isinstance(limit, CalendarWindow):
        return boundaries(limit.period, limit.tz, then)[1]
    if isinstance(limit, SlidingWindow):
        return then + limit.per_us
    if isinstance(limit, Concurrency):
        return then + limit.lease_us
    return then + limit.per_us * limit.capacity // limit.rate


def _ghost(limit: Limit, status: LimitStatus, answer: Answer, age: int) -> Ghost | None:
    reset_us = round(status.reset_after * SECOND_US)
    last, units = reset_us - age, status.capacity - status.remaining
    if last <= 0:
        return None
    half = next((each[1:] for each in answer.halves if each[0] is limit), None)
    if isinstance(limit, CalendarWindow):
        return _of_calendar(limit, units, half, answer.now_us, reset_us, age)
    if half is None:
        return Ghost(limit, units, last)
    ahead, acted, rest = half
    rest -= age
    return Ghost(limit, acted if rest > 0 else 0, max(0, rest), ahead, last)


def _of_calendar(
    limit: CalendarWindow,
    units: int,
    half: tuple[int, int, int] | None,
    seen_us: int,
    reset_us: int,
    age: int,
) -> Ghost | None:
    _, end, _ = boundaries(limit.period, limit.tz, seen_us)
    ahead = 0
    if half is not None:
        ahead = half[0]
    elif seen_us + reset_us > end + _OVER_US:
        ahead = limit.capacity  # nobody told how much: all of it may be
    if seen_us + age < end:
        return Ghost(limit, units, reset_us - age, ahead)
    return Ghost(limit, ahead, reset_us - age) if ahead else None


def encode_heal(
    scope: Scope, policy: Policy, lost: list[Lost], clock: Clock
) -> Telling:
    """Encode a call of ``lua/heal.lua``."""
    book = Book([Request(policy, (), 0)], clock.day_us)
    args: list[Arg] = [clock.now, clock.nonce, *book.args.args, len(lost)]
    rows: list[Arg] = []
    for number, life in enumerate(lost, 1):
        args += (book.fields[life.field], life.epoch, life.seq, life.cool_us)
        for ghost in life.ghosts:
            where = (life.field, ghost.limit.tag)
            rows += (number, book.limits[where], ghost.units, ghost.rest_us)
            rows += (ghost.ahead, ghost.last_us)
    args += (len(rows) // len(GHOST), *rows)
    return Telling(
        "heal",
        scope.key,
        tuple(args),
        limits=told_of(lost),
        remembered=any(life.seq for life in lost),
    )


def told_of(lost: list[Lost]) -> tuple[str, ...]:
    """Name the limits of ghosts, in the order of their rows."""
    return tuple(ghost.limit.name for life in lost for ghost in life.ghosts)


def restored(limits: Sequence[str], reply: Reply) -> dict[str, int]:
    """
    Decode the reply of ``lua/heal.lua``: units given back, by the limit's name.

    Raises:
        StoreError: If the reply is none of that script (P209).
    """
    try:
        units = [int(value) for value in reply[len(reply) - len(limits) :]]
        pairs = zip(limits, units, strict=True)
        return {name: more for name, more in pairs if more > 0}
    except (TypeError, ValueError) as error:
        raise strange(reply) from error
