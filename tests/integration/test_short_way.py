"""The short way to a permit: no plan, and all that a plan would have seen to."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from paceline import RateLimiter, RateLimitExceeded
from paceline._survival import Survival
from rig_proxy import FaultProxy


@pytest.fixture
def no_plans(monkeypatch):
    """Let nobody wait by a plan from now on."""

    def refuse():
        def acquire(*_):
            raise AssertionError("a plan was asked for")

        monkeypatch.setattr(Survival, "acquire", acquire)

    return refuse


@pytest.mark.parametrize("verb", ["acquire", "reserve"])
def test_a_permit_for_now_needs_no_plan(clean_server, no_plans, verb):
    """
    Exact or estimated, of a limit or of places: one round trip, and it counts.
    """
    limits = ["100/min", "8 concurrent"]
    with RateLimiter(clean_server.url, limits=limits, on_outage="raise") as limiter:
        limiter.acquire("a").release()
        no_plans()
        for _ in range(3):
            if verb == "acquire":
                limiter.acquire("a", timeout=5).release()
            else:
                with limiter.reserve("a", timeout=None):
                    pass
        statuses = limiter.peek("a")
    assert [status.remaining for status in statuses] == [96, 8]


def test_who_asks_often_needs_a_plan_only_to_count_the_processes(
    clean_server, no_plans
):
    """
    That is at the second call, and not again before 10 s have passed.
    """
    with RateLimiter(clean_server.url, limits="1000/min") as limiter:
        for _ in range(2):
            limiter.acquire("a")
        no_plans()
        for _ in range(50):
            limiter.acquire("a")
        assert limiter.peek("a")[0].remaining == 948


@pytest.mark.parametrize("verb", ["acquire_async", "reserve"])
def test_a_permit_for_now_needs_no_plan_async(clean_server, no_plans, verb):
    """
    The same on an event loop, for all who ask together.
    """

    async def run():
        async with RateLimiter(
            clean_server.url, limits="100/min", on_outage="raise"
        ) as limiter:
            await limiter.acquire_async("a")
            no_plans()

            async def one():
                if verb == "acquire_async":
                    await limiter.acquire_async("a", timeout=5)
                else:
                    async with limiter.reserve("a", timeout=5):
                        pass

            await asyncio.gather(*(one() for _ in range(8)))
            return await limiter.peek_async("a")

    (status,) = asyncio.run(run())
    assert status.remaining == 91


def test_what_the_short_way_uses_counts_in_an_outage(clean_server):
    """
    Without the store a process goes on with what it used: permits of both ways.
    """
    with FaultProxy(clean_server.socket) as proxy:
        limiter = RateLimiter(proxy.url, limits="20/min", call_timeout=0.2)
        for _ in range(12):
            limiter.acquire("a", timeout=5)
        engine = limiter._engine
        account = engine._survival.outage.account(*engine.lookup("a"))
        account.sort()
        (log,) = account.logs
        assert log.used(time.monotonic()) == 12
        limiter.close()


def test_a_turn_ahead_is_booked_in_the_same_round_trip(clean_server, monkeypatch):
    """
    Who has to wait asked once: its turn is booked, and the plan sleeps until it comes.
    """
    with RateLimiter(
        clean_server.url, limits="20/s burst 1", on_outage="raise"
    ) as limiter:
        limiter.acquire("a")
        engine, asked = limiter._engine, []
        direct = engine._store.sync().direct
        ask = direct.ask
        monkeypatch.setattr(direct, "ask", lambda *a: asked.append(1) or ask(*a))
        turns = [limiter.acquire("a", timeout=5).waited for _ in range(3)]
        assert len(asked) == 3
        assert min(turns) > 0.01
        with pytest.raises(RateLimitExceeded, match="allowed at most"):
            limiter.acquire("a", timeout=0.001)


def test_nobody_goes_by_the_short_way_past_who_waits_in_line(clean_server, monkeypatch):
    """
    An estimate that comes while others of its process wait stands behind them.
    """
    with RateLimiter(clean_server.url, limits="100/min") as limiter:
        limiter.acquire("a")
        scope, _ = limiter._engine.lookup("a")
        store = limiter._engine._store.sync()
        first = store.lines.enter(scope.key, "", ahead=False)
        first.deferred()
        monkeypatch.setattr(store.direct, "ask", None)
        with limiter.reserve("a", timeout=0.05) as reservation:
            assert reservation.waited >= 0.05
        first.leave()
        assert not store.lines._scopes


def test_a_cancelled_short_way_gives_its_booking_back(clean_server):
    """
    Cancelled while the answer is on its way: nothing stays booked, nobody is in line.
    """

    async def run():
        limiter = RateLimiter(clean_server.url, limits="100/min")
        await limiter.acquire_async("a")

        async def reserve():
            async with limiter.reserve("a", timeout=5):
                pass

        for work in (limiter.acquire_async("a", timeout=5), reserve()):
            task = asyncio.ensure_future(work)
            for _ in range(3):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        (status,) = await limiter.peek_async("a")
        lines = limiter._engine._store.aio().lines
        await limiter.aclose()
        return status.remaining, lines._scopes

    assert asyncio.run(run()) == (99, {})


def test_an_account_that_was_never_met_needs_no_plan(clean_server, no_plans):
    """
    Nor does one that nobody used for so long that the store let it go: nothing is lost.
    """
    with (
        RateLimiter(
            clean_server.url, limits="5 per 50ms", on_outage="raise"
        ) as limiter,
        clean_server.client() as client,
    ):
        limiter.acquire("a")
        no_plans()
        limiter.acquire("b", timeout=5)
        end = time.monotonic() + 10
        while client.exists(*(limiter._engine.lookup(key)[0].key for key in "ab")):
            assert time.monotonic() < end
            time.sleep(0.01)
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        for key in "ab":
            limiter.acquire(key, timeout=5)
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 2


def test_threads_share_a_call_where_many_want_the_same(clean_server, monkeypatch):
    """
    Beyond three of a scope; what each is told is the same as alone.
    """
    with RateLimiter(clean_server.url, limits="100/min") as limiter:
        limiter.acquire("a")
        direct = limiter._engine._store.sync().direct
        key = limiter._engine.lookup("a")[0].key
        direct._callers[key] = [None] * 3
        monkeypatch.setattr(direct, "ask", None)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: limiter.acquire("a", timeout=5), range(20)))
            decisions = list(pool.map(lambda _: limiter.try_acquire("a"), range(90)))
        assert sum(map(bool, decisions)) == 79
        monkeypatch.undo()
        del direct._callers[key]
        assert not direct.is_crowded(key)
        assert not limiter.try_acquire("a")
        assert not direct._callers


def test_a_true_cost_that_is_the_booked_one_asks_nobody(clean_server, monkeypatch):
    """
    Another one does, and so does the end of a hold.
    """
    limits = ["100/min", "100 tokens/min", "8 concurrent"]
    with RateLimiter(clean_server.url, limits=limits[:2]) as limiter:
        permits = [limiter.acquire("a", {"tokens": 5}) for _ in range(3)]
        asked = []
        monkeypatch.setattr(limiter._engine, "run", asked.append)
        for permit, cost in zip(
            permits, [{}, {"tokens": 5}, {"tokens": 4}], strict=True
        ):
            assert permit.would_ask(cost) == (cost == {"tokens": 4})
            permit.settle(cost)
            assert len(asked) == (cost == {"tokens": 4})
    with RateLimiter(clean_server.url, limits=limits) as limiter:
        permit = limiter.acquire("b", {"tokens": 5})
        assert permit.would_ask({"tokens": 5})
        permit.settle({"tokens": 5})
        assert limiter.peek("b")[2].remaining == 8
