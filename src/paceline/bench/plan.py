"""What is measured: a store, limits, callers. Pure arithmetic on limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from paceline._errors import ConfigError
from paceline._format import format_limit
from paceline._limits import (
    MOST_BUCKET,
    MOST_WINDOW,
    CalendarWindow,
    Concurrency,
    SlidingWindow,
    TokenBucket,
)
from paceline.mock.quota import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from paceline._limits import Limit

Rate: TypeAlias = SlidingWindow | TokenBucket | CalendarWindow

# What a call costs unless told otherwise.
_USUAL = {"requests": 1, "tokens": 500}


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What is measured.

    Attributes:
        store: The store's URL.

        scope: The name of the quota there.

        limits: The limits of each caller.

        cost: What a call costs, by unit.

        processes: How many there are.

        callers: Tasks, or threads, of each process.

        threads: Whether they are threads.

        seconds: How long each part takes.

        guard: As ``RateLimiter`` takes it, in seconds.
    """

    store: str
    scope: str
    limits: tuple[Rate, ...]
    cost: Mapping[str, int]
    processes: int
    callers: int
    threads: bool
    seconds: float
    guard: float


def rates(limits: Iterable[Limit]) -> tuple[Rate, ...]:
    """
    Return limits that are rates, all of them.

    Raises:
        ConfigError: If one is none (P151).
    """
    rates: list[Rate] = []
    for limit in limits:
        if isinstance(limit, Concurrency):
            raise ConfigError(
                f'"{format_limit(limit)}" has no rate to be measured',
                code="P151",
                hint="Measure the rates; calls at a time cost no more than they do.",
            )
        rates.append(limit)
    return tuple(rates)


def costs(limits: Sequence[Rate], given: Mapping[str, int]) -> dict[str, int]:
    """Complete a cost: what is not *given* is usual, 500 tokens, or 1 of anything."""
    units = {limit.unit: _USUAL.get(limit.unit, 1) for limit in limits}
    return {**units, **given}


def roomy(limit: Rate) -> Rate:
    """Return a limit of the same kind and period that will not be reached."""
    if isinstance(limit, SlidingWindow | CalendarWindow):
        return replace(limit, limit=MOST_WINDOW)
    return replace(limit, rate=MOST_BUCKET, burst=MOST_BUCKET)


def enforceable(limit: Rate) -> bool:
    """Tell whether the pretend server can enforce *limit*."""
    return limit.unit in UNITS and not isinstance(limit, CalendarWindow)


def used(limit: Rate, cost: int, moments: Sequence[float], end: float) -> float:
    """
    Return how much of what *limit* could grant was used, 0.0 to 1.0.

    Windows and buckets grant all they hold at once, and as much again per period: a
    bucket steadily until the *end*, a window not before a period is over, in bursts of
    which the last one counts. A calendar grants what it holds.

    Args:
        cost: Units that each call took.

        moments: When calls were let through, in seconds, ascending.

        end: When callers stopped asking.
    """
    if not moments:
        return 0.0
    granted = float(limit.capacity)
    if isinstance(limit, SlidingWindow):
        periods = (moments[-1] - moments[0]) / limit.per
        granted += limit.limit * periods if periods >= 1 else 0
    elif not isinstance(limit, CalendarWindow):
        granted += limit.rate * (end - moments[0]) / limit.per
    return len(moments) * cost / granted
