"""
Where callers who ask at the same time meet, so that one call serves them all.

In asyncio all who ask in one iteration of the loop ride one call. In threads, whoever
finds nobody asking asks for all who wait; the others wait for the next call, which one
of them makes (flat combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010). Either way
callers of a scope are served in the order in which they came.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from .._batch import MOST
from .._errors import StoreUnavailable

if TYPE_CHECKING:
    from .._calls import Scope
    from .._effects import Ask
    from .._reply import Answer

Serve: TypeAlias = "Callable[[list[Ask]], list[Answer]]"
ServeAsync: TypeAlias = "Callable[[list[Ask]], Awaitable[list[Answer]]]"


class SyncCounter:
    """Serves threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[Scope, deque[_Waiter]] = {}

    def ask(self, ask: Ask, serve: Serve) -> Answer:
        """Return the answer; make the call, for others too, if nobody does."""
        waiter = _Waiter(ask)
        with self._lock:
            queue = self._queues.get(ask.scope)
            if queue is None:
                queue = self._queues[ask.scope] = deque()
                waiter.leads = True
            else:
                waiter.called = threading.Event()
            queue.append(waiter)
        if waiter.called is not None and not waiter.called.wait(_left(ask)):
            self._give_up(waiter, queue)
        if waiter.leads:
            self._lead(ask.scope, queue, serve)
        if waiter.error is not None:
            # Each thread raises one of its own: a traceback belongs to one of them.
            raise copy(waiter.error) from waiter.error.__cause__
        if waiter.answer is None:
            raise RuntimeError("a caller was forgotten")  # no path leads here
        return waiter.answer

    def _give_up(self, waiter: _Waiter, queue: deque[_Waiter]) -> None:
        """Leave a queue before one's turn; who is being asked for hears in time."""
        with self._lock:
            if waiter in queue and not waiter.leads:
                queue.remove(waiter)
                waiter.error = StoreUnavailable(
                    "the store did not answer those before this call in time",
                    code="P208",
                    hint="Is the server overloaded or far away? Raise timeout=.",
                )
                return
        if waiter.called is not None:
            waiter.called.wait()

    def _lead(self, scope: Scope, queue: deque[_Waiter], serve: Serve) -> None:
        with self._lock:
            batch = [queue.popleft() for _ in range(min(MOST, len(queue)))]
        try:
            answers = serve([waiter.ask for waiter in batch])
            for waiter, answer in zip(batch, answers, strict=True):
                waiter.answer = answer
        except Exception as error:  # noqa: BLE001 -- raised by each of them
            for waiter in batch:
                waiter.error = error
        except BaseException:
            # What interrupts this thread is no business of the others: they go again.
            with self._lock:
                queue.extendleft(reversed(batch[1:]))
            batch = batch[:1]
            raise
        finally:
            for waiter in batch[1:]:
                if waiter.called is not None:
                    waiter.called.set()
            self._pass_on(scope, queue)

    def _pass_on(self, scope: Scope, queue: deque[_Waiter]) -> None:
        with self._lock:
            if not queue:
                del self._queues[scope]
                return
            following = queue[0]
            following.leads = True
        if following.called is not None:
            following.called.set()


class _Waiter:
    __slots__ = ("answer", "ask", "called", "error", "leads")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.leads = False
        self.called: threading.Event | None = None
        self.answer: Answer | None = None
        self.error: BaseException | None = None


def _left(ask: Ask) -> float | None:
    if ask.until == inf:
        return None
    return min(max(0.0, ask.until - time.monotonic()), threading.TIMEOUT_MAX)


class AsyncCounter:
    """Serves the tasks of one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Scope, list[tuple[Ask, asyncio.Future[Answer]]]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def ask(self, ask: Ask, serve: ServeAsync) -> Answer:
        """Return the answer of the call that this iteration's callers share."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        waiting = self._waiting.get(ask.scope)
        if waiting is None:
            self._waiting[ask.scope] = waiting = []
            loop.call_soon(self._flush, ask.scope, serve)
        waiting.append((ask, future))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError as error:
            await _finish(future)
            failure = future.exception()
            if failure is None:
                error.answer = future.result()  # type: ignore[attr-defined]
            else:
                error.sent = getattr(failure, "sent", None)  # type: ignore[attr-defined]
                error.requests = getattr(failure, "requests", ())  # type: ignore[attr-defined]
            raise

    def _flush(self, scope: Scope, serve: ServeAsync) -> None:
        waiting = self._waiting.pop(scope)
        for i in range(0, len(waiting), MOST):
            task = asyncio.ensure_future(_serve(waiting[i : i + MOST], serve))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)


async def _serve(
    waiting: list[tuple[Ask, asyncio.Future[Answer]]], serve: ServeAsync
) -> None:
    try:
        answers = await serve([ask for ask, _ in waiting])
    except BaseException as error:  # noqa: BLE001 -- raised by each of them
        for _, future in waiting:
            future.set_exception(error)
            future.exception()  # it counts as seen, even if its caller is gone
    else:
        for (_, future), answer in zip(waiting, answers, strict=True):
            future.set_result(answer)


async def _finish(future: asyncio.Future[Answer]) -> None:
    """Wait for a call, whatever befalls the waiter; its own timeouts bound it."""
    while not future.done():
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.shield(future)
