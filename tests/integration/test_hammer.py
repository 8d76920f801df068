"""
Several real processes hammer one key; judged by calls that cannot be argued away.

A call counts for an interval when it both began and ended inside it, on the clock that
all processes of a host share. No scheduling jitter can fake that.
"""

import asyncio
import time

import pytest

import rig
from paceline import RateLimiter, SlidingWindow, TokenBucket
from rig import run_processes

RATE = 100
BURST = 50
SECONDS = 3.0
LIMITS = {
    "window": SlidingWindow(RATE, 1.0),
    "bucket": TokenBucket(RATE, 1.0, burst=BURST),
}


def hammer(url, kind, seconds):
    """Ask as fast as possible; return (began, ended) of each admitted call."""
    admitted = []
    with RateLimiter(url, limits=LIMITS[kind], call_timeout=5) as limiter:
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            if limiter.try_acquire("hot"):
                admitted.append((began, time.monotonic()))
    return admitted


def hammer_async(url, kind, seconds):
    async def run():
        admitted = []
        async with RateLimiter(url, limits=LIMITS[kind], call_timeout=5) as limiter:
            end = time.monotonic() + seconds

            async def ask():
                while (began := time.monotonic()) < end:
                    if await limiter.try_acquire_async("hot"):
                        admitted.append((began, time.monotonic()))

            await asyncio.gather(*(ask() for _ in range(4)))
        return admitted

    return asyncio.run(run())


def inside(calls, start, length):
    return sum(start <= began and ended <= start + length for began, ended in calls)


# In the plain run each kind of limit, of caller and of server meets the others once.
CASES = [
    pytest.param(
        server,
        kind,
        work,
        id=f"{server[0]}-{kind}-{work.__name__}",
        marks=[] if (number + place) % 2 == (work is hammer) else [pytest.mark.soak],
    )
    for number, server in enumerate(rig.servers())
    for place, kind in enumerate(LIMITS)
    for work in (hammer, hammer_async)
]


@pytest.mark.parametrize(("server", "kind", "work"), CASES, indirect=["server"])
def test_four_processes_never_exceed_and_fully_use_the_limit(clean_server, work, kind):
    """
    No interval holds more calls than the limit allows, and at least 95 % are used.
    """
    jobs = [(clean_server.url, kind, SECONDS)] * 4
    calls = [call for part in run_processes(work, jobs) for call in part]
    starts = [began for began, _ in calls]
    first, last = min(starts), max(ended for _, ended in calls)
    if kind == "window":
        # A little less than the window: the server's clock is not the host's.
        worst = max(inside(calls, start, 0.999) for start in starts) - RATE
        # Turns of a saturated window come once per window: count whole ones.
        whole = int(last - first)
        used = inside(calls, first, whole) / (RATE * whole)
    else:
        worst = max(
            inside(calls, start, length) - BURST - RATE * length
            for length in (0.1, 0.5, 1.0, 3.0)
            for start in starts
        )
        used = (len(calls) - BURST) / (RATE * (last - first))
    # Shown by pytest -s.
    print(f"{kind} {work.__name__}: used {used:.3f}, most over the limit {worst:.1f}")
    assert worst <= 0
    assert used >= 0.95
