"""No call takes longer than its timeout, whatever the server does."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from paceline import RateLimiter, StoreUnavailable
from rig_proxy import FaultProxy

# A call whose time is nearly up still has a tenth of a second for its round trip, and
# may give a booking back; the rest is for a busy machine's scheduler.
MARGIN = 0.25
BUSY = 0.25

SILENT = [
    pytest.param(fault, connected, id=f"{fault}-{'connected' if connected else 'new'}")
    for fault, connected in [
        ("stopped", True),
        ("stopped", False),
        ("blackhole", False),
        ("half_reply", True),
        ("trickle", True),
    ]
]


@pytest.fixture
def proxy(clean_server):
    with FaultProxy(Path(clean_server.socket)) as running:
        yield running


def fail(server, proxy, fault):
    if fault == "stopped":
        server.pause()
    else:
        proxy.mode, proxy.delay = fault, 0.05


def mend(server, proxy):
    server.resume()
    proxy.mode = "pass"
    proxy.cut()  # no network takes bytes out of the middle of a connection


async def timed(call):
    start = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await call()
    return time.monotonic() - start, caught.value.code


def timed_blocking(call):
    return asyncio.run(timed(lambda: asyncio.to_thread(call)))


@pytest.mark.parametrize(("fault", "connected"), SILENT)
def test_a_blocking_call_ends_within_its_timeout(clean_server, proxy, fault, connected):
    """
    Stopped, silent or trickling: the error comes in time, and the next call works.
    """
    with RateLimiter(proxy.url, limits="99/min", on_outage="raise") as limiter:
        if connected:
            limiter.acquire("a")
        fail(clean_server, proxy, fault)
        seconds, code = timed_blocking(lambda: limiter.acquire("a", timeout=0.2))
        mend(clean_server, proxy)
        assert code == "P208"
        assert seconds < 0.2 + MARGIN + BUSY
        limiter.acquire("a", timeout=5)


@pytest.mark.parametrize(("fault", "connected"), SILENT)
def test_an_asyncio_call_ends_within_its_timeout(clean_server, proxy, fault, connected):
    """
    The same on an event loop.
    """

    async def run():
        async with RateLimiter(
            proxy.url, limits="99/min", on_outage="raise"
        ) as limiter:
            if connected:
                await limiter.acquire_async("a")
            fail(clean_server, proxy, fault)
            end = await timed(lambda: limiter.acquire_async("a", timeout=0.2))
            mend(clean_server, proxy)
            await limiter.acquire_async("a", timeout=5)
            return end

    seconds, code = asyncio.run(run())
    assert code == "P208"
    assert seconds < 0.2 + MARGIN + BUSY


@pytest.mark.parametrize("fault", ["trickle"])
def test_who_queues_behind_a_slow_call_ends_in_time(clean_server, proxy, fault):
    """
    Ten threads of one key, patient and impatient: each ends within its own timeout.
    """
    timeouts = [1.0, 0.1, 0.3, 0.2, 0.8, 0.1, 0.15, 0.5, 0.4, 0.25]
    took = {}

    def work(number, timeout):
        with pytest.raises(StoreUnavailable):
            limiter.acquire("a", timeout=timeout)
        took[number] = time.monotonic() - start

    with RateLimiter(proxy.url, limits="99/min", on_outage="raise") as limiter:
        limiter.acquire("a")
        fail(clean_server, proxy, fault)
        start = time.monotonic()
        threads = [
            threading.Thread(target=work, args=job) for job in enumerate(timeouts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        mend(clean_server, proxy)
    late = [took[number] - timeout for number, timeout in enumerate(timeouts)]
    assert max(late) < MARGIN + BUSY, late


def test_a_patient_caller_does_not_fail_with_an_impatient_one(clean_server, proxy):
    """
    Two share a call that is slow: one has no time for the answer, the other has.
    """

    async def run():
        async with RateLimiter(proxy.url, limits="9/min", on_outage="raise") as limiter:
            await limiter.acquire_async("a")
            proxy.mode, proxy.delay = "latency", 0.3
            return await asyncio.gather(
                limiter.acquire_async("a", timeout=0.05),
                limiter.acquire_async("a", timeout=10),
                return_exceptions=True,
            )

    hurried, patient = asyncio.run(run())
    assert isinstance(hurried, StoreUnavailable)
    assert not isinstance(patient, Exception)
