"""What one thread does while others must not go on: they wait for its end."""

from __future__ import annotations

import os
import threading
import time

_FIRST_PAUSE, _LAST_PAUSE = 0.0005, 0.02


class UnderWay:
    """
    Something that this thread does now.

    Who waits for it waits for a bounded time, and never for itself: a finalizer may run
    in the middle of anything. A fork does not wait for its parent's thread.

    Args:
        patience: Seconds for which others wait.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._doer = (os.getpid(), threading.get_ident())
        self._lock = threading.Lock()
        self._lock.acquire()
        self.over: bool = False

    def end(self) -> None:
        """Let those go on who wait for it."""
        self.over = True
        self._lock.release()

    def wait(self) -> None:
        """Wait for its end, or for as long as is fit."""
        if self._is_others() and self._lock.acquire(timeout=self._patience):
            self._lock.release()

    async def wait_async(self) -> None:
        """Do as :meth:`wait` does, on the running event loop."""
        import asyncio  # noqa: PLC0415 -- not everybody's

        until = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while self._is_others() and time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    def _is_others(self) -> bool:
        pid, thread = self._doer
        mine = pid != os.getpid() or thread == threading.get_ident()
        return not (self.over or mine)
