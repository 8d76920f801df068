"""
What does posting the true cost add?

A call whose cost is an estimate takes a permit before and a settlement after: two round
trips at least, so against one INCR (``ratio``) half the speed of a bare decision is
par. In asyncio both can share calls with those of other tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
import redis.asyncio

from paceline import RateLimiter

from .harness.limits import THREE, THREE_COST

if TYPE_CHECKING:
    from .harness import Row, Run

PLOTS = {"ratio": "Permits and settlements, against INCR"}
TASKS = 100
_TRUTH = {"tokens": 412}


def ask(run: Run) -> list[Row]:
    """Compare permits with and without a settlement, of a thread and of tasks."""
    return [*_one_thread(run), *_tasks(run)]


def _one_thread(run: Run) -> list[Row]:
    client = redis.Redis.from_url(run.server.url)
    with RateLimiter(run.server.url, limits=THREE) as limiter:

        def settled() -> None:
            limiter.acquire("s", THREE_COST).settle(_TRUTH)

        def reserved() -> None:
            with limiter.reserve("r", THREE_COST) as reservation:
                reservation.settle(_TRUTH)

        calls = {
            "redis-py INCR": lambda: client.incr("n"),
            "paceline, acquire": lambda: limiter.acquire("a", THREE_COST),
            "paceline, acquire and settle": settled,
            "paceline, reserve and settle": reserved,
        }
        contenders = {
            name: (lambda call=call: run.slice(call)) for name, call in calls.items()
        }
        rows = run.rounds(contenders, base="redis-py INCR")
    client.close()
    return rows


def _tasks(run: Run) -> list[Row]:
    client = redis.asyncio.Redis.from_url(run.server.url)
    limiter = RateLimiter(run.server.url, limits=THREE)

    async def incr() -> None:
        await client.incr("n")

    async def acquired() -> None:
        await limiter.acquire_async("a", THREE_COST)

    async def reserved() -> None:
        async with limiter.reserve("r", THREE_COST) as reservation:
            reservation.settle(_TRUTH)

    base = f"redis-py INCR, {TASKS} tasks"
    try:
        return run.rounds(
            {
                base: lambda: run.tasks(incr, TASKS),
                f"paceline, acquire, {TASKS} tasks": lambda: run.tasks(acquired, TASKS),
                f"paceline, reserve and settle, {TASKS} tasks": lambda: run.tasks(
                    reserved, TASKS
                ),
            },
            base=base,
        )
    finally:
        run.wait(client.aclose())
        run.wait(limiter.aclose())
