"""
How long does a decision take when calls arrive at their own pace?

1,000 to 5,000 arrivals a second at random moments (Poisson), over 20 keys, on one event
loop; a call begins when it is due, whether the earlier ones have ended or not, and its
latency counts from that moment. ``ratio`` compares p99 with "a script per call": the
same script sent through redis-py once per arrival. What batches calls must not make the
lonely ones wait for company: at most 1.25 is the aim. INCR stands beside it.
"""

from __future__ import annotations

from itertools import accumulate, cycle
from random import Random
from statistics import quantiles
from typing import TYPE_CHECKING

import redis.asyncio

from paceline import RateLimiter

from .harness import slices
from .harness.limits import BUCKET, granted
from .harness.scripts import Scripted, prepare

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .harness import Row, Run, Sample

PLOTS = {"p99_us": "Latency of a decision, open loop"}
RATES = (1_000, 2_500, 5_000)
KEYS = 20
BASE = "a script per call"


def ask(run: Run) -> list[Row]:
    """Compare three ways at three rates."""
    return [row for rate in RATES for row in _at(run, rate)]


def _at(run: Run, rate: int) -> list[Row]:
    client = redis.asyncio.Redis.from_url(run.server.url)
    prepare(run.server.client)
    keys = cycle(range(KEYS))
    scripts = [
        Scripted(BUCKET, f"paceline:1:{{bare-{number}}}").acquire([1])
        for number in range(KEYS)
    ]
    limiter = RateLimiter(run.server.url, limits=BUCKET)

    async def incr() -> None:
        await client.incr(f"n-{next(keys)}")

    async def script() -> None:
        await client.execute_command(*scripts[next(keys)])

    async def ours() -> None:
        granted(await limiter.try_acquire_async(f"key-{next(keys)}"))

    dice = Random(1)
    seconds = run.pick(0.8, 0.1)

    def measured(call: Callable[[], Awaitable[None]]) -> Callable[[], Sample]:
        def measure() -> Sample:
            gaps = [dice.expovariate(rate) for _ in range(int(rate * seconds))]
            loop = slices.open_loop(call, accumulate(gaps))
            return _percentiles(run.wait(loop))

        return measure

    base = f"{BASE}, {rate:,}/s"
    try:
        return run.rounds(
            {
                f"redis-py INCR, {rate:,}/s": measured(incr),
                base: measured(script),
                f"paceline, {rate:,}/s": measured(ours),
            },
            base=base,
            of="p99_us",
            repeats=run.pick(7, 3),
        )
    finally:
        run.wait(client.aclose())
        run.wait(limiter.aclose())


def _percentiles(latencies: list[float]) -> Sample:
    cuts = quantiles((each * 1e6 for each in latencies), n=100)
    return {"p50_us": cuts[49], "p99_us": cuts[98]}
