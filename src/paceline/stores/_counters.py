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
from contextlib import suppress
from copy import copy
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from .._batch import MOST, serve
from .._errors import StoreUnavailable
from ._gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._calls import Call, Scope
    from .._effects import Ask, Plan
    from .._reply import Answer
    from ._link import Waiter

Blocking: TypeAlias = "Callable[[Call, float], Any]"
Post: TypeAlias = "Callable[[Call, Waiter], None]"


class SyncCounter:
    """
    Serves threads.

    A signal's handler may raise anywhere in here. So each step can be done again, and
    whoever is interrupted undoes its own part: nobody waits for one who is gone.

    Args:
        call: Calls a script, blocking, for somebody who asks at a moment.
    """

    def __init__(self, call: Blocking) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._queues: dict[Scope, _Queue] = {}

    def ask(self, ask: Ask) -> Answer:
        """Return the answer; make the call, for others too, if nobody does."""
        waiter = _Waiter(ask)
        try:
            queue = self._enter(waiter)
            if waiter.called is not None and not waiter.called.wait(_left(ask)):
                self._give_up(waiter, queue)
            if queue.leader is waiter:
                self._lead(queue)
                self._pass_on(queue, waiter)
        except BaseException as error:
            self._abandon(waiter)
            if waiter.answer is not None:
                error.answer = waiter.answer  # type: ignore[attr-defined]
            raise
        if waiter.error is not None:
            # Each thread raises one of its own: a traceback belongs to one of them.
            raise copy(waiter.error) from waiter.error.__cause__
        if waiter.answer is None:
            raise RuntimeError("a caller was forgotten")  # no path leads here
        return waiter.answer

    def _enter(self, waiter: _Waiter) -> _Queue:
        with self._lock:
            queue = self._queues.get(waiter.ask.scope)
            if queue is None:
                queue = _Queue(waiter)
                self._queues[waiter.ask.scope] = queue
            else:
                waiter.called = Gate()
                queue.waiting.append(waiter)
            return queue

    def _give_up(self, waiter: _Waiter, queue: _Queue) -> None:
        """Leave a queue before one's turn; who is being asked for hears in time."""
        with self._lock:
            if queue.leader is waiter:
                return
            if waiter not in queue.serving and waiter in queue.waiting:
                queue.waiting.remove(waiter)
                waiter.error = StoreUnavailable(
                    "the store did not answer those before this call in time",
                    code="P208",
                    hint="Is the server overloaded or far away? Raise timeout=.",
                )
                return
        if waiter.called is not None:
            waiter.called.wait()

    def _lead(self, queue: _Queue) -> None:
        with self._lock:
            queue.serving = batch = list(islice(queue.waiting, MOST))
        try:
            answers = self._serve([waiter.ask for waiter in batch])
            for waiter, answer in zip(batch, answers, strict=True):
                waiter.answer = answer
        except Exception as error:  # noqa: BLE001 -- raised by each of them
            for waiter in batch:
                waiter.error = error

    def _serve(self, asks: list[Ask]) -> list[Answer]:
        plan = serve(asks)
        step: Callable[[Any], Any] = plan.send
        value: Any = None
        try:
            while True:
                call = step(value)
                try:
                    value, step = self._call(call, time.monotonic()), plan.send
                except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                    value, step = error, plan.throw
        except StopIteration as stop:
            answers: list[Answer] = stop.value
            return answers
        finally:
            plan.close()

    def _pass_on(self, queue: _Queue, leader: _Waiter) -> None:
        """Let those go who are served, and the next one lead."""
        with self._lock:
            if queue.leader is not leader:
                if queue.leader.called is not None:
                    queue.leader.called.open()  # if this was interrupted before it did
                return
            left = [
                waiter
                for waiter in queue.waiting
                if waiter is not leader and not waiter.served
            ]
            for waiter in queue.serving:
                if waiter.served and waiter.called is not None:
                    waiter.called.open()
            queue.serving, queue.waiting = [], deque(left)
            if not left:
                if self._queues.get(leader.ask.scope) is queue:
                    del self._queues[leader.ask.scope]
                return
            queue.leader = left[0]
            if left[0].called is not None:
                left[0].called.open()

    def _abandon(self, waiter: _Waiter) -> None:
        """Undo what an interrupted caller began; its own answer may still come."""
        with self._lock:
            queue = self._queues.get(waiter.ask.scope)
            if queue is None:
                return
            if queue.leader is not waiter and waiter not in queue.serving:
                if waiter in queue.waiting:
                    queue.waiting.remove(waiter)
                return
        if queue.leader is not waiter and waiter.called is not None:
            waiter.called.wait()  # for another's call, which has its own timeouts
        self._pass_on(queue, waiter)


class _Queue:
    """
    Who asks for a scope.

    Attributes:
        waiting: In order; who is being served is still among them.

        serving: Who is on the call under way.

        leader: Who makes it.
    """

    __slots__ = ("leader", "serving", "waiting")

    def __init__(self, leader: _Waiter) -> None:
        self.waiting: deque[_Waiter] = deque((leader,))
        self.serving: list[_Waiter] = []
        self.leader = leader


class _Waiter:
    __slots__ = ("answer", "ask", "called", "error")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.called: Gate | None = None
        self.answer: Answer | None = None
        self.error: BaseException | None = None

    @property
    def served(self) -> bool:
        return self.answer is not None or self.error is not None


def _left(ask: Ask) -> float:
    return max(0.0, ask.until - time.monotonic())


class AsyncCounter:
    """
    Serves the tasks of one event loop.

    Args:
        post: Starts a call of a script and tells a waiter how it ended, for good.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._open: dict[str, _Batch] = {}
        self._full: list[_Batch] = []
        self._loop = asyncio.get_running_loop()

    async def ask(self, ask: Ask) -> Answer:
        """Return the answer of the call that this iteration's callers share."""
        key = ask.scope.key
        batch = self._open.get(key)
        if batch is None:
            if not self._open:
                self._loop.call_soon(self._flush)
            batch = self._open[key] = _Batch(self._post)
        number = len(batch.asks)
        future: asyncio.Future[Answer] = self._loop.create_future()
        batch.asks.append(ask)
        batch.futures.append(future)
        if number + 1 == MOST:
            self._full.append(batch)
            self._open[key] = _Batch(self._post)
        try:
            return await future
        except asyncio.CancelledError as error:
            # Whoever is cancelled learns first what came of it: a turn must go back.
            await batch.over()
            if batch.error is None:
                error.answer = batch.answers[number]  # type: ignore[attr-defined]
            else:
                error.sent = getattr(batch.error, "sent", None)  # type: ignore[attr-defined]
                error.requests = getattr(batch.error, "requests", ())  # type: ignore[attr-defined]
            raise

    def _flush(self) -> None:
        batches, self._full = [*self._full, *self._open.values()], []
        self._open = {}
        for batch in batches:
            if batch.asks:
                batch.start()


class _Batch:
    """Callers who share a call, and what came of it."""

    __slots__ = ("_over", "_plan", "_post", "answers", "asks", "error", "futures")

    def __init__(self, post: Post) -> None:
        self.asks: list[Ask] = []
        self.futures: list[asyncio.Future[Answer]] = []
        self.answers: list[Answer] = []
        self.error: BaseException | None = None
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

    async def over(self) -> None:
        """Wait for the end, whatever befalls the waiter; the call's own timeouts do."""
        while not self.answers and self.error is None:
            if self._over is None:
                self._over = asyncio.get_running_loop().create_future()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._over)
