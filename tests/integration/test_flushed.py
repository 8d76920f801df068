"""
A store that is flushed again and again under load: never over, and still of use.

What may be over is what the first who told the store had not seen yet: each booking of
a lost life that came after its sight. Everything else must fit the limit.
"""

import asyncio
import threading
import time

import pytest

from paceline import RateLimiter, SlidingWindow, TokenBucket
from rig import run_processes
from rig_loss import SECOND, charged, most_inside, noting, unseen
from rig_stores import SERVERS

RATE = 200
PROCESSES, TASKS = 4, 8
LIMITS = {
    "window": SlidingWindow(RATE, 1.0),
    "bucket": TokenBucket(RATE, 1.0, burst=RATE),
}


def ask(url, kind, seconds, heals):
    """
    Return each admitted call, as charged, and (when, lives) told each time.

    What counts is the moment that was charged, of the server's clock: how late this
    loaded machine wakes its tasks is no question here.
    """
    admitted, told = [], []

    async def run():
        limits = LIMITS[kind]
        async with RateLimiter(url, limits=limits, call_timeout=5) as limiter:
            limiter._engine.desk.heals = heals
            end = time.monotonic() + seconds

            async def one():
                while time.monotonic() < end:
                    permit = await limiter.acquire_async("hot", timeout=None)
                    admitted.append(charged(permit))

            await asyncio.gather(*(one() for _ in range(TASKS)))

    with noting(told):
        asyncio.run(run())
    return admitted, told


def flushed_every_second(server, kind, seconds, *, heals=True):
    """Return what the processes returned, put together."""
    over = threading.Event()

    def flush():
        with server.client() as client:
            while not over.wait(1.0):
                client.flushall()

    flusher = threading.Thread(target=flush)
    flusher.start()
    try:
        jobs = [(server.url, kind, seconds, heals)] * PROCESSES
        parts = run_processes(ask, jobs, timeout=seconds + 60)
    finally:
        over.set()
        flusher.join()
    admitted = sorted(call for calls, _ in parts for call in calls)
    told = sorted(each for _, some in parts for each in some)
    return admitted, told


def figures(admitted, told, kind):
    moments = [call[0] for call in admitted]
    late = set(unseen(admitted, told))
    fair = [call[0] for call in admitted if call not in late]
    burst = 0 if kind == "window" else RATE
    return {
        "calls": len(moments),
        "used": (len(moments) - burst) * SECOND / RATE / (moments[-1] - moments[0]),
        "most": most_inside(moments, SECOND) / RATE,
        "unseen": len(late),
        "over": most_inside(fair, SECOND) - RATE - burst,
    }


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        pytest.param("window", 3.0, id="window-short"),
        *(
            pytest.param(kind, 30.0, id=f"{kind}-long", marks=pytest.mark.soak)
            for kind in LIMITS
        ),
    ],
)
@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_a_store_that_is_flushed_every_second_stays_within_its_bound(
    clean_server, kind, seconds
):
    """
    Four processes; no window holds more than the limit and what nobody had told of.
    """
    told = figures(*flushed_every_second(clean_server, kind, seconds), kind)
    print(f"{kind} healing: {told}")
    assert told["over"] <= 0
    assert told["used"] >= 0.6


@pytest.mark.soak
@pytest.mark.parametrize("kind", list(LIMITS))
def test_without_healing_a_flush_is_one_more_limit(clean_server, kind):
    """
    What healing is measured against.
    """
    found = figures(*flushed_every_second(clean_server, kind, 30.0, heals=False), kind)
    print(f"{kind} no healing: {found}")
    assert found["most"] > 1.5
