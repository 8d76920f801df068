"""
What a stream of costs shows about itself, exactly and in bounded memory.

Two questions are asked of every stream: what was the most that any window of the
period's length held, and by how much did the stream exceed a bucket that drains at a
steady rate? Moments are whole nanoseconds that never go back; costs are whole units.
All arithmetic is on integers, so that a judge can say "never over" and mean it.
"""

from __future__ import annotations

from collections import deque


class WindowPeak:
    """
    The largest sum of costs within any window of *per_ns* nanoseconds.

    Windows are half open: costs that are exactly *per_ns* apart are never in one
    window. Only the costs of the last window are kept.

    Attributes:
        peak: The largest sum so far, in units.
    """

    __slots__ = ("_costs", "_per_ns", "_sum", "peak")

    def __init__(self, per_ns: int) -> None:
        self._per_ns = per_ns
        self._costs: deque[tuple[int, int]] = deque()
        self._sum = 0
        self.peak: int = 0

    def add(self, cost: int, now: int) -> None:
        """Count *cost* at the moment *now*."""
        # Every maximum is reached by a window that ends with a cost, so looking
        # when one is added misses nothing.
        self._expire(now)
        self._costs.append((now, cost))
        self._sum += cost
        self.peak = max(self.peak, self._sum)

    def restart(self, now: int) -> None:
        """Count the peak anew, from what the window holds that ends *now*."""
        self._expire(now)
        self.peak = self._sum

    def _expire(self, now: int) -> None:
        while self._costs and self._costs[0][0] <= now - self._per_ns:
            self._sum -= self._costs.popleft()[1]


class Debt:
    """
    What a bucket is owed: each cost adds to it, and it drains at *limit* per *per_ns*.

    The debt is kept in units times nanoseconds of the period, so that draining is a
    multiplication and nothing is ever rounded.

    Attributes:
        peak: The largest debt so far, scaled.
    """

    __slots__ = ("_at", "_limit", "_owed", "_per_ns", "peak")

    def __init__(self, limit: int, per_ns: int) -> None:
        self._limit = limit
        self._per_ns = per_ns
        self._owed = 0
        self._at = 0
        self.peak: int = 0

    def at(self, now: int) -> int:
        """Tell the debt at the moment *now*, scaled."""
        return max(0, self._owed - self._limit * (now - self._at))

    def add(self, cost: int, now: int) -> None:
        """Owe *cost* units more, at the moment *now*; less if it is below 0."""
        # It may fall below 0 here, and is 0 whenever it is asked for.
        self._owed = self.at(now) + cost * self._per_ns
        self._at = now
        self.peak = max(self.peak, self._owed)

    def change(self, limit: int, now: int) -> None:
        """Drain by *limit* from the moment *now* on; the peak is counted anew."""
        self._owed = self.peak = self.at(now)
        self._at = now
        self._limit = limit

    def fill(self, now: int, most: int) -> None:
        """Owe one unit more at the moment *now*, yet no more than *most* units."""
        debt = self.at(now)
        self._owed = max(debt, min(debt + self._per_ns, most * self._per_ns))
        self._at = now
        self.peak = max(self.peak, self._owed)
