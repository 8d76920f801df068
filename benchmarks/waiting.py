"""
Ask what waiting callers cost, in which order they go, and how much is used.

    python benchmarks/waiting.py [--url redis://...] [--waiters 50] [--seconds 5]

Prints one JSON line per number of processes (1, 4): round trips per admission (EVALSHA
calls seen by the server over admissions; 1.0 is the least), the share of the quota used
from the first burst to the beginning of the last, and the share of admissions that were
passed by somebody who came more than 20 ms later and left more than 20 ms earlier.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time

import redis

from paceline import RateLimiter, SlidingWindow
from paceline.stores.embedded import EmbeddedServer

RATE = 20


def run_waiters(
    url: str, number: int, begin: float, seconds: float
) -> list[tuple[float, float]]:
    """Keep *number* tasks waiting for *seconds*; return (arrived, admitted) moments."""
    return asyncio.run(_waiters(url, number, begin, seconds))


async def _waiters(
    url: str, number: int, begin: float, seconds: float
) -> list[tuple[float, float]]:
    turns: list[tuple[float, float]] = []
    await asyncio.sleep(begin - time.monotonic())
    end = begin + seconds

    async def again(limiter: RateLimiter) -> None:
        while (arrived := time.monotonic()) < end:
            await limiter.acquire_async("benchmark-waiting", timeout=None)
            turns.append((arrived, time.monotonic()))

    async with RateLimiter(url, limits=SlidingWindow(RATE, 1.0)) as limiter:
        await asyncio.gather(*(again(limiter) for _ in range(number)))
    return turns


def calls(client: redis.Redis) -> int:
    """Return how many scripts the server has run."""
    stats = client.info("commandstats")
    names = ("cmdstat_eval", "cmdstat_evalsha")
    return sum(stats.get(name, {}).get("calls", 0) for name in names)


def measure(url: str, processes: int, waiters: int, seconds: float) -> dict[str, float]:
    """Run one configuration."""
    client = redis.Redis.from_url(url)
    before = calls(client)
    begin = time.monotonic() + 2.0  # when every process has started
    shares = [
        waiters // processes + (i < waiters % processes) for i in range(processes)
    ]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        jobs = [(url, share, begin, seconds) for share in shares]
        turns = [turn for part in pool.starmap(run_waiters, jobs) for turn in part]
    turns.sort(key=lambda turn: turn[1])
    span = turns[-1][1] - turns[0][1]
    whole = sum(admitted < turns[-1][1] - 0.2 for _, admitted in turns)
    overtaken = sum(
        any(a > came + 0.02 and b < left - 0.02 for a, b in turns)
        for came, left in turns
    )
    return {
        "processes": processes,
        "admissions": len(turns),
        "round_trips_per_admission": round((calls(client) - before) / len(turns), 3),
        "quota_used": round(whole / (RATE * span), 4),
        "overtaken": round(overtaken / len(turns), 4),
    }


def main() -> None:
    """Measure one and four processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server; default: the embedded one")
    parser.add_argument("--waiters", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    url = options.url or f"unix://{EmbeddedServer().ensure()}"
    for processes in (1, 4):
        row = measure(url, processes, options.waiters, options.seconds)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
