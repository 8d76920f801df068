"""
One limit at work: the bucket that decides, and a record of what it saw.

A token bucket, as OpenAI is observed to enforce its limits: the capacity is the limit,
the refill is continuous. Time is an argument, in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from .history import Debt, WindowPeak
from .quota import SECOND_NS, Quota


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How a limit stands after a verdict: what the rate limit headers say.

    Attributes:
        quota: The limit.

        remaining: Whole units that could be taken now.

        reset_ns: Nanoseconds until the bucket is full.
    """

    quota: Quota
    remaining: int
    reset_ns: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    Why a request was refused.

    Attributes:
        quota: The limit that refuses; of several, the one to be waited for longest.

        used: Units in use, rounded up.

        requested: Units asked for.

        wait_ns:
            Nanoseconds until the request would be admitted if nothing else came.
            None if it never would be: it asks for more than the bucket holds.
    """

    quota: Quota
    used: int
    requested: int
    wait_ns: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The answer to one arrival.

    Attributes:
        refusal: None if the request was admitted.

        standings: Each limit, after the request was charged, or was not.
    """

    refusal: Refusal | None
    standings: tuple[Standing, ...]


class Meter:
    """One limit at work: the bucket that decides, and a record of what it saw."""

    def __init__(self, quota: Quota) -> None:
        self.quota: Quota = quota
        self.offered: int = 0
        self.admitted: int = 0
        self.returned: int = 0
        self.settled: int = 0
        self._bucket = Debt(quota.limit, quota.per_ns)
        self._slice = Debt(quota.limit, quota.per_ns)
        self._offered_debt = Debt(quota.limit, quota.per_ns)
        self._offered_window = WindowPeak(quota.per_ns)
        self._admitted_window = WindowPeak(quota.per_ns)
        self._settled_window = WindowPeak(quota.per_ns)

    def change(self, quota: Quota, now: int) -> None:
        """Go on with another limit per the same period; peaks are counted anew."""
        self.quota = quota
        for debt in (self._bucket, self._slice, self._offered_debt):
            debt.change(quota.limit, now)
        for window in (
            self._offered_window,
            self._admitted_window,
            self._settled_window,
        ):
            window.restart(now)

    def offer(self, cost: int, now: int) -> Refusal | None:
        """Record that *cost* arrived, and tell whether there is room for it."""
        self.offered += cost
        self._offered_debt.add(cost, now)
        self._offered_window.add(cost, now)
        quota = self.quota
        debt = self._bucket.at(now)
        used = -(-debt // quota.per_ns)
        if cost > quota.burst:
            return Refusal(quota, used, cost, None)
        excess = debt + (cost - quota.burst) * quota.per_ns
        excess = max(excess, self._slice_excess(cost, now))
        if excess > 0:
            return Refusal(quota, used, cost, quota.nanoseconds(excess))
        return None

    def _slice_excess(self, cost: int, now: int) -> int:
        """Tell how much of its slice must drain before *cost* has room, scaled."""
        if not self.quota.slice_ns:
            return 0
        room = self.quota.limit * self.quota.slice_ns
        # What is larger than a slice waits for an empty one, or it would never pass.
        return self._slice.at(now) + min(cost * self.quota.per_ns, room) - room

    def admit(self, cost: int, now: int) -> None:
        """Charge *cost*, for which there is room."""
        self.admitted += cost
        self._bucket.add(cost, now)
        self._slice.add(cost, now)
        self._admitted_window.add(cost, now)

    def settle(self, cost: int, now: int) -> None:
        """Record that an answer has ended that used *cost*."""
        self.settled += cost
        self._settled_window.add(cost, now)

    def correct(self, change: int, now: int) -> None:
        """Charge *change* units more, whether there is room or not; below 0, less."""
        self.returned -= change
        for debt in (self._bucket, self._slice, self._offered_debt):
            debt.add(change, now)

    def count_failed(self, now: int) -> None:
        """Take a unit if there is one left: a refused request was a request too."""
        self._bucket.fill(now, self.quota.burst)

    def standing(self, now: int) -> Standing:
        """Tell how the limit stands."""
        debt = self._bucket.at(now)
        used = -(-debt // self.quota.per_ns)
        return Standing(
            self.quota, max(0, self.quota.burst - used), self.quota.nanoseconds(debt)
        )

    def report(self, span_ns: int) -> dict[str, str | int | float]:
        """Tell what was seen; *span_ns* is from the first admission to the last."""
        quota = self.quota
        excess = max(0, self._offered_debt.peak - quota.burst * quota.per_ns)
        return {
            "unit": quota.unit,
            "limit": quota.limit,
            "per": quota.per_ns / SECOND_NS,
            "burst": quota.burst,
            "offered": self.offered,
            "offered_window_max": self._offered_window.peak,
            "offered_window_excess": self._offered_window.peak - quota.limit,
            "offered_bucket_excess": excess / quota.per_ns,
            "admitted": self.admitted,
            "returned": self.returned,
            "settled": self.settled,
            "settled_window_max": self._settled_window.peak,
            "admitted_window_max": self._admitted_window.peak,
            "admitted_window_excess": self._admitted_window.peak - quota.limit,
            "used": self._used(span_ns),
        }

    def _used(self, span_ns: int) -> float:
        # The burst was saved up before the first request, so it is no proof of
        # steady use; what is left is held against what was refilled meanwhile.
        refilled = self.quota.limit * span_ns
        kept = self.admitted - self.returned
        steady = (kept - self.quota.burst) * self.quota.per_ns
        return max(0, steady) / refilled if refilled else 0.0
