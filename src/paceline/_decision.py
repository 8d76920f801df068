"""What the limiter answers: values, frozen and picklable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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


@dataclass(frozen=True)
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

    # By hand: one slot is no field. Most callers look at no status, so a decision of
    # the store's makes them when somebody does.
    __slots__ = ("_later", "allowed", "limit", "retry_after", "statuses")

    allowed: bool
    retry_after: float
    limit: str | None
    statuses: tuple[LimitStatus, ...]

    def __bool__(self) -> bool:
        return self.allowed

    def __reduce__(self) -> tuple[object, ...]:
        fields = (self.allowed, self.retry_after, self.limit, self.statuses)
        return Decision, fields

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            if name != "statuses":
                kind = type(self).__name__
                raise AttributeError(f"{kind!r} object has no attribute {name!r}")
            statuses = self._later()
            _set(self, "statuses", statuses)
            return statuses


_set = object.__setattr__  # what is frozen is frozen once it is made


def decided(
    later: Callable[[], tuple[LimitStatus, ...]],
    *,
    allowed: bool,
    retry_after: float,
    limit: str | None,
) -> Decision:
    """Return a decision whose statuses are made when somebody looks at them."""
    decision = object.__new__(Decision)
    _set(decision, "allowed", allowed)
    _set(decision, "retry_after", retry_after)
    _set(decision, "limit", limit)
    _set(decision, "_later", later)
    return decision
