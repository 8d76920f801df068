"""A caller that hammers is answered without a round trip, and never for long."""

import asyncio
import time

import pytest

from paceline import RateLimiter
from paceline._refusals import LONGEST


def scripts(server):
    """Count the calls of scripts."""
    stats = server.client().info("commandstats")
    return sum(
        stats.get(f"cmdstat_{n}", {}).get("calls", 0) for n in ("eval", "evalsha")
    )


def hammer(limiter, cost=1):
    """Try until an answer did not come from the store."""
    for _ in range(100_000):
        decision = limiter.try_acquire("a", cost)
        assert not decision
        refusal = limiter._engine.desk.refusals.of(limiter._engine.lookup("a")[0].key)
        if refusal and refusal[""].until > time.monotonic():
            return decision
    raise AssertionError("all answers came from the store")


@pytest.fixture
def limiter(clean_server):
    """Return a limiter of which nothing is left for a while."""
    with RateLimiter(clean_server.url, limits="4/h") as limiter:
        for _ in range(4):
            limiter.acquire("a", timeout=5)
        yield limiter


def test_who_hammers_asks_the_store_now_and_then(clean_server, limiter):
    """
    About a hundred times a second, and the hints go on.
    """
    before, end = scripts(clean_server), time.monotonic() + 0.3
    hints = []
    while time.monotonic() < end:
        decision = limiter.try_acquire("a")
        hints.append(decision.retry_after)
        assert not decision
    calls = scripts(clean_server) - before
    assert len(hints) > 10 * calls
    assert hints == sorted(hints, reverse=True)
    assert decision.limit == "requests/h"
    (status,) = decision.statuses
    assert status.remaining == 0
    assert 3599 < status.reset_after <= 3600


def test_who_hammers_on_a_loop_lets_others_run(clean_server):
    """
    An answer of one's own still gives the event loop a turn.
    """

    async def run():
        async with RateLimiter(clean_server.url, limits="1/h") as limiter:
            await limiter.acquire_async("a")
            before, turns = scripts(clean_server), 0
            task = asyncio.ensure_future(asyncio.sleep(0.2))
            while not task.done():
                assert not await limiter.try_acquire_async("a")
                turns += 1
            return turns, scripts(clean_server) - before

    turns, calls = asyncio.run(run())
    assert turns > 10 * calls


def test_what_this_process_gives_back_is_seen_at_once(clean_server):
    """
    However hard it hammered before: a cancel, a reset.
    """
    with RateLimiter(clean_server.url, limits="4/h") as limiter:
        permits = [limiter.acquire("a", timeout=5) for _ in range(4)]
        for permit in permits:
            hammer(limiter)
            permit.cancel()
            assert limiter.try_acquire("a")
        hammer(limiter)
        limiter.reset("a")
        assert limiter.try_acquire("a")


def test_what_another_process_gives_back_is_seen_soon(clean_server, limiter):
    """
    A refusal is as old as a hundredth of a second, and no older.
    """
    with RateLimiter(clean_server.url, limits="4/h") as other:
        hammer(limiter)
        other.reset("a")
        given = time.monotonic()
        while not limiter.try_acquire("a"):
            assert time.monotonic() < given + LONGEST + 0.2
        assert limiter.try_acquire("a")


def test_who_asks_now_and_then_is_answered_by_the_store(clean_server, limiter):
    """
    A second try is no hammering: what another process gave back before it is seen.
    """
    with RateLimiter(clean_server.url, limits="4/h") as other:
        assert not limiter.try_acquire("a")
        other.reset("a")
        assert limiter.try_acquire("a")


def test_a_smaller_cost_is_asked_for(clean_server):
    """
    What was refused to a larger one may fit.
    """
    with RateLimiter(clean_server.url, limits="10/h") as limiter:
        limiter.acquire("a", 8, timeout=5)
        hammer(limiter, 3)
        assert limiter.try_acquire("a", 2)
        assert not limiter.try_acquire("a", 3)
