"""
Lines of waiters within one process, or one event loop: first come, first served.

Only who is first asks the store, so a thousand waiters cost as many calls as one.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar


class Lines:
    """All lines of a store, by scope and name. A line exists while somebody waits."""

    def __init__(self, kind: Callable[[Lines, str, str], _Place[Any]]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._scopes: dict[str, dict[str, deque[_Place[Any]]]] = {}

    def enter(self, scope: str, line: str, *, ahead: bool) -> _Place[Any]:
        """Return a place at the end of a line, or right behind who is first."""
        place = self._kind(self, scope, line)
        with self._lock:
            waiting = self._scopes.setdefault(scope, {}).setdefault(line, deque())
            waiting.insert(1 if ahead else len(waiting), place)
            place.first = waiting[0] is place
        return place

    def leave(self, place: _Place[Any]) -> None:
        """Take a place out; who is first now learns of it."""
        with self._lock:
            lines = self._scopes.get(place.scope, {})
            waiting = lines.get(place.line)
            if not waiting or place not in waiting:
                return
            waiting.remove(place)
            if waiting:
                waiting[0].first = True
                waiting[0].wake()
            else:
                del lines[place.line]
                if not lines:
                    del self._scopes[place.scope]

    def stir(self, scope: str) -> None:
        """Wake who is first in each line of a scope: there may be room."""
        with self._lock:
            for waiting in self._scopes.get(scope, {}).values():
                waiting[0].wake()


E = TypeVar("E", threading.Event, asyncio.Event)


class _Place(Generic[E]):
    """
    A place in a line.

    Attributes:
        first: Whether it is its turn.
    """

    def __init__(self, lines: Lines, scope: str, line: str, event: E) -> None:
        self.scope: str = scope
        self.line: str = line
        self.first = False
        self._lines = lines
        self._event: E = event

    def wake(self) -> None:
        """End its wait."""
        self._event.set()

    def wait(self, seconds: float) -> Any:
        """Wait for so long, or until woken."""
        raise NotImplementedError

    def leave(self) -> None:
        """Go, and let the next one in; twice is once."""
        self._lines.leave(self)


class SyncPlace(_Place[threading.Event]):
    """A thread's."""

    def __init__(self, lines: Lines, scope: str, line: str) -> None:
        super().__init__(lines, scope, line, threading.Event())

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until woken."""
        # No platform's lock waits for longer.
        self._event.wait(min(seconds, threading.TIMEOUT_MAX))
        self._event.clear()


class AsyncPlace(_Place[asyncio.Event]):
    """A task's, of one event loop."""

    def __init__(self, lines: Lines, scope: str, line: str) -> None:
        super().__init__(lines, scope, line, asyncio.Event())

    async def wait(self, seconds: float) -> None:
        """Wait for so long, or until woken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
