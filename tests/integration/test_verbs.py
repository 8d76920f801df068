"""Each verb, sync and async, on every store."""

import asyncio
import inspect
import pickle
import threading

import pytest

from paceline import (
    CostError,
    CostTooLarge,
    Key,
    MisuseError,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    TokenBucket,
)

LIMITS = [SlidingWindow(5, 60.0), TokenBucket(1000, 60.0, unit="tokens")]
KEY = Key(scope="team-a", model="m")


class Sync:
    """The blocking verbs."""

    def __init__(self, limiter):
        self.limiter = limiter

    def __getattr__(self, name):
        return getattr(self.limiter, name)

    def post(self, permit, verb, *args):
        return getattr(permit, verb)(*args)

    def reserved(self, cost, note):
        with self.limiter.reserve(KEY, cost) as reservation:
            note(reservation)
        return reservation


class Async(Sync):
    """Their twins, each on an event loop that lasts as long as the test."""

    def __init__(self, limiter):
        super().__init__(limiter)
        self.runner = asyncio.Runner()

    def __getattr__(self, name):
        twin = getattr(self.limiter, f"{name}_async")
        return lambda *args, **options: self.runner.run(twin(*args, **options))

    def post(self, permit, verb, *args):
        return self.runner.run(getattr(permit, f"{verb}_async")(*args))

    def reserved(self, cost, note):
        async def block():
            async with self.limiter.reserve(KEY, cost) as reservation:
                note(reservation)
            return reservation

        return self.runner.run(block())


@pytest.fixture(params=[Sync, Async])
def verbs(request, store_url):
    limiter = RateLimiter(store_url, limits=LIMITS)
    verbs = request.param(limiter)
    yield verbs
    if request.param is Async:
        verbs.runner.run(limiter.aclose())
        verbs.runner.close()
    limiter.close()


def remaining(verbs):
    return [status.remaining for status in verbs.peek(KEY)]


def test_try_acquire_says_what_is_left(verbs):
    """
    A decision is truthy when allowed, and tells each limit's standing.
    """
    decision = verbs.try_acquire(KEY, {"tokens": 850})
    assert decision
    assert (decision.retry_after, decision.limit) == (0.0, None)
    names = [status.name for status in decision.statuses]
    assert names == ["requests/min", "tokens/min burst"]
    assert [s.capacity for s in decision.statuses] == [5, 1000]
    assert decision.statuses[0].remaining == 4
    assert 150 <= decision.statuses[1].remaining <= 152
    denied = verbs.try_acquire(KEY, {"tokens": 850})
    assert not denied
    assert denied.limit == "tokens/min burst"
    assert 40 < denied.retry_after <= 42
    assert pickle.loads(pickle.dumps(denied)) == denied


def test_acquire_raises_at_once_when_the_turn_is_too_late(verbs):
    """
    A wait that cannot succeed is not begun, and books nothing.
    """
    verbs.try_acquire(KEY, {"tokens": 1000})
    with pytest.raises(RateLimitExceeded) as caught:
        verbs.acquire(KEY, {"tokens": 900}, timeout=5)
    assert caught.value.code == "P301"
    assert 50 < caught.value.decision.retry_after < 55
    assert "team-a/m" in str(caught.value)
    with pytest.raises(RateLimitExceeded):
        verbs.acquire(KEY, {"tokens": 900}, timeout=0)
    assert remaining(verbs)[0] == 4
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.decision) == (str(caught.value), caught.value.decision)


def test_a_permit_shows_what_it_holds(verbs):
    """
    Its repr, as people see it at a prompt, names limits and units and no key.
    """
    shown = repr(verbs.acquire(KEY, {"tokens": 850}))
    assert shown.startswith("<Permit 1 of requests/min, 850 of tokens/min burst; ")


def test_acquire_waits_for_its_turn(store_url):
    """
    The permit says how long it waited, and the wait is the one that was needed.
    """
    with RateLimiter(store_url, limits=SlidingWindow(1, 0.2)) as limiter:
        first = limiter.acquire("a")
        second = limiter.acquire("a", timeout=None)
    assert first.waited < 0.1
    assert 0.1 < second.waited < 1.0


