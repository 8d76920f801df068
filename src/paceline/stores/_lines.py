"""
Lines of waiters within one process, or one event loop: first come, first served.

While there is room those at the front ask together, in one call. When there is none,
only who leads asks the store: a thousand waiters cost as many calls as one.

A signal's handler may raise where somebody is about to leave. So a line only refers to
its places: one that nobody holds any more is found to be gone.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any, Generic, TypeVar
from weakref import ref

from ._gate import Gate

# So many at the front ask at the same time, while all of them are served.
_WIDEST = 64
_WIDTH = 8


class _Line:
    """Who waits, in order, and how many of them may ask."""

    __slots__ = ("places", "width")

    def __init__(self) -> None:
        self.places: deque[ref[_Place[Any]]] = deque()
        self.width = _WIDTH

    def there(self, start: int, stop: int | None) -> list[_Place[Any]]:
        """Return who stands there, in order, but for who is gone."""
        found = [each() for each in islice(self.places, start, stop)]
        return [place for place in found if place is not None]

    def let_in(self) -> None:
        for place in self.there(0, self.width):
            if not place.first:
                place.first = True
                place.wake()

    def tidy(self) -> bool:
        """Forget who is gone; tell whether anybody was."""
        kept = [each for each in self.places if each() is not None]
        gone = len(kept) < len(self.places)
        if gone:
            self.places = deque(kept)
        return gone


class Lines:
    """All lines of a store, by scope and name. A line exists while somebody waits."""

    def __init__(self, kind: Callable[[Lines, str, str], _Place[Any]]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._scopes: dict[str, dict[str, _Line]] = {}

    def enter(self, scope: str, line: str, *, ahead: bool) -> _Place[Any]:
        """Return a place at the end of a line, or right behind who leads it."""
        place = self._kind(self, scope, line)
        with self._lock:
            found = self._scopes.setdefault(scope, {}).setdefault(line, _Line())
            at = min(1, len(found.places)) if ahead else len(found.places)
            found.places.insert(at, ref(place))
            place.first = at < found.width
        return place

    def leave(self, place: _Place[Any]) -> None:
        """Take a place out; who is at the front now learns of it."""
        with self._lock:
            line = self._line(place)
            if line is None or ref(place) not in line.places:
                return
            line.places.remove(ref(place))
            line.tidy()
            if line.places:
                line.let_in()
                return
            del self._scopes[place.scope][place.line]
            if not self._scopes[place.scope]:
                del self._scopes[place.scope]

    def _line(self, place: _Place[Any]) -> _Line | None:
        return self._scopes.get(place.scope, {}).get(place.line)

    def leads(self, place: _Place[Any]) -> bool:
        """Tell whether nobody is before it."""
        with self._lock:
            line = self._line(place)
            return line is not None and line.places[0]() is place

    def widen(self, place: _Place[Any]) -> None:
        """Let twice as many ask at the same time: one of them was served."""
        with self._lock:
            line = self._line(place)
            if line is not None and line.width < _WIDEST:
                line.width = min(2 * line.width, _WIDEST)
                line.let_in()

    def narrow(self, place: _Place[Any]) -> None:
        """Let only who leads ask: one of them was told to wait."""
        with self._lock:
            line = self._line(place)
            if line is not None:
                line.width = 1
                for other in line.there(1, None):
                    other.first = False

    def look(self, place: _Place[Any]) -> None:
        """See whether anybody in a place's line is gone; if so, who is next learns."""
        with self._lock:
            line = self._line(place)
            if line is not None and line.tidy():
                line.let_in()

    def stir(self, scope: str) -> None:
        """Wake who leads each line of a scope: there may be room."""
        with self._lock:
            for line in self._scopes.get(scope, {}).values():
                for place in line.there(0, 1):
                    place.wake()


E = TypeVar("E", Gate, asyncio.Event)


class _Place(Generic[E]):
    """
    A place in a line.

    Attributes:
        first: Whether it is its turn to ask.
    """

    def __init__(self, lines: Lines, scope: str, line: str, event: E) -> None:
        self.scope: str = scope
        self.line: str = line
        self.first = False
        self._lines = lines
        self._event: E = event

    def wake(self) -> None:
        """End its wait."""
        raise NotImplementedError

    def wait(self, seconds: float) -> Any:
        """Wait for so long, or until woken."""
        raise NotImplementedError

    @property
    def leads(self) -> bool:
        """Whether nobody is before it."""
        return self._lines.leads(self)

    def served(self) -> None:
        """Tell the line that it got what it came for."""
        self._lines.widen(self)

    def deferred(self) -> None:
        """Tell the line that it must wait."""
        self._lines.narrow(self)

    def leave(self) -> None:
        """Go, and let the next one in; twice is once."""
        self._lines.leave(self)


class SyncPlace(_Place[Gate]):
    """A thread's."""

    def __init__(self, lines: Lines, scope: str, line: str) -> None:
        super().__init__(lines, scope, line, Gate())

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until woken."""
        self._event.watch(seconds, lambda: self._lines.look(self))

    def wake(self) -> None:
        """End its wait."""
        self._event.open()


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

    def wake(self) -> None:
        """End its wait."""
        self._event.set()
