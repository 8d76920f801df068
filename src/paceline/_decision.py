"""What the limiter answers: values, frozen and picklable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """
    One limit, as it stood at one moment of the server's clock.

    Attributes:
        name: The limit's name, e.g. ``"tokens/min"``.

        unit: What it counts, e.g. ``"tokens"``.

        capacity: Units it can hold at once.

        remaining: Units that could be acquired now. 0 while callers wait.

        reset_after: Seconds until the limit is as if it had never been used.
    """

    name: str
    unit: str
    capacity: int
    remaining: int
    reset_after: float


@dataclass(frozen=True, slots=True)
class Decision:
    """
    The answer to one request; truthy when allowed.

    Attributes:
        allowed: Whether every limit was charged. If False, none was.

        retry_after:
            Seconds until this cost could be granted. 0.0 when allowed, so that
            sleeping for it is always right.

        limit: The name of the limit that decided; None when allowed. A shared
            cool-down is named ``"cool-down"``.

        statuses: Each limit that applied, after the decision.
    """

    allowed: bool
    retry_after: float
    limit: str | None
    statuses: tuple[LimitStatus, ...]

    def __bool__(self) -> bool:
        return self.allowed
