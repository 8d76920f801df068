"""What a plan can ask of its driver."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from ._calls import Call

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


class Now:
    """A moment of a clock that never steps back, in seconds."""


class Ticket(Protocol):
    """A place in a line of this process's waiters."""

    @property
    def first(self) -> bool:
        """Whether it is its turn."""

    def wait(self, seconds: float) -> Any:
        """Wait for so long, or until woken; the driver knows whether to await it."""

    def leave(self) -> None:
        """Go, and let the next one in; twice is once."""


@dataclass(frozen=True, slots=True)
class Enter:
    """
    Take a place in a line of a scope; returns the ticket.

    Whoever enters must leave.

    Attributes:
        ahead: Whether it was first before, and goes before all who were not.
    """

    scope: str
    line: str
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait in line: for so many seconds, or until it is worth asking again."""

    ticket: Ticket
    seconds: float


@dataclass(frozen=True, slots=True)
class Stir:
    """Tell who is first in the lines of a scope that there is room now."""

    scope: str


Effect: TypeAlias = Call | Sleep | Now | Enter | Wait | Stir
Plan: TypeAlias = Generator[Effect, Any, T]
