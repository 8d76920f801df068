"""What must hold when the store stalls or callers give up, found by trying."""

import asyncio
import gc
import os
import time

import pytest
import valkey
import valkey.asyncio

from paceline import (
    ConfigError,
    CostError,
    RateLimiter,
    SlidingWindow,
    StoreError,
    StoreUnavailable,
    TokenBucket,
)


def test_callers_of_a_stalled_store_fail_together(clean_server):
    """
    Who queued behind a call that timed out fails with it, not one after another.
    """

    async def run():
        async with RateLimiter(clean_server.url, limits="100/min") as limiter:
            await limiter.try_acquire_async("a")
            clean_server.pause()
            start = time.monotonic()
            calls = [limiter.acquire_async("a", timeout=1) for _ in range(20)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            clean_server.resume()
            return time.monotonic() - start, {type(end) for end in ends}

    seconds, kinds = asyncio.run(run())
    assert kinds == {StoreUnavailable}
    assert seconds < 5  # 20 timeouts in a row are 10


@pytest.mark.parametrize("waiters", [20, 150])
def test_waiters_cancelled_twice_leave_no_trace(clean_server, waiters):
    """
    A second cancellation while the booking is given back does not lose it.
    """

    async def run():
        limits = SlidingWindow(5, 1.0)
        async with RateLimiter(clean_server.url, limits=limits) as limiter:
            for _ in range(5):
                await limiter.acquire_async("a")
            tasks = [
                asyncio.create_task(limiter.acquire_async("a", timeout=None))
                for _ in range(waiters)
            ]
            await asyncio.sleep(0.5)
            for _ in range(2):
                for task in tasks:
                    task.cancel()
                await asyncio.sleep(0)
            await asyncio.gather(*tasks, return_exceptions=True)
            return (await limiter.try_acquire_async("a")).retry_after

    assert asyncio.run(run()) <= 1.0


def test_a_settlement_that_is_cancelled_is_posted_all_the_same(clean_server):
    """
    Cancelling settle_async never loses an overrun.
    """

    async def run():
        limits = SlidingWindow(1000, 600.0, unit="tokens")
        async with RateLimiter(clean_server.url, limits=limits) as limiter:
            permits = [
                await limiter.acquire_async("a", {"tokens": 1}) for _ in range(100)
            ]
            tasks = [
                asyncio.create_task(p.settle_async({"tokens": 5})) for p in permits
            ]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return (await limiter.peek_async("a"))[0].remaining

    assert asyncio.run(run()) == 500


def test_event_loops_that_ended_keep_no_connections(clean_server, recwarn):
    """
    asyncio.run, thirty times: the connections of ended loops are closed.
    """
    limiter = RateLimiter(clean_server.url, limits="100/min")
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(30):
        asyncio.run(limiter.try_acquire_async("a"))
    gc.collect()
    if before:
        assert len(os.listdir("/proc/self/fd")) - before <= 5
    limiter.close()


def test_a_result_survives_a_store_that_went_away(clean_server, caplog):
    """
    What a function returned, or a block raised, is not replaced by a failed posting.
    """
    with RateLimiter(clean_server.url, limits="100/min", on_outage="raise") as limiter:

        @limiter.limited("a", settle=lambda result: result)
        def call():
            clean_server.pause()
            return 0

        assert call() == 0
        assert "not posted" in caplog.text
        clean_server.resume()
        with pytest.raises(KeyError), limiter.reserve("a") as reservation:
            reservation.cancel()
            clean_server.pause()
            raise KeyError
        clean_server.resume()
        with pytest.raises(StoreError), limiter.reserve("a") as reservation:
            reservation.cancel()
            clean_server.pause()
        clean_server.resume()


@pytest.mark.parametrize(
    "cost", [None, 3.5, [1], "abc", {1: 2}, {None: 1}, {"tokens": 10**5000}, True]
)
def test_a_senseless_settlement_is_a_cost_error(cost):
    """
    Whatever a settle callable returns by mistake, the error is ours and names it.
    """
    with RateLimiter("memory://senseless", limits="100 tokens/min") as limiter:
        permit = limiter.acquire("a", {"tokens": 1})
        with pytest.raises(CostError):
            permit.settle(cost)
        permit.cancel()


def test_large_windows_settle_large_costs():
    """
    A true cost may be as large as the limit's kind can count.
    """
    limits = SlidingWindow(90_000_000_000, 60.0, unit="tokens")
    with RateLimiter("memory://large", limits=limits) as limiter:
        permit = limiter.acquire("a", {"tokens": 1})
        permit.settle({"tokens": 40_000_000_000})
        assert limiter.peek("a")[0].remaining == 50_000_000_000


def test_redis_pys_own_url_options_are_taken_and_others_explained(clean_server):
    """
    max_connections is redis-py's and harmless; an unknown option is an error at once.
    """
    url = clean_server.tcp_url
    with RateLimiter(f"{url}?max_connections=10", limits="5/min") as limiter:
        assert limiter.try_acquire("a")
    with pytest.raises(ConfigError) as caught:
        RateLimiter(f"{url}?foo=1", limits="5/min")
    assert caught.value.code == "P106"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_host_that_no_resolver_takes(asynchronous):
    """
    An impossible host name is a store that cannot be reached, in both worlds.
    """
    limiter = RateLimiter("redis://a..b/0", limits="5/min")
    with pytest.raises(StoreUnavailable):
        if asynchronous:
            asyncio.run(limiter.try_acquire_async("a"))
        else:
            limiter.try_acquire("a")
    limiter.close()


@pytest.mark.parametrize("timeout", [1e308, 10**400, float("inf"), "5", True])
def test_odd_timeouts_are_refused(timeout):
    """
    A timeout that no clock could count is an error with a code.
    """
    with (
        RateLimiter("memory://timeouts", limits="5/min") as limiter,
        pytest.raises(ConfigError) as caught,
    ):
        limiter.acquire("a", timeout=timeout)
    assert caught.value.code == "P111"


@pytest.mark.parametrize("secret", ["", b"", 123, [1], bytearray(b"x"), "\ud800"])
def test_an_empty_or_odd_secret_is_refused(secret):
    """
    An unset environment variable must not silently mean "no secret".
    """
    with pytest.raises(ConfigError) as caught:
        RateLimiter("memory://secret", limits="5/min", secret=secret)
    assert caught.value.code == "P111"


@pytest.mark.parametrize("kind", [valkey.Valkey, valkey.asyncio.Valkey])
def test_a_client_of_valkey_py_is_a_store(clean_server, kind):
    """
    valkey-py is a fork of redis-py: its clients lend their server and settings, too.
    """
    client = kind(unix_socket_path=clean_server.socket)
    with RateLimiter(client, limits="5/min") as limiter:
        assert sum(bool(limiter.try_acquire("a")) for _ in range(8)) == 5


def test_a_password_in_place_of_a_port_is_not_shown():
    """
    Even the cause of the error does not quote the URL.
    """
    with pytest.raises(ConfigError) as caught:
        RateLimiter("redis://:hunter2/0", limits="5/min")
    assert caught.value.__cause__ is None
    assert "hunter2" not in str(caught.value)


def test_a_bucket_in_deep_debt_waits_without_overflow(store_url):
    """
    Waiting for a debt of years sleeps in naps, and can be cancelled.
    """

    async def run():
        limits = TokenBucket(100, 86_400.0, unit="tokens")
        async with RateLimiter(store_url, limits=limits) as limiter:
            permit = await limiter.acquire_async("a", {"tokens": 1})
            await permit.settle_async({"tokens": 4_000_000_000})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await limiter.acquire_async("a", {"tokens": 1}, timeout=None)

    asyncio.run(run())
