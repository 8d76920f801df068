"""What this process used of a limit of late."""

from __future__ import annotations

from collections import deque
from math import inf

from ._limits import CalendarWindow, Limit, SlidingWindow, TokenBucket

_SLOTS = 60


def span_of(limit: Limit) -> float:
    """Return for how many seconds a limit remembers what was used."""
    if isinstance(limit, SlidingWindow):
        return limit.per
    if isinstance(limit, TokenBucket):
        return limit.per * limit.capacity / limit.rate
    if isinstance(limit, CalendarWindow):
        return {"day": 1, "week": 7, "month": 31}[limit.period] * 86_400.0
    return limit.lease


def grace_of(limit: Limit) -> float:
    """Return by how many seconds a permit that waited may be used late."""
    return min(0.1, span_of(limit) / 200)


class Log:
    """
    What was used of one limit, by its moment, coalesced to slots.

    A slot counts as used at its latest moment: never too early.
    """

    __slots__ = ("_entries", "_slot", "_span")

    def __init__(self, span: float) -> None:
        self._span = span
        self._slot = span / _SLOTS
        self._entries: deque[list[float]] = deque()  # [slot, latest moment, units]

    def add(self, moment: float, units: int) -> None:
        """Note what was used."""
        slot = moment // self._slot
        at = len(self._entries)
        while at and self._entries[at - 1][0] > slot:
            at -= 1
        if at and self._entries[at - 1][0] == slot:
            entry = self._entries[at - 1]
            entry[1], entry[2] = max(entry[1], moment), entry[2] + units
        else:
            self._entries.insert(at, [slot, moment, units])

    def take(self, moment: float, units: int) -> None:
        """Take back what was noted for a moment."""
        slot = moment // self._slot
        for entry in reversed(self._entries):
            if entry[0] == slot:
                entry[2] = max(0, entry[2] - units)
                return

    def used(self, now: float) -> int:
        """Return what the window that ends now holds, and all that is booked ahead."""
        since = now - self._span
        return int(sum(entry[2] for entry in self._entries if entry[1] > since))

    def trim(self, now: float) -> None:
        """Forget what no window holds any more."""
        while self._entries and self._entries[0][1] <= now - 2 * self._span:
            self._entries.popleft()

    def earliest(self, now: float, cost: int, most: float) -> float:
        """Return the first moment at which no window holds more than *most*."""
        if cost > most:
            return inf
        used = self.used(now)
        moment = now
        for _, latest, units in self._entries:
            if used + cost <= most:
                break
            if latest > now - self._span:
                used -= int(units)
                moment = latest + self._span
        return max(now, moment)
