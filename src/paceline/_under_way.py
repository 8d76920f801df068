"""What one thread does while others must not go on: they wait for its end."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from contextlib import suppress


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
        self._over: Future[None] = Future()
        self._over.set_running_or_notify_cancel()  # who gives up ends it for nobody

    def end(self) -> None:
        """Let those go on who wait for it."""
        self._over.set_result(None)

    def wait(self) -> None:
        """Wait for its end, or for as long as is fit."""
        if self._is_others():
            with suppress(TimeoutError):
                self._over.result(self._patience)

    async def wait_async(self) -> None:
        """Do as :meth:`wait` does, on the running event loop."""
        import asyncio  # noqa: PLC0415 -- not everybody's

        if self._is_others():
            with suppress(TimeoutError):
                over = asyncio.wrap_future(self._over)
                await asyncio.wait_for(over, self._patience)

    def _is_others(self) -> bool:
        pid, thread = self._doer
        return pid == os.getpid() and thread != threading.get_ident()
