"""
The provider's account of one key and model: what it admits, refuses and remembers.

A token bucket per limit, as OpenAI is observed to enforce them: the capacity is the
limit, the refill is continuous. A request is charged on arrival, to every limit or to
none. Time is an argument, in nanoseconds; nothing here does I/O or reads a clock, and
nothing is shared with the limiter whose work this judges.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from .meter import Meter, Refusal, Verdict
from .quota import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .meter import Standing
    from .quota import Quota

_TOO_MANY = 429


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
        self._failed = 0
        self._too_large = 0
        self._tokens = 0
        self._used = 0
        self._clients_left = 0
        self._errors: Counter[str] = Counter()
        self._now = 0

    def judge(self, costs: Mapping[str, int], now: int) -> Verdict:
        """
        Admit a request and charge every limit, or refuse it and charge none.

        Args:
            costs: Units by name. A unit that is not named costs nothing.

            now:
                The moment of its arrival, in nanoseconds. One that lies before the
                last is taken for the last: an account's time never goes back.
        """
        now = self._arrive(now)
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
            self._count_failure(now)
        return Verdict(refusal, self._standings(now))

    def fail(self, error: str, status: int, now: int) -> Verdict:
        """
        Take note of a request that is answered by an error of the mock's own.

        It was not judged, so it is no part of what limits saw; it counts towards
        limits on requests if refused ones do.

        Args:
            error: Which error.

            status: The answer's status.

            now: The moment of its arrival, as in :meth:`judge`.
        """
        now = self._arrive(now)
        self._errors[error] += 1
        self._refused += status == _TOO_MANY
        self._failed += status != _TOO_MANY
        self._count_failure(now)
        return Verdict(None, self._standings(now))

    def spoil(self, error: str, *, failed: bool) -> None:
        """Take note of an *error* in an answer that was admitted and charged."""
        self._errors[error] += 1
        self._failed += failed

    def settle(self, charged: int, used: int, now: int, *, correct: bool) -> Verdict:
        """
        Take note of what an admitted request used in the end, in tokens.

        Args:
            charged: Tokens that were charged on arrival.

            used: Tokens that it used.

            now: The moment of the answer's end.

            correct: Whether limits on tokens are charged the difference, or given it.
        """
        self._now = now = max(now, self._now)
        self._used += used
        for meter in self._meters:
            if meter.quota.unit == "tokens":
                meter.settle(used, now)
                if correct:
                    meter.correct(used - charged, now)
        return Verdict(None, self._standings(now))

    def change(self, quotas: Sequence[Quota], now: int) -> None:
        """
        Go on with other limits. What is used stays used if the period is the same.

        Args:
            quotas: The limits from now on.

            now: The moment of the change.
        """
        self._now = now = max(now, self._now)
        meters = {(m.quota.unit, m.quota.per_ns): m for m in self._meters}
        self._meters = []
        for quota in quotas:
            meter = meters.pop((quota.unit, quota.per_ns), None)
            if meter is None:
                meter = Meter(quota)
            else:
                meter.change(quota, now)
            self._meters.append(meter)

    def lose_client(self) -> None:
        """Take note of a client that left before its answer had ended."""
        self._clients_left += 1

    def _arrive(self, now: int) -> int:
        self._now = now = max(now, self._now)
        self._arrivals.add(now)
        self._requests += 1
        return now

    def _count_failure(self, now: int) -> None:
        if self._count_failed:
            for meter in self._meters:
                if meter.quota.unit == "requests":
                    meter.count_failed(now)

    def _standings(self, now: int) -> tuple[Standing, ...]:
        return tuple(meter.standing(now) for meter in self._meters)

    def report(self, since: int) -> dict[str, object]:
        """
        Tell what was seen, as values for JSON. Moments are seconds after *since*.

        ``tokens`` is what was charged on arrival, ``tokens_used`` what the answers that
        have ended used. ``errors`` counts the errors that the mock was told to answer
        with; those with status 429 are in ``answers_429`` too.

        For each limit, ``offered`` is all that arrived and ``admitted`` what was let
        through. An ``offered_bucket_excess`` above 0 says by how many units the
        arrivals overran ``burst + limit * seconds / per``: a refusal was due.
        ``used`` is the share of the refill that was used between the first admission
        and the last, the initial burst left out. ``returned`` is what was given back
        after the answers, less what was charged in addition. ``settled`` is what
        answers used that have ended. After a change of limits, the largest windows and
        the excess are those since.
        """
        first_arrival, last_arrival = self._arrivals.seconds(since)
        first_admission, last_admission = self._admissions.seconds(since)
        span = self._admissions.length
        return {
            "requests": self._requests,
            "succeeded": self._requests - self._refused - self._failed,
            "answers_429": self._refused,
            "too_large": self._too_large,
            "tokens": self._tokens,
            "tokens_used": self._used,
            "clients_left": self._clients_left,
            "errors": dict(self._errors),
            "first_arrival": first_arrival,
            "last_arrival": last_arrival,
            "first_admission": first_admission,
            "last_admission": last_admission,
            "limits": [meter.report(span) for meter in self._meters],
        }


def _patience(refusal: Refusal) -> float:
    return inf if refusal.wait_ns is None else refusal.wait_ns
