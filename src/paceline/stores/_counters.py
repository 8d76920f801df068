"""
Where callers who ask at the same time meet, so that one call serves them all.

In asyncio all who ask in one iteration of the loop ride one call. Callers of a scope
are served in the order in which they came. Threads meet in ``_combining``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from .._batch import MOST, serve
from .._unheard import note, note_answer, unheard_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._calls import Call
    from .._effects import Ask, Plan
    from .._reply import Answer
    from ._link import Waiter

Post: TypeAlias = "Callable[[Call, Waiter], None]"


# While so many calls of a scope are under way its next callers wait for company: else
# tasks fall into small groups that never meet again, each with a call of its own.
_UNDER_WAY = 2

# Seconds for which they wait at most: little beside anybody's deadline.
_PATIENCE = 0.005


class AsyncCounter:
    """
    Serves the tasks of one event loop.

    Args:
        post: Starts a call of a script and tells a waiter how it ended, for good.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._open: dict[str, Batch] = {}
        self._full: list[Batch] = []
        self._due: list[str] = []
        self._under_way: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()

    async def ask(self, ask: Ask) -> Answer:
        """Return the answer of the call that this iteration's callers share."""
        batch, future = self.join(ask)
        try:
            return await future
        except asyncio.CancelledError as error:
            await batch.tell(error, future)
            raise

    def join(self, ask: Ask) -> tuple[Batch, asyncio.Future[Answer]]:
        """
        Take part in this iteration's call.

        Returns the batch, and what to await; who is cancelled meanwhile lets the batch
        tell the error what came of it.
        """
        key = ask.scope.key
        batch = self._open.get(key)
        if batch is None:
            batch = self._open[key] = Batch(self._post, self._ended, key)
            self._flush_soon(key)
        future: asyncio.Future[Answer] = self._loop.create_future()
        batch.asks.append(ask)
        batch.futures.append(future)
        if len(batch.asks) == MOST:
            self._full.append(batch)
            del self._open[key]
            self._flush_soon(key)
        return batch, future

    def _flush_soon(self, key: str) -> None:
        """Send the scope's callers when all who are running now have asked."""
        if not self._due:
            self._loop.call_soon(self._flush)
        self._due.append(key)

    def _flush(self) -> None:
        full, self._full = self._full, []
        due, self._due = self._due, []
        for batch in full:
            self._start(batch)
        for key in due:
            if key in self._open:
                self._send_or_hold(self._open[key])

    def _send_or_hold(self, batch: Batch) -> None:
        if self._under_way.get(batch.key, 0) < _UNDER_WAY:
            self._send(batch)
        elif batch.timer is None:
            batch.timer = self._loop.call_later(_PATIENCE, self._send, batch)

    def _send(self, batch: Batch) -> None:
        if self._open.get(batch.key) is batch:
            del self._open[batch.key]
            self._start(batch)

    def _start(self, batch: Batch) -> None:
        if batch.timer is not None:
            batch.timer.cancel()
        self._under_way[batch.key] = self._under_way.get(batch.key, 0) + 1
        batch.start()

    def _ended(self, key: str) -> None:
        left = self._under_way[key] - 1
        if left:
            self._under_way[key] = left
        else:
            del self._under_way[key]
        if key in self._open:
            self._flush_soon(key)  # with those who have just been answered


class Batch:
    """
    Callers who share a call, and what came of it.

    Attributes:
        key: Of the scope.

        timer: Ends its wait for company, if it has to wait.

        note: For whoever deals with the answers.
    """

    __slots__ = (
        "_ended", "_over", "_plan", "_post", "answers", "asks", "error", "futures",
        "key", "note", "timer",
    )  # fmt: skip

    def __init__(self, post: Post, ended: Callable[[str], None], key: str) -> None:
        self.key = key
        self.timer: asyncio.TimerHandle | None = None
        self.asks: list[Ask] = []
        self.futures: list[asyncio.Future[Answer]] = []
        self.answers: list[Answer] = []
        self.error: BaseException | None = None
        self.note: Any = None
        self._post = post
        self._ended = ended
        self._plan: Plan[list[Answer]] | None = None
        self._over: asyncio.Future[None] | None = None

    def start(self) -> None:
        self._plan = serve(self.asks)
        self._go(self._plan.send, None)

    def answered(self, reply: Any) -> None:
        if self._plan is not None:
            self._go(self._plan.send, reply)

    def failed(self, error: BaseException) -> None:
        if self._plan is not None:
            self._go(self._plan.throw, error)

    def _go(self, step: Callable[[Any], Any], value: Any) -> None:
        try:
            call = step(value)
        except StopIteration as stop:
            self.answers = stop.value
            for future, answer in zip(self.futures, self.answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except BaseException as error:  # noqa: BLE001 -- raised by each of them
            self.error = error
            for future in self.futures:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # it counts as seen, even if its caller is gone
        else:
            self._post(call, self)
            return
        self._ended(self.key)
        if self._over is not None:
            self._over.set_result(None)

    async def tell(self, error: BaseException, future: asyncio.Future[Answer]) -> None:
        """Let an error of who is cancelled say what came of it: a turn must go back."""
        await self.over()
        if self.error is None:
            note_answer(error, self.answers[self.futures.index(future)])
        else:
            note(error, unheard_of(self.error))

    async def over(self) -> None:
        """Wait for the end, whatever befalls the waiter; the call's own timeouts do."""
        while not self.answers and self.error is None:
            if self._over is None:
                self._over = asyncio.get_running_loop().create_future()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._over)
