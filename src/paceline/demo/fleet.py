"""Several processes that start together, work through their calls, and are counted."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline._errors import PacelineError

from .clients import Client, Paced, Retrying, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess
    from multiprocessing.synchronize import Barrier

    import httpx

    from .work import Work

# Calls that one process has under way or waiting at a time.
_TASKS = 64
_START_SECONDS = 60.0
_ROW_SECONDS = 120.0
_END_SECONDS = 5.0
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Order:
    """
    How a fleet calls.

    Attributes:
        kind: ``"retries"``, ``"static"`` or ``"paceline"``.

        base_url: The pretend API.

        store: The store's URL, for paceline.

        scope: The name of the quota there.

        processes: How many there are.
    """

    kind: str
    base_url: str
    store: str
    scope: str
    processes: int


def run_fleet(order: Order, work: Work, look: Callable[[], None]) -> None:
    """
    Let a fleet do its work, calling *look* now and then meanwhile.

    Raises:
        PacelineError: If a process fails (P154); the text is what it said.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(order.processes)
    ends: Any = context.Queue()
    processes = [
        context.Process(
            target=_process, args=(order, costs, barrier, ends), daemon=True
        )
        for costs in work.costs
    ]
    _start(processes)
    try:
        _wait(ends, processes, look)
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        ends.close()


def _start(processes: list[SpawnProcess]) -> None:
    """Start them deaf to Ctrl-C, which a terminal sends to all: the parent hears it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for process in processes:
            process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def _wait(ends: Any, processes: list[SpawnProcess], look: Callable[[], None]) -> None:
    deadline = time.monotonic() + _ROW_SECONDS
    left = len(processes)
    while left:
        try:
            failure = ends.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            failure = _died(processes)
            if not failure and time.monotonic() > deadline:
                failure = f"it did not end within {_ROW_SECONDS:g} seconds"
        else:
            left -= 1
        if failure:
            raise PacelineError(f"a process of the demo failed: {failure}", code="P154")
        look()


def _died(processes: list[SpawnProcess]) -> str:
    """Tell of a process that ended without a word, as one does that is killed."""
    codes = [process.exitcode for process in processes if process.exitcode]
    return f"it ended with exit code {codes[0]}" if codes else ""


def _process(order: Order, costs: tuple[int, ...], barrier: Barrier, ends: Any) -> None:
    failure = ""
    try:
        asyncio.run(_work(order, costs, barrier))
    except Exception as error:  # noqa: BLE001 -- the parent reports it
        failure = str(error) or type(error).__name__
    ends.put(failure)


async def _work(order: Order, costs: tuple[int, ...], barrier: Barrier) -> None:
    import httpx  # noqa: PLC0415 -- an extra, and only the children need it

    limits = httpx.Limits(max_connections=_TASKS, max_keepalive_connections=_TASKS)
    async with httpx.AsyncClient(
        base_url=order.base_url,
        headers={"authorization": "Bearer demo"},
        limits=limits,
        timeout=30,
        trust_env=False,
    ) as http:
        client = _client(order, http)
        if isinstance(client, Paced):
            await client.limiter.peek_async(order.scope)  # connect before the start
        await _warm_up(http, min(_TASKS, len(costs)))
        await asyncio.to_thread(barrier.wait, _START_SECONDS)
        calls = iter(costs)

        async def again() -> None:
            for tokens in calls:
                await client.call(tokens)

        await asyncio.gather(*(again() for _ in range(min(_TASKS, len(costs)))))
        if isinstance(client, Paced):
            await client.limiter.aclose()


async def _warm_up(http: httpx.AsyncClient, connections: int) -> None:
    # A fleet that has run for a while has its connections open. The path is unknown to
    # the server, which does not count it.
    await asyncio.gather(*(http.get("/") for _ in range(connections)))


def _client(order: Order, http: Any) -> Client:
    if order.kind == "retries":
        return Retrying(http)
    if order.kind == "static":
        return Sharing(http, order.processes)
    return Paced(http, order.store, order.scope)
