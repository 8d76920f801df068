"""The demo's processes, each of which works through its calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline import _fleet
from paceline.mock.ask import async_clients

from .clients import Client, Paced, Retrying, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

    from paceline._http import Clients

    from .work import Work

# Calls that one process has under way or waiting at a time.
_TASKS = 64
_START_SECONDS = 60.0
_ROW_SECONDS = 120.0


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
    jobs = [(order, costs) for costs in work.costs]
    _fleet.run_fleet(_process, jobs, look, whose="demo", seconds=_ROW_SECONDS)


def _process(barrier: Barrier, order: Order, costs: tuple[int, ...]) -> None:
    asyncio.run(_work(order, costs, barrier))


async def _work(order: Order, costs: tuple[int, ...], barrier: Barrier) -> None:
    async with async_clients(order.base_url) as http:
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


async def _warm_up(http: Clients, connections: int) -> None:
    # A fleet that has run for a while has its connections open. The path is unknown to
    # the server, which does not count it.
    await asyncio.gather(*(http.get("/") for _ in range(connections)))


def _client(order: Order, http: Any) -> Client:
    if order.kind == "retries":
        return Retrying(http)
    if order.kind == "static":
        return Sharing(http, order.processes)
    return Paced(http, order.store, order.scope)
