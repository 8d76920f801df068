"""
What the plan of a call asks of its driver, and is sent back.

The plan decides; ``_sync`` and ``_aio`` do, in the same words.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from paceline import Permit, Reservation
    from paceline._provider.usage import Usage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Now:
    """Ask for the seconds of a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Enter:
    """Wait for a reservation's permit; nothing else is held meanwhile."""

    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Post:
    """Post what a call cost, even if the caller is being cancelled."""

    permit: Permit
    cost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request through the HTTP client's own send."""

    request: Any
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """Read an answer to its end."""

    response: Any


@dataclass(frozen=True, slots=True)
class Close:
    """Close an answer that nobody will read, even if the caller is being cancelled."""

    response: Any


@dataclass(frozen=True, slots=True)
class Verb:
    """Call a verb of the limiter, or its _async twin."""

    owner: Any
    name: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watch:
    """Let a reader see an answer that is read as a stream; post when it ends."""

    response: Any
    tap: Tap


Effect: TypeAlias = Now | Sleep | Enter | Post | Send | Read | Close | Verb | Watch
Plan: TypeAlias = Generator[Effect, Any, T]


@dataclass(slots=True)
class Tap:
    """
    What is known of an answer that is still being read.

    Attributes:
        reader: Sees its bytes: a StreamReader, a BodyReader, or None.

        permit: Held for it.

        settle: From the usage, None if it was not told, to the cost to post.

        posted: Whether that was done: once.
    """

    reader: Any
    permit: Permit
    settle: Any
    posted: bool = field(default=False)

    def feed(self, chunk: bytes) -> bytes:
        """Let the reader see the next bytes; return those to hand on."""
        out: bytes = chunk if self.reader is None else self.reader.feed(chunk)
        return out

    def rest(self) -> bytes:
        """Return what the reader kept back."""
        out: bytes = b"" if self.reader is None else self.reader.rest()
        return out

    @property
    def usage(self) -> Usage | None:
        """What the bytes told so far."""
        return None if self.reader is None else self.reader.usage

    def claim(self) -> Mapping[str, int] | None:
        """Return the cost to post, to the first who asks; None to all others."""
        if self.posted:
            return None
        self.posted = True
        cost: Mapping[str, int] = self.settle(self.usage)
        return cost
