"""Limits on calls at a time, through the facade: held, released, renewed, lost."""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import time

import pytest

from paceline import (
    Concurrency,
    MisuseError,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    StoreUnavailable,
)

SHORT = Concurrency(2, lease=0.6)


def free(limiter, key="a"):
    (status,) = [s for s in limiter.peek(key) if s.unit == "concurrent calls"]
    return status.remaining


@pytest.mark.parametrize("ends", ["settle", "cancel", "release"])
def test_whatever_ends_a_call_gives_its_place_back(store_url, ends):
    """
    Settle, cancel and release each end the hold, once.
    """
    with RateLimiter(store_url, limits=["2 concurrent", "100/min"]) as limiter:
        permit = limiter.acquire("a")
        assert free(limiter) == 1
        for _ in range(2):
            getattr(permit, ends)(*([1] if ends == "settle" else []))
        assert free(limiter) == 2


def test_a_released_call_can_still_be_settled(store_url):
    """
    Release keeps what was charged; settle posts it later.
    """
    with RateLimiter(store_url, limits=["2 concurrent", "100 tokens/min"]) as limiter:
        permit = limiter.acquire("a", {"tokens": 60})
        permit.release()
        assert [s.remaining for s in limiter.peek("a")] == [2, 40]
        permit.settle({"tokens": 10})
        assert [s.remaining for s in limiter.peek("a")] == [2, 90]


def test_a_block_holds_its_place_until_it_is_left(store_url):
    """
    A reservation without a note releases; an exception changes nothing about that.
    """
    with RateLimiter(store_url, limits="1 concurrent") as limiter:
        with pytest.raises(ZeroDivisionError), limiter.reserve("a"):
            assert free(limiter) == 0
            raise ZeroDivisionError
        assert free(limiter) == 1


def test_a_decorated_function_holds_its_place_while_it_runs(store_url):
    """
    Never more than the limit at a time, and all of it is used.
    """
    running, most = 0, 0

    async def run():
        nonlocal running, most
        async with RateLimiter(store_url, limits="3 concurrent") as limiter:

            @limiter.limited(key="a")
            async def call():
                nonlocal running, most
                running += 1
                most = max(most, running)
                await asyncio.sleep(0.005)
                running -= 1

            await asyncio.gather(*(call() for _ in range(30)))
            return (await limiter.peek_async("a"))[0].remaining

    assert asyncio.run(run()) == 3
    assert most == 3


def test_one_too_many_waits_for_a_release_or_its_timeout(store_url):
    """
    A waiter of this process is woken by the release; one that may not wait raises.
    """
    with RateLimiter(store_url, limits="1 concurrent") as limiter:
        permit = limiter.acquire("a")
        with pytest.raises(RateLimitExceeded) as refused:
            limiter.acquire("a", timeout=0)
        assert refused.value.decision.limit == "concurrent calls"
        with pytest.raises(RateLimitExceeded):
            limiter.acquire("a", timeout=0.1)
        threading.Timer(0.1, permit.release).start()
        assert limiter.acquire("a", timeout=10).waited < 5


def test_waiters_are_served_in_the_order_they_came(store_url):
    """
    First come, first served within a process.
    """
    served = []

    async def run():
        async with RateLimiter(store_url, limits="1 concurrent") as limiter:

            async def call(number):
                permit = await limiter.acquire_async("a")
                served.append(number)
                await permit.release_async()

            await asyncio.gather(*(call(number) for number in range(20)))

    asyncio.run(run())
    assert served == list(range(20))


def test_an_idle_key_is_not_delayed_by_anothers_line(store_url):
    """
    Who waits for one key stands in nobody else's way.
    """

    async def run():
        async with RateLimiter(store_url, limits="1 concurrent") as limiter:
            held = await limiter.acquire_async("a")
            waiter = asyncio.create_task(limiter.acquire_async("a"))
            await asyncio.sleep(0.05)
            other = await limiter.acquire_async("b", timeout=1)
            assert not waiter.done()
            await held.release_async()
            await (await waiter).release_async()
            await other.release_async()

    asyncio.run(run())


