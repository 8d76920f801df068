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
        return self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


class Places:
    """So many at a time; a place whose taker was interrupted comes back by itself."""

    def __init__(self, number: int) -> None:
        self._free: SimpleQueue[Place] = SimpleQueue()
        for _ in range(number):
            self._free.put(Place(self._free))

    def take(self, seconds: float) -> Place | None:
        """Return a place, to be given back; None if there is none for so long."""
        with suppress(Empty):
            return self._free.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        return None


class Place:
    """One of them."""

    __slots__ = ("_free",)

    def __init__(self, free: SimpleQueue[Place]) -> None:
        self._free: SimpleQueue[Place] | None = free

    def give(self) -> None:
        """Let somebody else have it; twice is once."""
        if self._free is not None:
            self._free.put(Place(self._free))
            self._free = None

    __del__ = give
