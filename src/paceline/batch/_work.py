"""
The work itself: as many workers as may send at once, each with one row at a time.

A worker waits for its row's turn, sends it, writes the answer down, posts what it cost.
What waits can be stopped at any moment and costs nothing; what was sent is waited for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from paceline._errors import StoreError, StoreUnavailable

from ._report import LimitUse, Tally
from ._verdict import Answer, How, Lost, Verdict, judge

if TYPE_CHECKING:
    from paceline import Key, RateLimiter, Reservation

    from ._output import Errors, Output
    from ._report import Progress
    from ._rows import Row
    from ._send import Sender

INTERRUPTED = "interrupted"
_TICK = 0.5
_TICKS_PER_LOOK = 2
# Seconds for which a store that was there may be away.
_STORE_PATIENCE = 30.0
_STORE_PAUSE = 0.5
# Rows that may fail one after the other for want of an answer, and attempts of one row
# if there never was an answer, until it is clear that there will be none.
_MOST_LOST_ROWS = 10
_FIRST_ATTEMPTS = 3


class Work:
    """
    All rows that are to be done.

    Args:
        fields: Reads a row of the input again.

        keys: Whose quota each model uses.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        fields: Callable[[Row], dict[str, object]],
        limiter: RateLimiter,
        keys: Mapping[str, Key],
        sender: Sender,
        output: Output,
        errors: Errors,
        tally: Tally,
        how: How,
    ) -> None:
        self.stopped = ""
        self.failed: set[str] = set()
        self._queues: dict[str, deque[Row]] = {}
        for row in rows:
            self._queues.setdefault(row.model, deque()).append(row)
        self._fields = fields
        self._limiter = limiter
        self._keys = keys
        self._sender = sender
        self._output = output
        self._errors = errors
        self._tally = tally
        self._how = how
        self._workers: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None] | None] = set()
        self._error: BaseException | None = None
        self._lost_rows = 0
        self._heard = False
        self._listens = True

    async def run(
        self,
        shares: Mapping[str, int],
        stop: asyncio.Event,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        """
        Work until all is done, or stopped.

        Args:
            shares: How many workers begin with each model.

            stop: Once set, nothing more is sent.

        Raises:
            PacelineError: If no turn came in time, the store is gone, or a file cannot
                be written.
        """
        if stop.is_set():
            self.stop(INTERRUPTED)
        for model, share in shares.items():
            for _ in range(share):
                self._workers.add(asyncio.create_task(self._work(model)))
        helpers = [
            asyncio.create_task(self._output.keep_synced()),
            asyncio.create_task(self._obey(stop)),
        ]
        if progress is not None:
            helpers.append(asyncio.create_task(self._tell(progress)))
        try:
            if self._workers:
                await asyncio.wait(self._workers)
        finally:
            await _end(self._workers | set(helpers))
            if progress is not None and self._listens:
                progress(self._tally.progress(time.monotonic()))
        if self._error is not None:
            raise self._error

    def stop(self, why: str) -> None:
        """Send nothing more; what was sent is waited for."""
        self.stopped = self.stopped or why
        for queue in self._queues.values():
            queue.clear()
        for worker in self._workers - self._sending:
            worker.cancel()

    async def look(self) -> None:
        """
        Ask the store how the limits stand.

        Raises:
            StoreError: If it does not tell.
        """
        self._tally.limits = tuple(
            [
                LimitUse(model, status)
                for model in self._queues
                for status in await self._limiter.peek_async(self._keys[model])
            ]
        )

    async def _work(self, model: str) -> None:
        try:
            while (row := self._next(model)) is not None:
                await self._row(row)
        except Exception as error:  # noqa: BLE001 -- raised by run(), when all is safe
            self._error = self._error or error
            self.stop("an error")

    def _next(self, model: str) -> Row | None:
        """Take the next row of a model; if there is none, of the one with the most."""
        queue = self._queues[model] or max(self._queues.values(), key=len)
        return queue.popleft() if queue else None

    async def _row(self, row: Row) -> None:
        attempt = 0
        while True:
            attempt += 1
            verdict = await self._attempt(row, attempt)
            if verdict.kind == "done":
                return
            if verdict.kind == "failed":
                self._failed(row, verdict)
                return
            if self.stopped:
                return  # told while this row was under way
            await asyncio.sleep(verdict.pause)

    async def _attempt(self, row: Row, attempt: int) -> Verdict:
        me = asyncio.current_task()
        try:
            async with AsyncExitStack() as stack:
                reservation = await self._turn(stack, row)
                self._sending.add(me)
                return await self._send(row, reservation, attempt)
        finally:
            self._sending.discard(me)

    async def _turn(self, stack: AsyncExitStack, row: Row) -> Reservation:
        """Wait until it is this row's turn."""
        key, how = self._keys[row.model], self._how
        end: float | None = None
        while True:
            reservation = self._limiter.reserve(
                key, row.cost, timeout=how.timeout, priority="batch"
            )
            try:
                await stack.enter_async_context(reservation)
            except StoreUnavailable:
                now = time.monotonic()
                end = end or now + _STORE_PATIENCE
                if now >= end:
                    raise
                await asyncio.sleep(_STORE_PAUSE * (1 + _chance()))
                continue
            # The answer matters more than that its cost can be posted.
            reservation.keep_result()
            return reservation

    async def _send(self, row: Row, reservation: Reservation, attempt: int) -> Verdict:
        how = self._how
        body = self._fields(row)["body"]
        self._tally.in_flight += 1
        try:
            came = await self._sender.send(row.url, body)  # type: ignore[arg-type] # checked when it was read
        finally:
            self._tally.in_flight -= 1
        if isinstance(came, Answer):
            self._limiter.answered(self._keys[row.model], came.status)
        verdict = judge(
            came,
            row.cost,
            attempt,
            retries=self._retries(came),
            refund=how.refund,
            now=time.time(),
            chance=_chance(),
        )
        self._tally.note(verdict)
        if verdict.kind == "done" and verdict.response is not None:
            self._output.add(row.custom_id, verdict.response)
        if verdict.spent:
            reservation.settle(verdict.spent)
        if verdict.cool_down:
            await self._cool_down(row, verdict)
        return verdict

    def _retries(self, came: Answer | Lost) -> int:
        """Give up early where nobody ever answered: the address will be wrong."""
        if isinstance(came, Answer):
            self._heard, self._lost_rows = True, 0
        never = not self._heard and isinstance(came, Lost) and not came.sent
        return (
            min(self._how.retries, _FIRST_ATTEMPTS - 1) if never else self._how.retries
        )

    async def _cool_down(self, row: Row, verdict: Verdict) -> None:
        key, refused = self._keys[row.model], verdict.refused
        try:
            await self._limiter.cool_down_async(key, verdict.cool_down, refused=refused)
        except StoreError:
            return  # this row waits all the same; the next turn tells of the store

    def _failed(self, row: Row, verdict: Verdict) -> None:
        self.failed.add(row.custom_id)
        fields = self._fields(row)
        self._errors.add(fields, response=verdict.response, error=verdict.error)
        words = (verdict.error or {}).get("message", "")
        if verdict.stops:
            self.stop(f"no row would fare better: {words}")
        elif verdict.response is None:
            self._lost_rows += 1
            if not self._heard or self._lost_rows >= _MOST_LOST_ROWS:
                self.stop(f"the provider does not answer: {words}")

    async def _obey(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.stop(INTERRUPTED)

    async def _tell(self, progress: Callable[[Progress], None]) -> None:
        tick = 0
        try:
            while True:
                if tick % _TICKS_PER_LOOK == 0:
                    await self._try_to_look()
                progress(self._tally.progress(time.monotonic()))
                tick += 1
                await asyncio.sleep(_TICK)
        except Exception as error:  # noqa: BLE001 -- a caller's own, raised by run()
            self._listens = False
            self._error = self._error or error
            self.stop("an error")

    async def _try_to_look(self) -> None:
        try:
            await self.look()
        except StoreError:
            return  # the workers will tell


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel what still runs, and wait until it has given its bookings back."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _chance() -> float:
    return random.random()  # noqa: S311 -- spreads callers, no secret
