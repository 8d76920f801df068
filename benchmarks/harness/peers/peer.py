"""What a peer is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..result import version

Try: TypeAlias = Callable[[], bool]
TryAsync: TypeAlias = Callable[[], Awaitable[bool]]
Wait: TypeAlias = Callable[[], Awaitable[object]]

KEY = "benchmark"
LONG = 600.0  # seconds; longer than any run, for peers that want a number


@dataclass(frozen=True, slots=True)
class Peer:
    """
    A limiter with one of its algorithms.

    Attributes:
        name: The distribution that brings it, a space, and its algorithm.

        kind: What it promises: ``"strict window"`` (never more than N in any window),
            ``"approximate window"``, ``"fixed window"`` or ``"bucket"`` (up to twice N
            in a window, by design).

        trying: Builds a function that asks once and never waits, of (url, limit, per).

        trying_async: The same, for asyncio.

        waiting: Builds a coroutine function that waits for its turn. None if the
            library has none.
    """

    name: str
    kind: str
    trying: Callable[[str, int, int], Try]
    trying_async: Callable[[str, int, int], Awaitable[TryAsync]]
    waiting: Callable[[str, int, int], Awaitable[Wait]] | None = None

    @property
    def label(self) -> str:
        """The name with the version."""
        library, _, algorithm = self.name.partition(" ")
        return f"{library} {version(library)} {algorithm}"
