"""
What does a decision cost with other limiters, in the same run?

Every contender has the same job: one hot key, a limit that is never reached. ``ratio``
is against bare redis-py INCR in the same round, one thread and 100 asyncio tasks apart.
Read it beside ``peers_proof``: a fast answer that lets too much through is no answer.
Needs ``pip install -e '.[bench]'``; what is missing is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
import redis.asyncio

from .harness.limits import granted
from .harness.peers import installed, missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .harness import Row, Run, Sample

PLOTS = {"ratio": "Decisions of several limiters, against redis-py's INCR"}
TASKS = 100
# Never reached, and short, so that logs of every call stay short too.
LIMIT, PER = 1_000_000, 1


def ask(run: Run) -> list[Row]:
    """Compare one thread, then 100 tasks."""
    return [*_one_thread(run), *_tasks(run), *missing(run.peers)]


def _one_thread(run: Run) -> list[Row]:
    run.server.clear()
    client = redis.Redis.from_url(run.server.url)
    calls: dict[str, Callable[[], object]] = {"redis-py INCR": lambda: client.incr("n")}
    for peer in installed(run.peers):
        call = peer.trying(run.server.url, LIMIT, PER)
        calls[peer.label] = lambda call=call: granted(call())
    contenders = {
        name: (lambda call=call: run.slice(call)) for name, call in calls.items()
    }
    return run.rounds(contenders, base="redis-py INCR")


def _tasks(run: Run) -> list[Row]:
    run.server.clear()
    client = redis.asyncio.Redis.from_url(run.server.url)
    base = f"redis-py INCR, {TASKS} tasks"
    contenders: dict[str, Callable[[], Sample]] = {
        base: lambda: run.tasks(lambda: client.incr("n"), TASKS)
    }
    for peer in installed(run.peers):
        call = run.wait(_built(peer.trying_async(run.server.url, LIMIT, PER)))
        contenders[f"{peer.label}, {TASKS} tasks"] = lambda call=call: run.tasks(
            lambda: _granted(call), TASKS
        )
    return run.rounds(contenders, base=base)


async def _built(building: Awaitable[Callable[[], Awaitable[bool]]]):  # noqa: ANN202
    return await building


async def _granted(call: Callable[[], Awaitable[bool]]) -> None:
    granted(await call())
