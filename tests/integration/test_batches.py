"""Callers who ask at the same time: one call for all, in order, each on its own."""

import asyncio
import threading

import pytest

from paceline import CostTooLarge, RateLimiter, SlidingWindow


def calls(client):
    stats = client.info("commandstats")
    return sum(
        stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha")
    )


def test_tasks_of_one_iteration_ride_one_call(clean_server):
    """
    A hundred tasks, one script call; the first of them get what there is.
    """

    async def run():
        async with RateLimiter(clean_server.url, limits="60/min") as limiter:
            await limiter.try_acquire_async("warm")
            before = calls(clean_server.client())
            tries = [limiter.try_acquire_async("a") for _ in range(100)]
            decisions = await asyncio.gather(*tries)
            return decisions, calls(clean_server.client()) - before

    decisions, sent = asyncio.run(run())
    assert sent == 1
    assert [bool(each) for each in decisions] == [True] * 60 + [False] * 40


def test_ten_thousand_tasks_need_few_connections(clean_server):
    """
    Nobody fails for want of a connection, and the server sees a handful of them.
    """

    async def run():
        limits = SlidingWindow(10_000, 60.0)
        async with RateLimiter(clean_server.url, limits=limits, call_timeout=20) as one:
            tries = [one.try_acquire_async(f"key {i % 50}") for i in range(10_000)]
            granted = sum(map(bool, await asyncio.gather(*tries)))
            return granted, clean_server.client().info("clients")["connected_clients"]

    granted, connected = asyncio.run(run())
    assert granted == 10_000
    assert connected < 20


def test_each_request_of_a_batch_is_decided_alone(store_url):
    """
    One that can never go fails by itself; its neighbours do not notice.
    """

    async def run():
        small = SlidingWindow(100, 60.0, unit="tokens")
        async with RateLimiter(store_url, limits=small) as limiter:
            tries = [limiter.acquire_async("a", {"tokens": n}) for n in (60, 40)]
            await asyncio.gather(*tries)
        large = SlidingWindow(500, 60.0, unit="tokens")
        async with RateLimiter(store_url, limits=large) as limiter:
            tries = [limiter.try_acquire_async("a", {"tokens": n}) for n in (500, 400)]
            return await asyncio.gather(*tries)

    first, second = asyncio.run(run())
    assert (first.allowed, second.allowed) == (False, True)


def test_threads_that_wait_ride_the_next_call(clean_server):
    """
    Sixteen threads, one key: each gets its own answer, with fewer calls than answers.
    """
    granted, lock = 0, threading.Lock()

    def hammer(limiter, barrier):
        nonlocal granted
        barrier.wait()
        for _ in range(50):
            allowed = limiter.try_acquire("a").allowed
            with lock:
                granted += allowed

    limits = SlidingWindow(500, 600.0)
    with RateLimiter(clean_server.url, limits=limits, call_timeout=20) as limiter:
        limiter.try_acquire("warm")
        before = calls(clean_server.client())
        barrier = threading.Barrier(16)
        threads = [
            threading.Thread(target=hammer, args=(limiter, barrier)) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = calls(clean_server.client()) - before
    assert granted == 500
    assert sent < 16 * 50


def test_a_cost_too_large_does_not_reach_a_batch(store_url):
    """
    What can be known here is said here.
    """

    async def run():
        async with RateLimiter(store_url, limits="5/min") as limiter:
            tries = [limiter.acquire_async("a", cost) for cost in (1, 6, 1)]
            return await asyncio.gather(*tries, return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert isinstance(second, CostTooLarge)
    assert first.waited < 1 > third.waited


@pytest.mark.parametrize("lost", [1, 5])
def test_who_is_cancelled_in_a_batch_gives_only_its_own_back(clean_server, lost):
    """
    Its neighbours keep what they got.
    """

    async def run():
        async with RateLimiter(clean_server.url, limits="100/min") as limiter:
            tasks = [asyncio.create_task(limiter.acquire_async("a")) for _ in range(10)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for task in tasks[:lost]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            (status,) = await limiter.peek_async("a")
            return status.remaining

    assert asyncio.run(run()) == 100 - (10 - lost)