def test_settle_and_cancel_post_once(verbs):
    """
    Twice is once, and the first of settle and cancel counts.
    """
    permit = verbs.acquire(KEY, {"tokens": 500})
    verbs.post(permit, "settle", {"tokens": 100})
    verbs.post(permit, "settle", {"tokens": 900})
    verbs.post(permit, "cancel")
    assert remaining(verbs)[0] == 4
    assert 900 <= remaining(verbs)[1] <= 905
    other = verbs.acquire(KEY, {"tokens": 500})
    verbs.post(other, "cancel")
    verbs.post(other, "cancel")
    assert remaining(verbs)[0] == 4
    assert 900 <= remaining(verbs)[1] <= 910


def test_units_that_settle_does_not_name_stay(verbs):
    """
    Settling the tokens of a call that took three requests leaves the three.
    """
    permit = verbs.acquire(KEY, {"requests": 3, "tokens": 500})
    verbs.post(permit, "settle", {"tokens": 10})
    assert remaining(verbs)[0] == 2
    assert remaining(verbs)[1] >= 990


def test_a_bad_settlement_loses_nothing(verbs):
    """
    A misspelt unit is refused with a suggestion, and the permit can still be settled.
    """
    permit = verbs.acquire(KEY, {"tokens": 500})
    with pytest.raises(CostError, match='Did you mean "tokens"'):
        verbs.post(permit, "settle", {"token": 100})
    with pytest.raises(CostError):
        verbs.post(permit, "settle", {"tokens": 1.5})
    with pytest.raises(CostError):
        verbs.post(permit, "settle", {"tokens": -1})
    verbs.post(permit, "settle", {"tokens": 0})
    assert remaining(verbs)[1] == 1000


def test_reserve_posts_the_note_when_the_block_is_left(verbs):
    """
    settle notes, leaving posts; the last note counts; without one the estimate stays.
    """
    verbs.reserved({"tokens": 600}, lambda r: (r.settle({"tokens": 1}), r.cancel()))
    assert remaining(verbs) == [5, 1000]
    done = verbs.reserved({"tokens": 600}, lambda r: r.settle({"tokens": 50}))
    assert done.waited < 5
    assert 950 <= remaining(verbs)[1] <= 955
    verbs.reserved({"tokens": 600}, lambda r: None)
    assert 350 <= remaining(verbs)[1] <= 360


def test_an_exception_in_the_block_keeps_the_estimate(verbs):
    """
    The call may have been made, so what was reserved stays charged.
    """

    def fail(reservation):
        raise KeyError

    with pytest.raises(KeyError):
        verbs.reserved({"tokens": 600}, fail)
    assert 400 <= remaining(verbs)[1] <= 405


def test_a_reservation_is_for_one_call(verbs):
    """
    Entering one twice is a mistake that is named.
    """
    used = verbs.reserved({"tokens": 1}, lambda r: None)
    verbs.reserved = type(verbs).reserved.__get__(verbs)
    with pytest.raises(MisuseError) as caught:
        used.__enter__()
    assert caught.value.code == "P504"


def test_peek_writes_nothing(verbs):
    """
    Looking at a key that was never used leaves no key.
    """
    assert remaining(verbs) == [5, 1000]
    assert [status.reset_after for status in verbs.peek(KEY)] == [0.0, 0.0]


def test_reset_forgets(verbs):
    """
    After a reset everything is as never used, the cool-down included.
    """
    verbs.acquire(KEY, {"requests": 5, "tokens": 900})
    verbs.cool_down(KEY, 100)
    verbs.reset(KEY)
    assert remaining(verbs) == [5, 1000]
    assert verbs.try_acquire(KEY, {"tokens": 1})


def test_a_cool_down_holds_all(verbs, store_url):
    """
    What one limiter learns from a 429, another one obeys.
    """
    verbs.cool_down(KEY, 50)
    with RateLimiter(store_url, limits=LIMITS) as other:
        denied = other.try_acquire(KEY, {"tokens": 1})
        assert (denied.allowed, denied.limit) == (False, "cool-down")
        assert 48 < denied.retry_after <= 50
        with pytest.raises(RateLimitExceeded):
            other.acquire(KEY, {"tokens": 1}, timeout=1)


