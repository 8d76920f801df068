"""Several processes that start together, work through their calls, and are counted."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline._errors import PacelineError

from .clients import Client, Paced, Retrying, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

    import httpx

    from .work import Work

# Calls that one process has under way or waiting at a time.
_TASKS = 64
_START_SECONDS = 60.0
_ROW_SECONDS = 120.0
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
        context.Process(target=_process, args=(order, costs, barrier, ends))
        for costs in work.costs
    ]
    for process in processes:
        process.start()
    try:
        _wait(ends, len(processes), look)
    finally:
        for process in processes:
            process.join(1)
            if process.is_alive():
                process.terminate()
                process.join(5)
            process.close()
        ends.close()


def _wait(ends: Any, left: int, look: Callable[[], None]) -> None:
    deadline = time.monotonic() + _ROW_SECONDS
    while left:
        try:
            failure = ends.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            if time.monotonic() > deadline:
                raise PacelineError(
                    f"a process of the demo did not end within {_ROW_SECONDS:g} s",
                    code="P154",
                ) from None
        else:
            left -= 1
            if failure:
                raise PacelineError(
                    f"a process of the demo failed: {failure}", code="P154"
                )
        look()


def _process(order: Order, costs: tuple[int, ...], barrier: Barrier, ends: Any) -> None:
    failure = ""
    try:
        asyncio.run(_work(order, costs, barrier))
    except KeyboardInterrupt:
        failure = "interrupted"
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
