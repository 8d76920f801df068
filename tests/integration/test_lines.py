"""Standing in line: estimates, backlogs, and processes that disagree."""

import asyncio
import logging
import threading
import time

import pytest

from paceline import (
    ConfigError,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    TokenBucket,
)

BUCKET = TokenBucket(20, 1.0, burst=1)


def test_estimates_are_served_in_the_order_they_came(store_url):
    """
    First come, first served within a process; ten go at the same moment.
    """
    served = []

    async def run():
        # The guard makes up for a busy machine: who wakes late goes again.
        limits = SlidingWindow(10, 0.5)
        async with RateLimiter(store_url, limits=limits, guard=0.1) as limiter:

            async def call(number):
                async with limiter.reserve("a") as reservation:
                    served.append(number)
                    reservation.settle(1)

            await asyncio.gather(*(call(number) for number in range(30)))

    asyncio.run(run())
    assert [number // 10 for number in served] == [0] * 10 + [1] * 10 + [2] * 10


def test_an_estimate_books_no_further_than_a_second_ahead(store_url):
    """
    Ten waiters of half a second each: two turns are booked, the others stand in line.
    """

    async def run():
        limits = TokenBucket(2, 1.0, burst=1)
        async with RateLimiter(store_url, limits=limits) as limiter:
            await limiter.acquire_async("a")
            waiters = [
                asyncio.create_task(limiter.reserve("a", timeout=None).__aenter__())
                for _ in range(10)
            ]
            await asyncio.sleep(0.3)
            (status,) = await limiter.peek_async("a")
            for waiter in waiters:
                waiter.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)
            return status.reset_after

    assert asyncio.run(run()) <= 2.0


def test_a_backlog_leaves_room_for_others(store_url):
    """
    Batch calls fill nine tenths of a limit; the rest is there for normal ones.
    """
    with RateLimiter(store_url, limits="20/min") as limiter:
        for _ in range(18):
            limiter.acquire("a", timeout=0, priority="batch")
        with pytest.raises(RateLimitExceeded):
            limiter.acquire("a", timeout=0, priority="batch")
        for _ in range(2):
            limiter.acquire("a", timeout=0)


def test_normal_calls_do_not_wait_behind_a_backlog(store_url):
    """
    Thirty batch calls wait; a normal one comes next, not thirty-first.
    """

    async def run():
        async with RateLimiter(store_url, limits=BUCKET) as limiter:
            await limiter.acquire_async("a")
            backlog = [
                asyncio.create_task(limiter.acquire_async("a", priority="batch"))
                for _ in range(30)
            ]
            await asyncio.sleep(0.1)
            permit = await limiter.acquire_async("a")
            waiting = sum(not each.done() for each in backlog)
            for each in backlog:
                each.cancel()
            await asyncio.gather(*backlog, return_exceptions=True)
            return permit.waited, waiting

    waited, waiting = asyncio.run(run())
    assert waiting > 15
    assert waited < 1.0


def test_a_call_as_large_as_the_limit_is_no_less_a_batch_call(store_url):
    """
    What only fits alone goes when it is alone.
    """
    limits = SlidingWindow(100, 60.0, unit="tokens")
    with RateLimiter(store_url, limits=limits) as limiter:
        limiter.acquire("a", {"tokens": 100}, timeout=0, priority="batch")


def test_a_priority_that_is_none_is_refused(store_url):
    """
    A misspelt priority must not mean normal.
    """
    with (
        RateLimiter(store_url, limits="5/min") as limiter,
        pytest.raises(ConfigError, match="P111"),
    ):
        limiter.acquire("a", priority="low")


def test_who_leaves_the_line_holds_nobody_up(store_url):
    """
    The first in line is cancelled: the next one moves up at once.
    """

    async def run():
        async with RateLimiter(store_url, limits="1 concurrent") as limiter:
            held = await limiter.acquire_async("a")
            first, second = (
                asyncio.create_task(limiter.acquire_async("a")) for _ in range(2)
            )
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await held.release_async()
            permit = await asyncio.wait_for(second, 5)
            await permit.release_async()

    asyncio.run(run())


def test_threads_stand_in_line_too(store_url):
    """
    Eight threads, one place: one at a time, and all of them get it.
    """
    inside, most, lock = 0, 0, threading.Lock()

    def call(limiter):
        nonlocal inside, most
        for _ in range(3):
            with limiter.reserve("a", timeout=30):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with lock:
                    inside -= 1

    with RateLimiter(store_url, limits="1 concurrent") as limiter:
        threads = [threading.Thread(target=call, args=(limiter,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 1


def test_processes_that_disagree_get_one_warning_with_both_values(store_url, caplog):
    """
    Whoever finds its own limit overwritten is told, once; a changed limit is not.
    """
    with (
        caplog.at_level(logging.WARNING, "paceline"),
        RateLimiter(store_url, limits="500/min") as old,
    ):
        old.try_acquire("a")
        with RateLimiter(store_url, limits="800/min") as new:
            new.try_acquire("a")
            new.try_acquire("a")
            assert not caplog.records
            for _ in range(3):
                old.try_acquire("a")
                new.try_acquire("a")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert all("800" in text and "500" in text for text in texts)
