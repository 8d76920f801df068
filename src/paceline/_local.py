"""
A limiter for one process, for as long as the store is gone: no I/O, no clock.

It knows what this process used of a limit, and lets it go on with a share of it:

* a window: as much as it used in the last one, and at most an equal part of the limit.
  As its own log goes on, windows across the beginning of the outage count both sides.
* a long window, or a calendar's period: an equal part of what was left of it.
* a bucket: a part of its rate, from an empty bucket on, for what was left of the burst
  may be gone already.
* places: an equal part of them.

All shares together are at most the limit, if each process that used it knew how many
they are (docs/explanation/outages.md has the argument). Moments and spans are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from ._limits import (
    CalendarWindow,
    Concurrency,
    Limit,
    TokenBucket,
)
from ._log import Log, span_of

if TYPE_CHECKING:
    from collections.abc import Callable

# From here on a window is so long that one outage uses up what is left of it.
LONG = 600.0

# Seconds after which what is left of a long window, as it was last told, is too old.
FRESH = 60.0

# A share that is used to less than this shrinks, after a window, by up to half.
_WELL_USED = 0.8


@dataclass(frozen=True, slots=True)
class Known:
    """
    What is known of one limit when its share is opened.

    Attributes:
        log: What this process used of it.

        used: What it used in the last window before the store was gone.

        clients: How many processes use it, as the store last said.

        others: Units that others had used, by the store's last answer.

        remaining: Units that were left when the store last answered; 0 if that is too
            long ago.

        until: When a calendar's period ends.
    """

    log: Log
    used: int
    clients: int
    others: int
    remaining: int
    until: float

    @property
    def alone(self) -> bool:
        """Whether nobody else uses the limit."""
        return self.clients == 1 and not self.others


class Share(Protocol):
    """The part of one limit that this process may use."""

    def tick(self, now: float, /) -> None:
        """Note what time it is, before anything is asked."""

    def earliest(self, now: float, cost: int, /) -> float:
        """Return when the cost fits; inf is never."""

    def book(self, moment: float, units: int, late: float = 0.0, /) -> None:
        """Use some of it at a moment, or so much later."""

    def undo(self, moment: float, units: int, late: float = 0.0, /) -> None:
        """Give back what was booked and not used."""

    def owed(self, now: float, spent: int, /) -> int:
        """Return how much of what was spent is still to be charged now."""

    def left(self, now: float, /) -> int:
        """Return the units that could be used now."""


def open_share(
    limit: Limit, known: Known, now: float, held: Callable[[], int]
) -> Share:
    """Return this process's share of a limit, from now on."""
    part = limit.capacity // known.clients
    if isinstance(limit, Concurrency):
        return _Places(part, held)
    used = known.used
    if isinstance(limit, TokenBucket):
        # Within one span a bucket lets up to twice its burst through.
        fraction = min(used / (2 * limit.capacity), 1 / known.clients)
        if known.alone:
            fraction = 1.0
        rate = limit.rate / limit.per * fraction
        return _Bucket(limit.capacity * fraction, rate, now, known.log)
    span = span_of(limit)
    if isinstance(limit, CalendarWindow):
        left = known.remaining // known.clients
        return _Budget(left, part, known.until, span, None)
    if span > LONG:
        left = known.remaining // known.clients
        return _Budget(left, part, now + span, span, known.log)
    # Who is alone knows all that was used.
    most = part if known.alone else min(used, part)
    return _Window(known.log, most, now, span)


class _Window:
    """As much in any window as in the last one, at most."""

    def __init__(self, log: Log, most: float, now: float, span: float) -> None:
        self._log = log
        self._most = most
        self._span = span
        self._next = now + span

    def tick(self, now: float, /) -> None:
        while now >= self._next:
            # Who is there, and how much they need, is known less and less.
            used = self._log.used(self._next)
            if used < _WELL_USED * self._most:
                self._most = max(used, self._most / 2)
            self._next += self._span
        self._log.trim(now)

    def earliest(self, now: float, cost: int, /) -> float:
        return self._log.earliest(now, cost, self._most)

    def book(self, moment: float, units: int, late: float = 0.0, /) -> None:
        self._log.add(moment + late, units)

    def undo(self, moment: float, units: int, late: float = 0.0, /) -> None:
        self._log.take(moment + late, units)

    def owed(self, _now: float, spent: int, /) -> int:
        return spent

    def left(self, now: float, /) -> int:
        return max(0, int(self._most) - self._log.used(now))


