"""Many latencies in little memory, exact to three percent."""

from __future__ import annotations

from collections import Counter
from math import exp, floor, log

# Each step of the histogram is so much wider than the one before.
_STEP = log(1.03)
_LEAST = 1e-7


class Latencies:
    """
    A histogram of seconds with steps of three percent. It can be pickled and added.

    Attributes:
        count: How many there are.

        most: The longest, exactly.
    """

    __slots__ = ("_steps", "count", "most")

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self.count: int = 0
        self.most: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._steps[floor(log(max(seconds, _LEAST)) / _STEP)] += 1
        self.count += 1
        self.most = max(self.most, seconds)

    def merge(self, other: Latencies) -> None:
        """Count all of *other*'s too."""
        self._steps.update(other._steps)
        self.count += other.count
        self.most = max(self.most, other.most)

    def percentile(self, percent: float) -> float:
        """Return the seconds that *percent* of them do not exceed; 0.0 of none."""
        wanted, seen = self.count * percent / 100, 0
        for step in sorted(self._steps):
            seen += self._steps[step]
            if seen >= wanted:
                return min(exp((step + 1) * _STEP), self.most)
        return self.most

    def as_json(self) -> dict[str, float]:
        """Return the usual percentiles, in milliseconds."""
        shown = {f"p{each}": self.percentile(each) for each in (50, 90, 99)}
        shown["max"] = self.most
        return {name: round(seconds * 1e3, 3) for name, seconds in shown.items()}
