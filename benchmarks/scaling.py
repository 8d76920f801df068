"""
Do more processes get more done?

One, two and four processes with one thread each ask as fast as they can: all on one hot
key, and each on its own. ``per_second`` is the sum. With as many processes as cores the
machine is full, server included: compare with INCR in the same round (``ratio``), which
meets the same end. ``server_us`` says what a server core could do at most.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import redis

from paceline import RateLimiter

from .harness.crew import Start, together
from .harness.limits import BUCKET, PATIENCE, granted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .harness import Row, Run, Sample

PLOTS = {"per_second": "Decisions of several processes"}
PROCESSES = (1, 2, 4)


def ask(run: Run) -> list[Row]:
    """Compare INCR, one hot key and a key each."""
    rows = []
    for processes in PROCESSES:
        who = "1 process" if processes == 1 else f"{processes} processes"
        base = f"redis-py INCR, {who}"
        rows += run.rounds(
            {
                base: _crew(run, processes, ""),
                f"paceline, one hot key, {who}": _crew(run, processes, "hot"),
                f"paceline, a key each, {who}": _crew(run, processes, "own-{}"),
            },
            base=base,
            repeats=run.pick(4, 1),
        )
    return rows


def _crew(run: Run, processes: int, key: str) -> Callable[[], Sample]:
    seconds = run.pick(0.8, 0.2)

    def measure() -> Sample:
        jobs = [
            (run.server.url, key.format(number), seconds) for number in range(processes)
        ]
        before = run.server.cpu_seconds()
        calls = sum(together(_work, jobs))
        server = run.server.cpu_seconds() - before
        return {"per_second": calls / seconds, "server_us": server / calls * 1e6}

    return measure


def _work(start: Start, url: str, key: str, seconds: float) -> int:
    """Ask for so long; return how often."""
    client = redis.Redis.from_url(url)
    with RateLimiter(url, limits=BUCKET, call_timeout=PATIENCE) as limiter:

        def call() -> None:
            if key:
                granted(limiter.try_acquire(key))
            else:
                client.incr("n")

        call()
        begin = start()
        time.sleep(max(0.0, begin - time.monotonic()))
        calls, end = 0, begin + seconds
        while not calls or time.monotonic() < end:
            call()
            calls += 1
    client.close()
    return calls
