"""What a plan can ask of its driver."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from ._almanac import Almanac
from ._calls import Call, Request, Scope

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


class Ask(NamedTuple):
    """
    Ask for a permit, alone or in a batch; returns the answer.

    What interrupts somebody meanwhile tells of the answer, if there is one, or of the
    call that may have been carried out (``_unheard``).

    Attributes:
        until: The moment of the monotonic clock at which its caller gives up.
    """

    almanac: Almanac
    scope: Scope
    request: Request
    until: float


class Now:
    """A moment of a clock that never steps back, in seconds."""


class Ticket(Protocol):
    """A place in a line of this process's waiters."""

    @property
    def first(self) -> bool:
        """Whether it is its turn to ask: it is near the front, and nobody must wait."""

    @property
    def leads(self) -> bool:
        """Whether nobody is before it."""

    def served(self) -> None:
        """Tell the line that it got what it came for: more may ask together."""

    def deferred(self) -> None:
        """Tell the line that it must wait: only who leads asks now."""

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


Effect: TypeAlias = Ask | Call | Sleep | Now | Enter | Wait | Stir
Plan: TypeAlias = Generator[Effect, Any, T]
