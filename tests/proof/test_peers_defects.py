"""
Defects that were reproduced in other rate limiters, each looked for in this one.

Named after the defect; numbers in docstrings are what the other one was measured to do.
That the wheel carries its scripts is in tests/packaging, that generators hold their
permit in tests/integration/test_decorator.py.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import pytest

from paceline import (
    CostTooLarge,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    StoreUnavailable,
    TokenBucket,
)
from rig_proxy import FaultProxy
from scripts import SECOND, Account

RPM = SlidingWindow(5, 60.0)
TPM = SlidingWindow(1000, 60.0, unit="tokens")


@pytest.fixture
def limiter(store_url):
    """Return a function that makes a limiter of the store, with these limits."""
    made = []

    def make(*limits, **options):
        made.append(RateLimiter(store_url, limits=list(limits), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def left(one, number=0):
    return one.peek("a")[number].remaining


# -- no limit at all


def test_a_burst_below_half_the_rate_is_no_limit(limiter):
    """
    The expiry was rounded down to 0 s and deleted the key: 3000 of 72 were admitted.
    """
    one = limiter(TokenBucket(100, 60.0, burst=20))
    admitted = sum(one.try_acquire("a").allowed for _ in range(60))
    assert 20 <= admitted <= 22


def test_less_than_one_a_second_is_no_limit(limiter):
    """
    A rate per second, rounded to a whole number, let 1000 of 1000 through.
    """
    one = limiter(TokenBucket(30, 60.0, burst=1))
    assert sum(one.try_acquire("a").allowed for _ in range(20)) == 1


def test_a_call_of_no_cost_makes_the_next_ones_free(limiter):
    """
    The override of the cost stayed set: 50 of 50 calls went on a bucket of five.
    """
    one = limiter(TokenBucket(5, 60.0, unit="tokens"))
    assert one.try_acquire("a", {"tokens": 0})
    allowed = [one.try_acquire("a", {"tokens": 1}).allowed for _ in range(9)]
    assert allowed == [True] * 5 + [False] * 4


@pytest.mark.parametrize("kind", [SlidingWindow, TokenBucket])
def test_a_cost_above_the_limit_is_admitted(limiter, kind):
    """
    Five times the limit passed three times, in 5 ms each.
    """
    one = limiter(kind(1000, 60.0, unit="tokens"))
    with pytest.raises(CostTooLarge):
        one.try_acquire("a", {"tokens": 5000})
    assert left(one) == 1000


def test_a_cost_above_the_limit_waits_for_nothing(limiter):
    """
    With a timeout of 6 s it slept for 8 s and was refused then.
    """
    one = limiter(TokenBucket(10, 60.0))
    with pytest.raises(CostTooLarge):
        one.acquire("a", {"requests": 11}, timeout=None)  # would never return


def test_a_store_that_is_gone_admits_everybody(free_port):
    """
    Every exception was swallowed: 104 calls were "ok" while the server was down.
    """
    with RateLimiter(f"redis://127.0.0.1:{free_port}/0", limits=RPM) as one:
        with pytest.raises(StoreUnavailable):
            one.try_acquire("a")
        with pytest.raises(StoreUnavailable):
            one.acquire("a", timeout=0.2)


# -- more than the limit


def test_two_counters_overrun_a_window_after_a_pause(clean_server):
    """
    One call, 0.9 s of nothing, then as many as go: 89 % over in one second.
    """
    account = Account(clean_server.client(), SlidingWindow(100, 1.0))
    assert account.acquire().decision
    acts = [account.now]
    account.now += 900_000
    for _ in range(250):
        if account.acquire().decision:
            acts.append(account.now)
        account.now += 2_000
    most = max(sum(t <= m < t + SECOND for m in acts) for t in acts)
    assert most == 100


def test_a_bucket_that_counts_whole_seconds_refills_too_soon(clean_server):
    """
    Up to 82 calls above the bucket's own bound, just after a second began.
    """
    account = Account(clean_server.client(), TokenBucket(100, 1.0))
    account.now += SECOND - 10_000
    assert sum(account.acquire().decision.allowed for _ in range(150)) == 100
    account.now += 20_000
    assert sum(account.acquire().decision.allowed for _ in range(150)) == 2


def test_a_process_whose_clock_is_ahead_gets_a_window_of_its_own(
    clean_server, monkeypatch
):
    """
    Half of the workers 0.5 s ahead admitted 100 % too many.

    Not for memory://, whose clock is that of the process.
    """
    limits = [SlidingWindow(5, 60.0), TokenBucket(5, 60.0, name="bucket")]
    with RateLimiter(clean_server.url, limits=limits) as one:
        allowed = sum(one.try_acquire("a").allowed for _ in range(5))
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3600)
        with RateLimiter(clean_server.url, limits=limits) as ahead:
            allowed += sum(ahead.try_acquire("a").allowed for _ in range(5))
    assert allowed == 5


@pytest.mark.parametrize("limit", [RPM, TokenBucket(5, 60.0)])
def test_a_lost_reply_is_charged_again(clean_server, limit):
    """
    The client sent it three times by itself, and one call spent three.
    """
    with (
        FaultProxy(clean_server.socket) as proxy,
        RateLimiter(proxy.url, limits=limit) as one,
    ):
        assert left(one) == 5
        proxy.mode = "reset_on_reply_once"
        assert one.acquire("a", timeout=5)
        assert left(one) == 4


# -- less than the limit


def test_a_refused_call_is_charged(limiter):
    """
    10, then 95 refused of 100, then 10 refused though 90 were free.
    """
    one = limiter(SlidingWindow(100, 60.0), TokenBucket(100, 60.0, name="bucket"))
    assert one.try_acquire("a", 10)
    for _ in range(5):
        assert not one.try_acquire("a", 95)
    assert one.try_acquire("a", 85)


def test_limits_asked_in_turn_burn_the_first(limiter):
    """
    20 were admitted by the tokens while all 600 of 600 requests were gone.
    """
    one = limiter(SlidingWindow(600, 60.0), TPM)
    allowed = sum(one.try_acquire("a", {"tokens": 50}).allowed for _ in range(100))
    assert (allowed, left(one)) == (20, 580)


def test_a_waiter_is_charged_for_each_look(limiter):
    """
    The counter was raised again at every retry.
    """
    one = limiter(SlidingWindow(2, 0.2), SlidingWindow(100, 60.0, name="all"))
    for _ in range(6):
        one.acquire("a", timeout=5)
    assert left(one, 1) == 94


@pytest.mark.parametrize("limit", [SlidingWindow(5, 1.0), TokenBucket(5, 1.0)])
def test_cancelled_waiters_keep_their_slots(limiter, limit):
    """
    20 waiters that were cancelled pushed the next one back by 4 s.
    """
    one = limiter(limit)

    async def run():
        waiters = [
            asyncio.create_task(one.acquire_async("a", timeout=None)) for _ in range(25)
        ]
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.1)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        decision = await one.try_acquire_async("a")
        await one.aclose()
        return decision

    assert asyncio.run(run()).retry_after <= 1.0


def test_an_idle_key_waits_behind_an_exhausted_one(limiter):
    """
    One lock around the whole wait: the idle key waited 3.0 s.
    """
    one = limiter(SlidingWindow(1, 60.0))

    async def run():
        await one.acquire_async("a")
        waiting = asyncio.create_task(one.acquire_async("a", timeout=None))
        await asyncio.sleep(0.05)
        await one.acquire_async("b", timeout=None)
        done = waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await one.aclose()
        return done

    assert asyncio.run(asyncio.wait_for(run(), 30)) is False


def test_locks_refuse_calls_that_have_room(limiter):
    """
    With four processes and no timeout 91 % were refused, and none was over the limit.
    """
    one, allowed = limiter(SlidingWindow(100_000, 60.0)), []

    def work():
        allowed.extend(one.try_acquire("a").allowed for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert allowed == [True] * 200


def test_a_thousand_tasks_are_more_than_the_pool_has_connections(limiter):
    """
    900 of 1000 tasks got "too many connections".
    """
    one = limiter(SlidingWindow(5000, 60.0))

    async def run():
        async with one:
            calls = [one.acquire_async("a", timeout=60) for _ in range(1000)]
            return await asyncio.gather(*calls, return_exceptions=True)

    failed = Counter(
        repr(end) for end in asyncio.run(run()) if isinstance(end, BaseException)
    )
    assert failed == {}


def test_a_wait_that_cannot_succeed_is_slept_out(limiter):
    """
    Some sleep until the timeout and refuse then; nothing is booked, nothing slept.
    """
    one = limiter(RPM)
    for _ in range(5):
        one.acquire("a")
    with pytest.raises(RateLimitExceeded):
        one.acquire("a", timeout=50)
    assert one.try_acquire("a").retry_after <= 60
