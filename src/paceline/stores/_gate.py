"""
What threads wait for, such that no signal can leave it locked.

A signal's handler may raise between any two steps of Python code. The standard
library's events and semaphores are Python code around a lock: interrupted at the wrong
moment, they stay locked, and everybody hangs. A plain lock is one step.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from weakref import ref

from .._errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds after which who waits looks whether those it waits for are still there.
_LOOK = 0.5


class Gate:
    """Lets one waiter through each time it is opened; opened twice is once."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """End the wait of who waits, or of who comes next."""
        with suppress(RuntimeError):  # it is open
            self._lock.release()

    def wait(self, seconds: float = threading.TIMEOUT_MAX) -> bool:
        """Wait until it is opened, or for so long; tell whether it was. It shuts."""
        # No platform's lock waits for longer.
        return self._lock.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))

    def watch(self, seconds: float, look: Callable[[], None]) -> bool:
        """
        Wait as :meth:`wait` does, and *look* now and then.

        Whoever is waited for may be gone: a handler struck it where that is undone.
        """
        while not self.wait(min(seconds, _LOOK)):
            seconds -= _LOOK
            if seconds <= 0:
                return False
            look()
        return True


class Place:
    """One of so many; whoever holds it keeps it alive."""

    __slots__ = ("__weakref__",)


class Places:
    """So many at a time; the place of one who was interrupted is found again."""

    def __init__(self, number: int, where: str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._free: SimpleQueue[Place] = SimpleQueue()
        self._all: list[ref[Place]] = []
        for _ in range(number):
            self._all.append(self._make())

    def _make(self) -> ref[Place]:
        place = Place()
        self._free.put(place)
        return ref(place)

    def take(self, seconds: float) -> Place:
        """
        Return a place, to be given back.

        Raises:
            StoreUnavailable: If there is none for so long (P208).
        """
        with suppress(Empty):
            return self._free.get_nowait()
        with self._lock:
            # One that neither waits here nor is held was lost between the two.
            self._all = [each if each() else self._make() for each in self._all]
        with suppress(Empty):
            return self._free.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        raise StoreUnavailable(
            f"all {len(self._all)} connections to {self._where} are busy",
            code="P208",
            hint="Is the server overloaded or far away?",
        )

    def give(self, place: Place) -> None:
        """Let somebody else have it."""
        self._free.put(place)
