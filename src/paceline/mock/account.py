"""
The provider's account of one key and model: what it admits, refuses and remembers.

A token bucket per limit, as OpenAI is observed to enforce them: the capacity is the
limit, the refill is continuous. A request is charged on arrival, to every limit or to
none. Time is an argument, in nanoseconds; nothing here does I/O or reads a clock, and
nothing is shared with the limiter whose work this judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .history import Debt, WindowPeak
from .quota import SECOND_NS, Quota

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
        self.quota = quota
        self.offered: int = 0
        self.admitted: int = 0
        self._bucket = Debt(quota.limit, quota.per_ns)
        self._offered_debt = Debt(quota.limit, quota.per_ns)
        self._offered_window = WindowPeak(quota.per_ns)
        self._admitted_window = WindowPeak(quota.per_ns)

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
        if excess > 0:
            return Refusal(quota, used, cost, quota.nanoseconds(excess))
        return None

    def admit(self, cost: int, now: int) -> None:
        """Charge *cost*, for which there is room."""
        self.admitted += cost
        self._bucket.add(cost, now)
        self._admitted_window.add(cost, now)

    def count_failed(self, now: int) -> None:
        """Take a unit if there is one left: a refused request was a request too."""
        self._bucket.fill(now, self.quota.burst)

    def standing(self, now: int) -> Standing:
        """Tell how the limit stands."""
        debt = self._bucket.at(now)
        used = -(-debt // self.quota.per_ns)
        return Standing(
            self.quota, self.quota.burst - used, self.quota.nanoseconds(debt)
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
            "admitted_window_max": self._admitted_window.peak,
            "admitted_window_excess": self._admitted_window.peak - quota.limit,
            "used": self._used(span_ns),
        }

    def _used(self, span_ns: int) -> float:
        # The burst was saved up before the first request, so it is no proof of
        # steady use; what is left is held against what was refilled meanwhile.
        refilled = self.quota.limit * span_ns
        steady = (self.admitted - self.quota.burst) * self.quota.per_ns
        return max(0, steady) / refilled if refilled else 0.0


class Span:
    """The first moment and the last of a stream."""

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None

    def add(self, now: int) -> None:
        """Stretch to the moment *now*."""
        if self.first is None:
            self.first = now
        self.last = now

    @property
    def length(self) -> int:
        """Nanoseconds from the first moment to the last."""
        return 0 if self.first is None or self.last is None else self.last - self.first

    def seconds(self, since: int) -> tuple[float | None, float | None]:
        """Tell both moments as seconds after *since*."""
        if self.first is None or self.last is None:
            return None, None
        return (self.first - since) / SECOND_NS, (self.last - since) / SECOND_NS


class Account:
    """
    All limits of one key and model.

    Args:
        quotas: The limits.

        count_failed: Whether refused requests count towards limits on requests.
    """

    def __init__(self, quotas: Sequence[Quota], *, count_failed: bool = False) -> None:
        self._meters = [Meter(quota) for quota in quotas]
        self._count_failed = count_failed
        self._arrivals = Span()
        self._admissions = Span()
        self._requests = 0
        self._refused = 0
        self._too_large = 0
        self._tokens = 0

    def judge(self, costs: Mapping[str, int], now: int) -> Verdict:
        """
        Admit a request and charge every limit, or refuse it and charge none.

        Args:
            costs: Units by name. A unit that is not named costs nothing.

            now:
                The moment of its arrival, in nanoseconds. One that lies before the
                last is taken for the last: an account's time never goes back.
        """
        if self._arrivals.last is not None:
            now = max(now, self._arrivals.last)
        self._arrivals.add(now)
        self._requests += 1
        priced = [(meter, costs.get(meter.quota.unit, 0)) for meter in self._meters]
        refusals = [meter.offer(cost, now) for meter, cost in priced]
        refusal = max(filter(None, refusals), key=_patience, default=None)
        if refusal is None:
            self._admissions.add(now)
            self._tokens += costs.get("tokens", 0)
            for meter, cost in priced:
                meter.admit(cost, now)
        else:
            self._refused += 1
            self._too_large += refusal.wait_ns is None
            if self._count_failed:
                for meter in self._meters:
                    if meter.quota.unit == "requests":
                        meter.count_failed(now)
        return Verdict(refusal, tuple(meter.standing(now) for meter in self._meters))

    def report(self, since: int) -> dict[str, object]:
        """
        Tell what was seen, as values for JSON. Moments are seconds after *since*.

        For each limit, ``offered`` is all that arrived and ``admitted`` what was let
        through. An ``offered_bucket_excess`` above 0 says by how many units the
        arrivals overran ``burst + limit * seconds / per``: a refusal was due.
        ``used`` is the share of the refill that was used between the first admission
        and the last, the initial burst left out.
        """
        first_arrival, last_arrival = self._arrivals.seconds(since)
        first_admission, last_admission = self._admissions.seconds(since)
        span = self._admissions.length
        return {
            "requests": self._requests,
            "succeeded": self._requests - self._refused,
            "answers_429": self._refused,
            "too_large": self._too_large,
            "tokens": self._tokens,
            "first_arrival": first_arrival,
            "last_arrival": last_arrival,
            "first_admission": first_admission,
            "last_admission": last_admission,
            "limits": [meter.report(span) for meter in self._meters],
        }


def _patience(refusal: Refusal) -> float:
    return float("inf") if refusal.wait_ns is None else refusal.wait_ns
