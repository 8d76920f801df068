"""
A thread that posts what answers used where the caller must not do it itself.

A garbage collection may close a stream in any thread and at any moment, also while
that thread holds a lock of the limiter: then nothing may be waited for. Handing over
is one ``SimpleQueue.put``, which is made for that.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._effects import Tap

_log = logging.getLogger("paceline")
_LAST_WAIT = 1.0


class Poster:
    """Posts in a thread of its own, one per process."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Tap | None, threading.Event]] = SimpleQueue()
        self._owner = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread, unless this process has it. Not for destructors."""
        if self._owner == os.getpid():
            return
        with self._lock:
            if self._owner == os.getpid():
                return
            # What another process had in its queue, it posts itself.
            self._queue = SimpleQueue()
            work = threading.Thread(
                target=_work, args=(self._queue,), name="paceline-post", daemon=True
            )
            work.start()
            self._owner = os.getpid()
            atexit.register(self.flush)

    def hand_over(self, tap: Tap, patience: float = 0.0) -> None:
        """
        Post what *tap* saw, soon.

        Args:
            patience: Seconds to wait for it. It may well be waiting for a lock that the
                caller holds, so this must be short.
        """
        if tap.posted:
            return
        done = threading.Event()
        self._queue.put((tap, done))
        if patience:
            done.wait(patience)

    def flush(self) -> None:
        """Wait for what was handed over, for a second at most."""
        if self._owner == os.getpid():
            done = threading.Event()
            self._queue.put((None, done))
            done.wait(_LAST_WAIT)

    def post(self, tap: Tap) -> None:
        """Post what *tap* saw, here and now, unless that was done."""
        post(tap)


def post(tap: Tap) -> None:
    """Post, and log what goes wrong: the answer is there."""
    cost = tap.claim()
    if cost is not None:
        try:
            tap.permit.settle(cost)
        except Exception as failure:  # noqa: BLE001 -- as said
            _log.warning("a true cost was not posted, the estimate stays: %s", failure)


def _work(queue: SimpleQueue[tuple[Tap | None, threading.Event]]) -> None:
    while True:
        tap, done = queue.get()
        if tap is not None:
            post(tap)
        done.set()
        del tap  # or the thread would hold the last one until the next comes


poster = Poster()