class _Budget:
    """So much until a moment; then an equal part of the limit for each span."""

    def __init__(
        self, left: int, part: int, until: float, span: float, log: Log | None
    ) -> None:
        self._left = left
        self._part = part
        self._until = until
        self._span = span
        self._log = log
        self._ahead = 0

    def tick(self, now: float, /) -> None:
        while self._log is None and now >= self._until:
            self._left, self._ahead = self._part - self._ahead, 0
            self._until += self._span

    def earliest(self, now: float, cost: int, /) -> float:
        if now < self._until and cost <= self._left:
            return now
        moment = max(now, self._until)
        if self._log is not None:
            return self._log.earliest(moment, cost, self._part)
        return moment if cost <= self._part - self._ahead else inf

    def book(self, moment: float, units: int, late: float = 0.0, /) -> None:
        self._count(moment, units)
        if self._log is not None:
            self._log.add(moment + late, units)

    def undo(self, moment: float, units: int, late: float = 0.0, /) -> None:
        self._count(moment, -units)
        if self._log is not None:
            self._log.take(moment + late, units)

    def _count(self, moment: float, units: int) -> None:
        if moment < self._until:
            self._left -= units
        else:
            self._ahead += units

    def owed(self, _now: float, spent: int, /) -> int:
        return spent

    def left(self, _now: float, /) -> int:
        return max(0, self._left)


class _Bucket:
    """A bucket with a part of the rate and burst, empty at first."""

    def __init__(self, burst: float, rate: float, now: float, log: Log) -> None:
        self._log = log
        self._burst = burst
        self._rate = rate
        self._debt = burst
        self._at = now

    def tick(self, now: float, /) -> None:
        self._log.trim(now)

    def _drained(self, now: float) -> float:
        return max(0.0, self._debt - max(0.0, now - self._at) * self._rate)

    def earliest(self, now: float, cost: int, /) -> float:
        if cost > self._burst:
            return inf
        over = self._debt + cost - self._burst
        return (
            max(now, self._at + over / self._rate) if over > 0 else max(now, self._at)
        )

    def book(self, moment: float, units: int, late: float = 0.0, /) -> None:
        self._debt = self._drained(moment) + units
        self._at = max(self._at, moment)
        self._log.add(moment + late, units)

    def undo(self, moment: float, units: int, late: float = 0.0, /) -> None:
        self._log.take(moment + late, units)
        # What others booked since may have found it drained: only what nobody did.
        if moment >= self._at:
            self._debt = max(0.0, self._debt - units)

    def owed(self, now: float, spent: int, /) -> int:
        return min(spent, -int(-self._drained(now) // 1))

    def left(self, now: float, /) -> int:
        return max(0, int(self._burst - self._drained(now)))


class _Places:
    """So many at a time, with those that are held since before."""

    def __init__(self, most: int, held: Callable[[], int]) -> None:
        self._most = most
        self._held = held
        self._taken = 0

    def tick(self, now: float, /) -> None:
        """Let nothing happen: places come back when they are released."""

    def earliest(self, now: float, cost: int, /) -> float:
        if cost > self._most:
            return inf
        return now if self._held() + self._taken + cost <= self._most else BUSY

    def book(self, _moment: float, units: int, _late: float = 0.0, /) -> None:
        self._taken += units

    def undo(self, _moment: float, units: int, _late: float = 0.0, /) -> None:
        self._taken -= units

    def owed(self, _now: float, _spent: int, /) -> int:
        return 0

    def left(self, _now: float, /) -> int:
        return max(0, self._most - self._held() - self._taken)


# A release decides when there is room, and nobody knows when.
BUSY = 1e300
