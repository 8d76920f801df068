"""A limiter whose time the test moves."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from paceline import RateLimitExceeded
from paceline.testing import Clock, ClockedLimiter


def test_waiting_moves_the_clock_and_takes_no_time():
    """
    What a caller would have waited is in the permit; a day passes at once.
    """
    began = time.monotonic()
    limiter = ClockedLimiter(limits="2/day")
    waits = [limiter.acquire("x", timeout=None).waited for _ in range(5)]
    # To within the grace in which a permit that waited may be used.
    assert waits == [0, 0, pytest.approx(86_400), 0, pytest.approx(86_400, abs=1)]
    assert limiter.clock.elapsed == pytest.approx(2 * 86_400, rel=0.02)
    assert time.monotonic() - began < 3600  # and not two days


def test_denied_until_retry_after_and_allowed_exactly_then():
    """
    The test moves the clock to the tick.
    """
    limiter = ClockedLimiter(limits="1 per 10s burst 1")
    assert limiter.try_acquire("x")
    limiter.clock.advance(4)
    decision = limiter.try_acquire("x")
    assert not decision
    limiter.clock.advance(decision.retry_after - 1e-6)
    assert not limiter.try_acquire("x")
    limiter.clock.advance(1e-6)
    assert limiter.try_acquire("x")


def test_a_timeout_counts_the_time_of_the_clock():
    """
    A turn that comes too late is refused, and the clock stands still.
    """
    limiter = ClockedLimiter(limits="1/min")
    limiter.acquire("x")
    with pytest.raises(RateLimitExceeded):
        limiter.acquire("x", timeout=59)
    assert limiter.clock.elapsed == 0
    assert limiter.acquire("x", timeout=61).waited == pytest.approx(60, rel=0.02)


def test_refunds_and_cool_downs_are_real():
    """
    It is the account of production, settlements included.
    """
    limiter = ClockedLimiter(limits="100 tokens/min")
    with limiter.reserve("x", {"tokens": 90}) as reservation:
        reservation.settle({"tokens": 10})
    assert [status.remaining for status in limiter.peek("x")] == [90]
    limiter.cool_down("x", 30)
    assert limiter.try_acquire("x", {"tokens": 1}).limit == "cool-down"
    assert limiter.acquire("x", {"tokens": 1}).waited == pytest.approx(30, abs=1)


def test_tasks_that_wait_together_go_in_their_order():
    """
    Each waits for its own turn, by the one clock that all of them share.
    """
    limiter = ClockedLimiter(limits="1 per 10s burst 1")
    went = []

    async def work(name):
        await asyncio.sleep(0)
        permit = await limiter.acquire_async("x")
        went.append((name, round(permit.waited), round(limiter.clock.elapsed)))

    async def main():
        await asyncio.gather(*(work(name) for name in range(5)))
        await limiter.aclose()

    asyncio.run(main())
    assert went == [(0, 0, 0), (1, 10, 10), (2, 20, 20), (3, 30, 30), (4, 40, 40)]


def test_a_cancelled_waiter_gives_its_turn_back():
    """
    A task can be cancelled while it waits; others do not wait for it.
    """
    limiter = ClockedLimiter(limits="1 per 10s burst 1")

    async def main():
        await limiter.acquire_async("x")
        waiting = asyncio.create_task(limiter.acquire_async("x"))
        while not limiter.clock._line:  # noqa: ASYNC110 -- it has no event for that
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert limiter.clock.elapsed == 0
        return (await limiter.acquire_async("x")).waited

    assert asyncio.run(main()) == pytest.approx(10, abs=0.1)


def test_a_clock_that_moves_while_the_store_is_asked_is_allowed_for():
    """
    A turn is booked by the time of the question, and comes when that says.
    """
    limiter = ClockedLimiter(limits="1 per 10s burst 1")

    async def main():
        await limiter.acquire_async("x")
        waiting = asyncio.create_task(limiter.acquire_async("x"))
        while not limiter.clock._busy:  # noqa: ASYNC110 -- it has no event for that
            await asyncio.sleep(0)
        limiter.clock.advance(4)
        await waiting

    asyncio.run(main())
    assert limiter.clock.elapsed == pytest.approx(10, abs=0.1)


def test_two_limiters_can_share_account_and_clock():
    """
    As two processes do.
    """
    one = ClockedLimiter("memory://two", limits="1/min")
    two = ClockedLimiter("memory://two", limits="1/min", clock=one.clock)
    one.acquire("x")
    assert two.acquire("x").waited == pytest.approx(60, rel=0.02)
    assert ClockedLimiter(limits="1/min").try_acquire("x")


def test_no_other_store_is_touched():
    """
    A URL that a file or the environment names is left alone.
    """
    assert ClockedLimiter("redis://127.0.0.1:1", limits="1/min").try_acquire("x")


def test_the_state_outlives_the_time_that_a_test_takes():
    """
    While the clock stands still nothing expires, however slow the machine.
    """
    limiter = ClockedLimiter(limits="1 per 1s")
    limiter.acquire("x")
    memory = limiter._engine._memory
    (name,) = memory.keys("*")
    assert memory.ttl(name) == -1


def test_a_calendar_goes_by_the_clock():
    """
    The last minute of a month, and the first of the next.
    """
    clock = Clock(datetime(2030, 1, 31, 23, 59, tzinfo=UTC))
    limiter = ClockedLimiter(limits="1/month calendar", clock=clock)
    assert limiter.try_acquire("x")
    assert not limiter.try_acquire("x")
    clock.advance(60)
    assert clock.now == datetime(2030, 2, 1, tzinfo=UTC)
    assert limiter.try_acquire("x")


def test_a_clock_goes_forward_only():
    """
    A negative or unreal step is refused, and so is a start without a zone.
    """
    for seconds in (-1, float("nan")):
        with pytest.raises(ValueError, match="forward"):
            Clock().advance(seconds)
    with pytest.raises(ValueError, match="time zone"):
        Clock(datetime(2030, 1, 1))  # noqa: DTZ001 -- that is the point
