"""
Where threads who ask at the same time meet, so that one call serves them all.

Whoever finds nobody asking asks for all who wait; the others wait for the next call,
which one of them makes (flat combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010).
Callers of a scope are served in the order in which they came.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from copy import copy
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from .._batch import MOST, serve
from .._errors import PacelineError, StoreUnavailable
from .._unheard import note_answer
from ._gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._calls import Call, Scope
    from .._effects import Ask
    from .._reply import Answer

Blocking: TypeAlias = "Callable[[Call, float], Any]"


class SyncCounter:
    """
    Serves threads.

    A signal's handler may raise anywhere in here, also where the work of another one is
    undone. So each step can be done again, and whoever is interrupted undoes its own
    part, or is found to be gone: nobody waits for it.

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
        with waiter.inside:
            try:
                queue = self._enter(waiter)
                if not self._wait(waiter, queue, _left(ask)):
                    self._give_up(waiter, queue)
                if queue.leader is waiter:
                    self._lead(queue)
                    self._pass_on(queue, waiter)
            except BaseException as error:
                self._abandon(waiter)
                note_answer(error, waiter.answer)
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

    def _wait(self, waiter: _Waiter, queue: _Queue, seconds: float = inf) -> bool:
        """Wait until called, or for so long; tell whether called."""
        called = waiter.called
        return called is None or called.watch(seconds, lambda: self._look(queue))

    def _look(self, queue: _Queue) -> None:
        """Pass on for a leader who is gone."""
        leader = queue.leader
        if not leader.inside.locked():
            self._pass_on(queue, leader)

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
        self._wait(waiter, queue)

    def _lead(self, queue: _Queue) -> None:
        with self._lock:
            queue.serving = batch = list(islice(queue.waiting, MOST))
        try:
            answers = self._serve([waiter.ask for waiter in batch])
            for waiter, answer in zip(batch, answers, strict=True):
                waiter.answer = answer
        except PacelineError as error:
            # Whatever else is the leader's alone, such as what a signal's handler
            # raises: the others ask again.
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
                if waiter is not leader and not waiter.served and waiter.inside.locked()
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
        if queue.leader is not waiter:
            self._wait(waiter, queue)  # for another's call, which has its own timeouts
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
    """
    Somebody who asks.

    Attributes:
        inside: Locked for as long as it does, whatever ends that.
    """

    __slots__ = ("answer", "ask", "called", "error", "inside")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.inside = threading.Lock()
        self.called: Gate | None = None
        self.answer: Answer | None = None
        self.error: BaseException | None = None

    @property
    def served(self) -> bool:
        return self.answer is not None or self.error is not None


def _left(ask: Ask) -> float:
    return max(0.0, ask.until - time.monotonic())