def test_rate_and_places_are_taken_together(store_url):
    """
    Refused for want of a place, a call is not charged to the rate either.
    """
    with RateLimiter(store_url, limits=["1 concurrent", "5/min"]) as limiter:
        limiter.acquire("a")
        for _ in range(3):
            with pytest.raises(RateLimitExceeded):
                limiter.acquire("a", timeout=0)
        assert [s.remaining for s in limiter.peek("a")] == [0, 4]


def test_a_wait_for_the_rate_holds_no_place(store_url):
    """
    A place is taken when the call may start, not while it waits for its rate.
    """

    async def run():
        limits = [Concurrency(1), SlidingWindow(1, 0.5)]
        async with RateLimiter(store_url, limits=limits) as limiter:
            await (await limiter.acquire_async("a")).release_async()
            waiter = asyncio.create_task(limiter.acquire_async("a"))
            await asyncio.sleep(0.1)
            assert (await limiter.peek_async("a"))[0].remaining == 1
            assert (await waiter).waited > 0.2

    asyncio.run(run())


def test_a_long_call_is_renewed(store_url):
    """
    A holder keeps its place for many leases, by one thread for all permits.
    """
    with RateLimiter(store_url, limits=Concurrency(2, lease=0.9)) as limiter:
        permits = [limiter.acquire("a") for _ in range(2)]
        threads = threading.active_count()
        end = time.monotonic() + 2.2
        while time.monotonic() < end:
            assert free(limiter) == 0
            time.sleep(0.05)
        assert threading.active_count() <= threads
        for permit in permits:
            permit.release()
        assert free(limiter) == 2


@pytest.mark.parametrize("ends", ["settle", "cancel", "release"])
@pytest.mark.parametrize("late", [False, True])
def test_a_release_that_crosses_a_renewal_frees_the_place(store_url, ends, late):
    """
    Let go of before or after the store moved its end: nothing is held afterwards.
    """
    with RateLimiter(store_url, limits=["2 concurrent", "100/min"]) as limiter:
        permit, other = limiter.acquire("a"), limiter.acquire("a")
        heartbeat = limiter._engine.heartbeat
        renew = heartbeat._renew

        def crossed(*args):
            moved = renew(*args) if late else None
            getattr(permit, ends)(*([1] if ends == "settle" else []))
            return moved or renew(*args)

        heartbeat._renew = crossed
        heartbeat._beat([permit])
        assert free(limiter) == 1
        other.release()
        assert free(limiter) == 2


def test_a_release_that_crosses_a_renewal_that_fails_is_not_lost(store_url):
    """
    The old end is released then, for it still stands.
    """
    with RateLimiter(store_url, limits="2 concurrent") as limiter:
        permit = limiter.acquire("a")

        def lost(*_):
            permit.release()
            raise StoreUnavailable("gone")

        limiter._engine.heartbeat._renew = lost
        limiter._engine.heartbeat._beat([permit])
        assert free(limiter) == 2


def test_a_permit_that_is_forgotten_ends_with_its_lease(store_url):
    """
    Nobody renews a permit that its owner let go of.
    """
    with RateLimiter(store_url, limits=SHORT) as limiter:
        limiter.acquire("a")
        gc.collect()
        end = time.monotonic() + 10
        while free(limiter) < 2:
            assert time.monotonic() < end
            time.sleep(0.02)


def hold_and_die(url, ready):
    limiter = RateLimiter(url, limits=SHORT)
    limiter.acquire("a")
    ready.set()
    time.sleep(60)


def test_the_place_of_a_killed_process_comes_back(clean_server):
    """
    SIGKILL its holder, and a place is free when the lease ends.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=hold_and_die, args=(clean_server.url, ready))
    holder.start()
    assert ready.wait(30)
    with RateLimiter(clean_server.url, limits=SHORT) as limiter:
        limiter.acquire("a")
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
        # The second place: at most a lease and a sixtieth after the last renewal.
        assert limiter.acquire("a", timeout=5).waited < 2


def test_try_acquire_cannot_hold_a_place(store_url):
    """
    It gives no permit that could be released: it says so, and charges nothing.
    """
    with RateLimiter(store_url, limits=["1 concurrent", "5/min"]) as limiter:
        with pytest.raises(MisuseError, match="P505"):
            limiter.try_acquire("a")
        assert [s.remaining for s in limiter.peek("a")] == [1, 5]
