"""What crosses a renewal of leases: a release waits for it, and so does closing."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from paceline import MisuseError, RateLimiter, StoreError
from paceline._under_way import UnderWay

ENDS = ("settle", "cancel", "release")


def free(limiter):
    return limiter.peek("a")[0].remaining


def end(permit, how, twin=""):
    return getattr(permit, how + twin)(*([1] if how == "settle" else []))


@contextmanager
def renewing(limiter, permit, *, moved_first):
    """Renew a permit in a thread; the store is asked before or after it may go on."""
    heartbeat = limiter._engine.heartbeat
    renew, begun, go = heartbeat._renew, threading.Event(), threading.Event()

    def slowly(*args):
        moved = renew(*args) if moved_first else None
        begun.set()
        assert go.wait(30)
        return moved or renew(*args)

    heartbeat._renew = slowly
    with heartbeat._lock:
        heartbeat._due[permit] = 0.0
    heartbeat._changed.open()
    assert begun.wait(30)
    try:
        yield go
    finally:
        go.set()
        heartbeat._renew = renew


@pytest.fixture
def when_waiting(monkeypatch):
    """Call something as soon as somebody waits for a renewal."""

    def arrange(run):
        wait, wait_async = UnderWay.wait, UnderWay.wait_async

        def waiting(self):
            run()
            wait(self)

        async def waiting_async(self):
            run()
            await wait_async(self)

        monkeypatch.setattr(UnderWay, "wait", waiting)
        monkeypatch.setattr(UnderWay, "wait_async", waiting_async)

    return arrange


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("moved_first", [False, True])
def test_a_place_is_free_when_its_release_returns(
    store_url, when_waiting, ends, moved_first
):
    """
    Also while the heartbeat's thread is in the middle of renewing its lease.
    """
    with RateLimiter(store_url, limits=["2 concurrent", "9/min"]) as limiter:
        permit = limiter.acquire("a")
        with renewing(limiter, permit, moved_first=moved_first) as go:
            when_waiting(go.set)
            end(permit, ends)
            assert free(limiter) == 2


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("moved_first", [False, True])
def test_a_release_on_a_loop_waits_without_blocking_it(
    store_url, when_waiting, ends, moved_first
):
    """
    The loop runs on while the renewal does: here it is what lets the renewal end.
    """

    async def run():
        async with RateLimiter(store_url, limits=["2 concurrent", "9/min"]) as limiter:
            permit = await limiter.acquire_async("a")
            loop = asyncio.get_running_loop()
            with renewing(limiter, permit, moved_first=moved_first) as go:
                when_waiting(lambda: loop.call_later(0.01, go.set))
                await end(permit, ends, "_async")
                return (await limiter.peek_async("a"))[0].remaining

    assert asyncio.run(run()) == 2


@pytest.mark.parametrize("twin", ["", "_async"])
def test_a_release_does_not_wait_for_ever(store_url, twin):
    """
    A renewal that hangs keeps the caller for a bounded time, and then ends the hold.
    """

    async def release(permit):
        await permit.release_async()

    with RateLimiter(store_url, limits="2 concurrent") as limiter:
        limiter._engine.heartbeat._patience = 0.05
        permit = limiter.acquire("a")
        with renewing(limiter, permit, moved_first=True):
            asyncio.run(release(permit)) if twin else permit.release()
            assert free(limiter) == 1
        limiter._engine.heartbeat._beating.wait()
        assert free(limiter) == 2


def test_a_settlement_cancelled_while_it_waits_is_posted(store_url, when_waiting):
    """
    Its cost at once; its place by the renewal, or by then.
    """

    async def run():
        limits = ["2 concurrent", "9 tokens/min"]
        async with RateLimiter(store_url, limits=limits) as limiter:
            permit = await limiter.acquire_async("a", {"tokens": 1})
            with renewing(limiter, permit, moved_first=True):
                task = asyncio.create_task(permit.settle_async({"tokens": 5}))
                when_waiting(task.cancel)
                with pytest.raises(asyncio.CancelledError):
                    await task
                tokens = (await limiter.peek_async("a"))[1].remaining
            await asyncio.to_thread(limiter._engine.heartbeat._beating.wait)
            return tokens, (await limiter.peek_async("a"))[0].remaining

    assert asyncio.run(run()) == (4, 2)


@pytest.mark.parametrize("twin", ["", "_async"])
def test_closing_waits_for_a_renewal_under_way(store_url, when_waiting, twin):
    """
    The store is closed when the heartbeat's call is over, and none follows it.
    """

    async def aclose(limiter):
        await limiter.aclose()

    limiter = RateLimiter(store_url, limits="2 concurrent")
    permits = [limiter.acquire(key) for key in "aab"]
    engine = limiter._engine
    close = engine._store.close
    told = []

    def closed():
        told.append(engine.heartbeat._beating.over)
        close()

    engine._store.close = closed
    with renewing(limiter, permits[0], moved_first=False) as go:
        thread = engine.heartbeat._thread
        when_waiting(go.set)
        asyncio.run(aclose(limiter)) if twin else limiter.close()
    assert told == [True]
    thread.join(30)
    assert not thread.is_alive()


def test_closing_while_others_call_raises_nothing_strange(store_url):
    """
    Threads in the middle of a call end in a decision or in an error of ours.
    """
    strange = []

    def call(limiter):
        try:
            while True:
                limiter.try_acquire("a")
        except (MisuseError, StoreError):
            pass
        except BaseException as error:  # noqa: BLE001
            strange.append(error)

    for _ in range(20):
        limiter = RateLimiter(store_url, limits="1M/min")
        callers = [threading.Thread(target=call, args=(limiter,)) for _ in range(3)]
        for caller in callers:
            caller.start()
        limiter.try_acquire("b")
        limiter.close()
        for caller in callers:
            caller.join(30)
            assert not caller.is_alive()
    assert strange == []
