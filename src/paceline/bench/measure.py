"""The two parts of the measurement, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from paceline import _fleet

from .callers import Seen, call, decide, key_of, open_limiter
from .latency import Latencies
from .plan import used

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.mock import RunningMock

    from .plan import Plan

# What starting the processes, and ending, may take beyond the measurement.
_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Decisions:
    """
    What the store decided when nobody waited.

    Attributes:
        count: How many there were.

        per_second: Of all processes together.

        denied: How many were denials.

        latencies: How long each took its caller.
    """

    count: int
    per_second: float
    denied: int
    latencies: Latencies

    def as_json(self) -> dict[str, Any]:
        """Return values for JSON."""
        return {
            "count": self.count,
            "per_second": round(self.per_second, 1),
            "denied": self.denied,
            "latency_ms": self.latencies.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Calls:
    """
    What callers got who waited for their turn and called.

    Attributes:
        count: How many were let through.

        per_second: Of all processes together.

        upstream_429s: Refusals that the pretend server counted.

        failed: Calls that failed in another way.

        used: By the limit's name, the share of what it could grant.

        waits: How long each caller waited for its turn.
    """

    count: int
    per_second: float
    upstream_429s: int
    failed: int
    used: dict[str, float]
    waits: Latencies

    def as_json(self) -> dict[str, Any]:
        """Return values for JSON."""
        return {
            "count": self.count,
            "per_second": round(self.per_second, 2),
            "upstream_429s": self.upstream_429s,
            "failed": self.failed,
            "quota_used": {name: round(each, 4) for name, each in self.used.items()},
            "wait_ms": self.waits.as_json(),
        }


class Watcher(Protocol):
    """Is told how it goes."""

    def begin(self, part: str, seconds: float) -> None:
        """A part begins that takes so long."""

    def look(self) -> None:
        """Some time has passed."""

    def end(self, told: str) -> None:
        """It is over, and this came of it."""


def measure_decisions(plan: Plan, watcher: Watcher) -> Decisions:
    """Let all processes ask as fast as they can, on limits that are never reached."""
    watcher.begin("decisions", plan.seconds)
    jobs = [(plan,)] * plan.processes
    seen = _run(plan, decide, jobs, watcher, deciding=True)
    latencies = _together(seen)
    denied = sum(each.denied for each in seen)
    per_second = latencies.count / plan.seconds
    watcher.end(f"{per_second:,.0f} a second")
    return Decisions(latencies.count, per_second, denied, latencies)


def measure_calls(plan: Plan, mock: RunningMock, watcher: Watcher) -> Calls:
    """Let all processes wait for turns and call the pretend server."""
    watcher.begin("calls", plan.seconds)
    jobs = [(plan, mock.base_url)] * plan.processes
    seen = _run(plan, call, jobs, watcher, deciding=False)
    moments = sorted(moment for each in seen for moment in each.moments)
    end = max(each.end for each in seen)
    shares = {
        limit.name: used(limit, plan.cost[limit.unit], moments, end)
        for limit in plan.limits
    }
    refused = _refused(mock)
    watcher.end(f"{len(moments):,} let through, {refused} 429s")
    return Calls(
        count=len(moments),
        per_second=len(moments) / plan.seconds,
        upstream_429s=refused,
        failed=sum(each.failed for each in seen),
        used=shares,
        waits=_together(seen),
    )


def _run(
    plan: Plan,
    work: Any,
    jobs: Sequence[tuple[Any, ...]],
    watcher: Watcher,
    *,
    deciding: bool,
) -> list[Seen]:
    key = key_of(plan, deciding=deciding)
    with open_limiter(plan, deciding=deciding) as limiter:
        limiter.peek(key)  # starts an embedded server, and finds a store that is gone
        patience = plan.seconds + _PATIENCE
        try:
            return _fleet.run_fleet(
                work, jobs, watcher.look, whose="bench", seconds=patience
            )
        finally:
            limiter.reset(key)


def _together(seen: Sequence[Seen]) -> Latencies:
    together = Latencies()
    for each in seen:
        together.merge(each.latencies)
    return together


def _refused(mock: RunningMock) -> int:
    stats: Any = mock.stats()
    return sum(account["answers_429"] for account in stats["accounts"])
