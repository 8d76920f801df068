"""How a caller wants to wait, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._calls import Booking

Priority: TypeAlias = Literal["normal", "batch"]


@dataclass(frozen=True, slots=True)
class Wish:
    """
    How a caller wants to wait.

    Attributes:
        timeout: Seconds in all, the store's time included. None means no bound.

        estimate: Whether the cost may turn out to be another.

        batch: Whether it belongs to a backlog that must not get into others' way.
    """

    timeout: float | None
    estimate: bool = False
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """A permit that may be used now, and how many seconds it waited."""

    booking: Booking
    waited: float
