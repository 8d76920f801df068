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

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._calls import Call
    from .._effects import Ask, Plan
    from .._reply import Answer
    from ._link import Waiter

Post: TypeAlias = "Callable[[Call, Waiter], None]"


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
            if not self._open:
                self._loop.call_soon(self._flush)
            batch = self._open[key] = Batch(self._post)
        future: asyncio.Future[Answer] = self._loop.create_future()
        batch.asks.append(ask)
        batch.futures.append(future)
        if len(batch.asks) == MOST:
            self._full.append(batch)
            self._open[key] = Batch(self._post)
        return batch, future

    def _flush(self) -> None:
        batches, self._full = [*self._full, *self._open.values()], []
        self._open = {}
        for batch in batches:
            if batch.asks:
                batch.start()


class Batch:
    """
    Callers who share a call, and what came of it.

    Attributes:
        note: For whoever deals with the answers.
    """

    __slots__ = (
        "_over", "_plan", "_post", "answers", "asks", "error", "futures", "note",
    )  # fmt: skip

    def __init__(self, post: Post) -> None:
        self.asks: list[Ask] = []
        self.futures: list[asyncio.Future[Answer]] = []
        self.answers: list[Answer] = []
        self.error: BaseException | None = None
        self.note: Any = None
        self._post = post
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
        if self._over is not None:
            self._over.set_result(None)

    async def tell(self, error: BaseException, future: asyncio.Future[Answer]) -> None:
        """Let an error of who is cancelled say what came of it: a turn must go back."""
        await self.over()
        if self.error is None:
            error.answer = self.answers[self.futures.index(future)]  # type: ignore[attr-defined]
        else:
            error.sent = getattr(self.error, "sent", None)  # type: ignore[attr-defined]
            error.requests = getattr(self.error, "requests", ())  # type: ignore[attr-defined]

    async def over(self) -> None:
        """Wait for the end, whatever befalls the waiter; the call's own timeouts do."""
        while not self.answers and self.error is None:
            if self._over is None:
                self._over = asyncio.get_running_loop().create_future()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._over)