def test_a_cool_down_counts_as_a_429_unless_it_is_for_none(verbs):
    """
    Also where one runs already; a reset forgets them.
    """
    for seconds in (9, 1, 0):
        verbs.cool_down(KEY, seconds)
    verbs.cool_down(KEY, 9, refused=False)
    assert int(verbs.exchange(KEY)["429s"].value[:13]) == 3
    verbs.reset(KEY)
    assert "429s" not in verbs.exchange(KEY)


def test_a_booked_waiter_obeys_a_later_cool_down(store_url):
    """
    A cool-down that comes while somebody sleeps until a booked turn holds him too.
    """

    async def run():
        async with RateLimiter(store_url, limits=SlidingWindow(1, 0.3)) as limiter:
            await limiter.acquire_async("a")
            task = asyncio.create_task(limiter.acquire_async("a"))
            await asyncio.sleep(0.05)
            await limiter.cool_down_async("a", 0.8)
            return (await task).waited

    assert asyncio.run(run()) > 0.8


@pytest.mark.parametrize(
    ("cost", "error", "text"),
    [
        ({}, CostError, "tokens"),
        (1, CostError, "tokens"),
        ({"token": 5}, CostError, "tokens"),
        ({"tokens": 5, "seats": 1}, CostError, "seats"),
        ({"tokens": 1.5}, CostError, "1.5"),
        ({"tokens": -1}, CostError, "-1"),
        ({"tokens": 1001}, CostTooLarge, "1,001"),
    ],
)
def test_costs_that_would_not_limit_are_refused(verbs, cost, error, text):
    """
    A missing or misspelt unit, a fraction or a cost too large reaches no store.
    """
    with pytest.raises(error, match=text):
        verbs.try_acquire(KEY, cost)
    assert remaining(verbs) == [5, 1000]


def test_waiting_verbs_refuse_to_block_a_loop(store_url):
    """
    In a running event loop the blocking verbs name their twins; quick ones warn once.
    """

    async def run():
        async with RateLimiter(store_url, limits=LIMITS) as limiter:
            with pytest.raises(MisuseError, match="acquire_async"):
                limiter.acquire(KEY, {"tokens": 1})
            with (
                pytest.raises(MisuseError, match="async with"),
                limiter.reserve(KEY, {"tokens": 1}),
            ):
                pass
            with pytest.warns(RuntimeWarning, match="try_acquire_async"):
                limiter.try_acquire(KEY, {"tokens": 1})
            limiter.try_acquire(KEY, {"tokens": 1})

    asyncio.run(run())


def test_blocking_verbs_work_in_threads_beside_a_loop(store_url):
    """
    Only the thread that runs the loop must not block.
    """

    async def run():
        async with RateLimiter(store_url, limits=LIMITS) as limiter:
            permit = await asyncio.to_thread(limiter.acquire, KEY, {"tokens": 1})
            return permit.waited

    assert asyncio.run(run()) < 5


def test_a_closed_limiter_says_so(store_url):
    """
    A call after close is a misuse with a code; closing twice is closing once.
    """
    limiter = RateLimiter(store_url, limits=LIMITS)
    limiter.close()
    limiter.close()
    with pytest.raises(MisuseError) as caught:
        limiter.try_acquire(KEY, {"tokens": 1})
    assert caught.value.code == "P503"


def test_one_limiter_serves_threads_and_loops(store_url):
    """
    Threads and two event loops on one object admit exactly the limit together.
    """
    limiter = RateLimiter(store_url, limits=SlidingWindow(100, 600.0))
    allowed = []

    def work():
        allowed.extend(limiter.try_acquire("a").allowed for _ in range(20))

    async def work_async():
        calls = [limiter.try_acquire_async("a") for _ in range(60)]
        allowed.extend([d.allowed for d in await asyncio.gather(*calls)])
        await limiter._engine._store.aio().aclose()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    asyncio.run(work_async())
    asyncio.run(work_async())
    for thread in threads:
        thread.join()
    limiter.close()
    assert allowed.count(True) == 100
    assert inspect.iscoroutinefunction(limiter.acquire_async)
