"""
How a limit stands, from what the store holds of it.

The Python twin of what ``window.lua``, ``bucket.lua``, ``calendar.lua`` and
``lease.lua`` answer to ``peek``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from math import ceil, floor

from ._calendar import boundaries
from ._format import format_limit
from ._limits import CalendarWindow, Limit, SlidingWindow, TokenBucket
from ._state import UNIT, Field, Section, limit_of, owed, text_of

_WINDOW_HEAD, _WINDOW_ENTRY = 7, 14
_BUCKET_HEAD, _BUCKET_ENTRY, _LEASE_ENTRY = 91, 41, 29
_MOST_SUM = 999_999_999_999
_MOST = 1_000_000_000_000_000  # us: the longest time that a script tells


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How one limit stands.

    Attributes:
        limit: As whoever wrote last took it. The rate of a bucket is not stored but
            worked out from what is owed and when it will be paid; the lease of a limit
            on calls at a time is not known.

        text: The limit as people write it.

        used: Units that are taken now.

        ahead: Units that are booked for a later moment: those who wait.

        remaining: Units left now, as ``peek`` says.

        reset_us: Until it is as if never used.

        odometer: Units that were booked since some moment, refunds taken off; None if
            the kind keeps no such count.

        debt: Of a bucket: what is owed now, in millionths of a unit.
    """

    limit: Limit
    text: str
    used: int = 0
    ahead: int = 0
    remaining: int = 0
    reset_us: int = 0
    odometer: int | None = None
    debt: int = 0

    @classmethod
    def unused(cls, limit: Limit) -> Standing:
        """Return how a limit stands that nobody has used."""
        return cls(limit, format_limit(limit), remaining=limit.capacity)

    @property
    def fullness(self) -> float:
        """Which part of it is taken, the waiting ones included: 0 to 1."""
        return 1 - self.remaining / self.limit.capacity


def standing(
    section: Section, field: Field, now: int, limit: Limit | None = None
) -> Standing:
    """
    Tell how a limit stands at the server's moment *now*.

    Args:
        limit: What it is known to be; None takes what the store tells.

    Raises:
        ValueError: If it is of a kind that this release does not know.
    """
    known = limit or limit_of(section)
    text = format_limit(known) if limit else text_of(section, known)
    base = Standing(known, text, remaining=known.capacity)
    if not section.live:
        return base
    if isinstance(known, SlidingWindow):
        return _window(base, known, section, now)
    if isinstance(known, TokenBucket):
        return _bucket(base, known, section, now)
    if isinstance(known, CalendarWindow):
        return _calendar(base, known, section, now)
    return _leases(base, section, now + field.shift)


def _window(
    base: Standing, limit: SlidingWindow, section: Section, now: int
) -> Standing:
    gone = section.digits(0)
    if len(section.body) % _WINDOW_ENTRY != _WINDOW_HEAD or gone > _MOST_SUM:
        raise ValueError("a window's log in a format of another release")
    count = (len(section.body) - _WINDOW_HEAD) // _WINDOW_ENTRY

    def moment(entry: int) -> int:
        return section.at + section.digits(_WINDOW_HEAD + _WINDOW_ENTRY * entry)

    def running(entry: int) -> int:
        return section.digits(_WINDOW_ENTRY * (entry + 1))

    # Entries are in order, as the script keeps them: few of them need be read.
    entries, start = range(count), now - limit.per_us
    total = running(count - 1)
    before = running(bisect_right(entries, start, key=moment) - 1)  # has left
    acted = running(bisect_right(entries, now, key=moment) - 1)  # is not ahead
    last = moment(bisect_left(entries, total, key=running)) if count else now
    return replace(
        base,
        used=acted - before,
        ahead=total - max(acted, before),
        remaining=max(0, limit.capacity - (total - before)),
        reset_us=max(0, last + limit.per_us - now) if total > before else 0,
        odometer=total,
    )


def _bucket(base: Standing, limit: TokenBucket, section: Section, now: int) -> Standing:
    debt, moment = owed(section)
    rate = limit.rate * UNIT / limit.per_us
    # In floating point and in this order, as the script does.
    due = max(0.0, debt - (now - moment) * rate)
    free = limit.capacity * UNIT - due
    paid = moment + ceil(debt / rate)
    own, ahead = _acted(section, rate, now)
    return replace(
        base,
        used=ceil(own / UNIT),
        ahead=ahead,
        remaining=max(0, floor(free / UNIT)),
        reset_us=min(_MOST, max(0, paid - now)) if debt else 0,
        debt=int(own),
    )


def _acted(section: Section, rate: float, now: int) -> tuple[float, int]:
    """Return what those owe now whose moment has come, and the others' units."""
    debt, moment = float(section.number(0, 16)), section.at + section.number(16, 13)
    ahead = 0
    end = _BUCKET_HEAD + _BUCKET_ENTRY * section.number(87, 4)
    for start in range(_BUCKET_HEAD, end, _BUCKET_ENTRY):
        act, units = (
            section.at + section.number(start, 13),
            section.number(start + 29, 12),
        )
        if act > now:
            ahead += units
        else:
            debt = max(0.0, debt - (act - moment) * rate) + units * UNIT
            moment = act
    return max(0.0, debt - (now - moment) * rate), ahead


def _calendar(
    base: Standing, limit: CalendarWindow, section: Section, now: int
) -> Standing:
    start, stop, after = (section.number(at, 16) for at in (0, 16, 45))
    count, following = section.number(32, 13), section.number(61, 13)
    if now < start:
        # The clock stepped back over the boundary: what was counted counts twice.
        _, stop, after = boundaries(limit.period, limit.tz, now)
        following = max(count, following)
    elif now >= after:
        return base
    elif now >= stop:
        count, following, stop = following, 0, after
    ends = after if following else stop
    return replace(
        base,
        used=count,
        ahead=following,
        remaining=max(0, limit.capacity - count),
        reset_us=ends - now if count or following else 0,
        odometer=count + following,
    )


def _leases(base: Standing, section: Section, virtual: int) -> Standing:
    ends = {
        section.number(start, 16): section.number(start + 16, 13)
        for start in range(0, len(section.body), _LEASE_ENTRY)
    }
    held = {end: holders for end, holders in ends.items() if end > virtual}
    busy = sum(held.values())
    return replace(
        base,
        used=busy,
        remaining=max(0, base.limit.capacity - busy),
        reset_us=max(held) - virtual if held else 0,
    )
