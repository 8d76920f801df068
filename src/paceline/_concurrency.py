"""The limit on calls at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._bounds import (
    MOST_CONCURRENT,
    SECOND_US,
    SHORTEST_LEASE,
    check_count,
    check_period,
)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """
    At most *limit* calls at a time, however many processes make them.

    Each permit holds a place until it is settled, cancelled or released. A holder that
    crashes holds it until its *lease* ends; a call that takes longer has its lease
    renewed in the background.

    Args:
        limit: Calls at a time. 1 to a million.

        lease: Seconds after which the place of a crashed holder is free again, to
            within a sixtieth. 0.1 to 31 days.

        name: Shown in decisions and errors. Defaults to ``"concurrent calls"``.

        configured: What *limit* was before :meth:`RateLimiter.correct` changed it.

    Raises:
        ConfigError: If an argument is out of its range (P102).
    """

    limit: int
    lease: float = 60.0
    name: str = ""
    configured: int | None = field(
        default=None, kw_only=True, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        check_count("limit", self.limit, MOST_CONCURRENT, self)
        check_period(self.lease, self, "lease", SHORTEST_LEASE)
        if not self.name:
            object.__setattr__(self, "name", self.unit)

    @property
    def unit(self) -> str:
        """What is counted; no cost names it, for each call is one."""
        return "concurrent calls"

    @property
    def capacity(self) -> int:
        """Calls it can hold at once."""
        return self.limit

    @property
    def lease_us(self) -> int:
        """The lease in microseconds."""
        return round(self.lease * SECOND_US)

    @property
    def tag(self) -> str:
        """The identity of its state: a changed lease keeps it."""
        return "c"


# Stands for limits that are not known yet: one call at a time teaches them.
LEARNING = Concurrency(1, name="first calls")
