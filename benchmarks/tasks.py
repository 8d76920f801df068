"""
What do 100 asyncio tasks get out of one limiter, against 100 tasks of INCR?

``ratio`` is decisions per second over INCRs of redis-py's asyncio client per second, in
the same round: on one hot key, where requests of one loop iteration can share a call,
and over 1,000 keys, where they cannot. One task alone shows what that costs who is
alone.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import redis.asyncio

from paceline import RateLimiter

from .harness.limits import BUCKET, THREE, THREE_COST, granted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .harness import Row, Run, Sample

PLOTS = {"ratio": "Decisions of asyncio tasks, against as many tasks of INCR"}
TASKS = 100
KEYS = 1_000


def ask(run: Run) -> list[Row]:
    """Compare INCR with one hot key and with many, of 100 tasks and of one."""
    return [*_compare(run, TASKS), *_compare(run, 1)]


def _compare(run: Run, tasks: int) -> list[Row]:
    client = redis.asyncio.Redis.from_url(run.server.url)
    bucket = RateLimiter(run.server.url, limits=BUCKET)
    three = RateLimiter(run.server.url, limits=THREE)
    keys = cycle([f"key-{number}" for number in range(KEYS)])

    async def incr() -> None:
        await client.incr("n")

    async def hot() -> None:
        granted(await bucket.try_acquire_async("hot"))

    async def spread_out() -> None:
        granted(await bucket.try_acquire_async(next(keys)))

    async def three_limits() -> None:
        granted(await three.try_acquire_async("three", THREE_COST))

    who = "1 task" if tasks == 1 else f"{tasks} tasks"

    def measured(call: Callable[[], Awaitable[None]]) -> Callable[[], Sample]:
        return lambda: run.tasks(call, tasks)

    base = f"redis-py INCR, {who}"
    try:
        return run.rounds(
            {
                base: measured(incr),
                f"paceline, one hot key, {who}": measured(hot),
                f"paceline, {KEYS:,} keys, {who}": measured(spread_out),
                f"paceline, three windows, {who}": measured(three_limits),
            },
            base=base,
        )
    finally:
        run.wait(client.aclose())
        run.wait(bucket.aclose())
        run.wait(three.aclose())
