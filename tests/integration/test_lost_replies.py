"""Replies that are lost: the call is sent again, and counts once."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from paceline import RateLimiter, SlidingWindow, StoreUnavailable
from rig_proxy import FaultProxy


@pytest.fixture
def proxy(clean_server):
    with FaultProxy(clean_server.socket) as proxy:
        yield proxy


def direct(clean_server, limits):
    return RateLimiter(clean_server.url, limits=limits)


def used(limiter, key="a"):
    (status,) = limiter.peek(key)
    return status.capacity - status.remaining


@pytest.mark.parametrize("verb", ["try_acquire", "acquire"])
def test_a_call_whose_reply_is_lost_counts_once(clean_server, proxy, verb):
    """
    The connection breaks after the script ran: sent again, it is answered as it was.
    """
    with RateLimiter(proxy.url, limits="100/min") as limiter:
        limiter.try_acquire("a")
        proxy.mode = "reset_on_reply_once"
        assert getattr(limiter, verb)("a")
        assert proxy.mode == "pass"
    with direct(clean_server, "100/min") as limiter:
        assert used(limiter) == 2


def test_a_call_whose_reply_is_lost_counts_once_async(clean_server, proxy):
    """
    The same on an event loop.
    """

    async def run():
        async with RateLimiter(proxy.url, limits="100/min") as limiter:
            await limiter.try_acquire_async("a")
            proxy.mode = "reset_on_reply_once"
            return await limiter.try_acquire_async("a")

    assert asyncio.run(run()).allowed
    with direct(clean_server, "100/min") as limiter:
        assert used(limiter) == 2


def test_a_settlement_whose_reply_is_lost_refunds_once(clean_server, proxy):
    """
    A refund that is sent twice gives back once.
    """
    limits = SlidingWindow(100, 60.0, unit="tokens")
    with RateLimiter(proxy.url, limits=limits) as limiter:
        for _ in range(2):
            permit = limiter.acquire("a", {"tokens": 40})
        proxy.mode = "reset_on_reply_once"
        permit.settle({"tokens": 10})
    with direct(clean_server, limits) as limiter:
        assert used(limiter) == 50


def test_a_cool_down_whose_reply_is_lost_holds_and_counts_for_each_time(
    clean_server, proxy
):
    """
    It is sent again on no lane: the count of 429s is the one thing to tell of it.
    """
    with RateLimiter(proxy.url, limits="100/min") as limiter:
        limiter.try_acquire("a")
        limiter.cool_down("b", 0)  # the server knows the script
        proxy.mode = "reset_on_reply_once"
        limiter.cool_down("a", 30)
        assert limiter.try_acquire("a").limit == "cool-down"
        assert int(limiter.exchange("a")["429s"].value[:13]) == 2
    with direct(clean_server, "100/min") as limiter:
        assert used(limiter) == 1


def test_what_a_given_up_call_charged_comes_back(clean_server, proxy):
    """
    Its caller got an error; the next call finds out what it charged and gives it back.
    """
    limiter = RateLimiter(
        proxy.url, limits="100/min", call_timeout=0.2, on_outage="raise"
    )
    limiter.try_acquire("a")
    proxy.mode = "drop_replies"
    with pytest.raises(StoreUnavailable):
        limiter.try_acquire("a")
    proxy.mode = "pass"
    limiter.try_acquire("a")
    limiter.close()
    with direct(clean_server, "100/min") as limiter:
        assert used(limiter) == 2


CALLERS = 8


def in_threads(limiter, lose, watch):
    """Ask at the same time, in threads."""
    limiter.acquire("a")
    lose()
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(limiter.acquire, "a") for _ in range(CALLERS)]
        watch()
        return [each.result(20) for each in asked]


def in_tasks(limiter, lose, watch):
    """Ask at the same time, in tasks of one event loop."""

    async def run():
        await limiter.acquire_async("a")  # or they would wait for a connection
        lose()
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(limiter.acquire_async("a")) for _ in range(CALLERS)
            ]
            await asyncio.to_thread(watch)
        await limiter.aclose()
        return [each.result() for each in asked]

    return asyncio.run(run())


def wait_for(happens):
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("ask", [in_threads, in_tasks])
def test_what_a_shared_call_charged_comes_back_once(clean_server, proxy, ask):
    """
    All who shared it fail with it; one of them gives it back, or others lose theirs.

    Whatever is booked meanwhile stands in the same slot of the window: each time that
    the lost call is given back once more it would be taken out of that.
    """
    limits = SlidingWindow(1000, 3600.0)
    other = direct(clean_server, limits)
    other.acquire("a")
    options = {"call_timeout": 0.2, "connect_timeout": 0.1, "on_outage": "wait"}
    limiter = RateLimiter(proxy.url, limits=limits, **options)
    store = limiter._engine._open()

    def lose():
        proxy.mode = "reset_on_reply"

    def watch():
        wait_for(lambda: used(other) > 2)
        for _ in range(100):
            other.acquire("a")
        wait_for(lambda: store.breaker.gone)
        proxy.mode = "pass"

    with limiter, other:
        granted = ask(limiter, lose, watch)
        fair = 2 + len(granted) + 100
        wait_for(lambda: used(other) <= fair)
        assert used(other) == fair


def test_one_reply_in_ten_lost_costs_nothing(clean_server, proxy):
    """
    Of 300 calls some 30 replies are lost: exactly 300 are counted.
    """
    chance = random.Random(7)
    stop = threading.Event()

    def lose_some():
        while not stop.wait(0.002):
            proxy.mode = "reset_on_reply_once" if chance.random() < 0.1 else "pass"

    thread = threading.Thread(target=lose_some)
    with RateLimiter(proxy.url, limits="100k/min") as limiter:
        limiter.try_acquire("a")
        thread.start()
        try:
            granted = sum(limiter.try_acquire("a").allowed for _ in range(299))
        finally:
            stop.set()
            thread.join()
    assert granted == 299
    assert proxy.connections > 5
    with direct(clean_server, "100k/min") as limiter:
        assert used(limiter) == 300
