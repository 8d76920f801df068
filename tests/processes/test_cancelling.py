"""Cancelled at every place where it waits, a call leaves nothing behind."""

import asyncio

import pytest

from paceline import Concurrency, RateLimiter, SlidingWindow

LIMITS = [SlidingWindow(1000, 600.0, unit="tokens"), Concurrency(3, lease=60.0)]
COST = {"tokens": 7}
MOST_STEPS = 200


class Stopped:
    """
    Awaits a coroutine, and cancels its task at the n-th place where it waits.

    Either while it waits, or at the very moment at which that wait is over.
    """

    def __init__(self, coroutine, step, *, late):
        self.coroutine, self.left, self.late = coroutine, step, late

    def __await__(self):
        task = asyncio.current_task()
        steps = self.coroutine.__await__()
        result, fail = None, None
        while True:
            try:
                waited = steps.throw(fail) if fail else steps.send(result)
            except StopIteration as end:
                return end.value
            self.left -= 1
            if self.left == 0:
                if self.late and waited is not None:
                    # Before the task itself is told: it is done and not yet awake.
                    blocking = waited._asyncio_future_blocking
                    waited.add_done_callback(lambda _: task.cancel())
                    waited._asyncio_future_blocking = blocking
                else:
                    asyncio.get_running_loop().call_soon(task.cancel)
            try:
                result, fail = (yield waited), None
            except BaseException as error:  # noqa: BLE001 -- thrown into what it awaits
                result, fail = None, error

    async def run(self):
        return await self


async def acquire(limiter, _):
    permit = await limiter.acquire_async("a", COST)
    await permit.cancel_async()


async def reserve(limiter, _):
    async with limiter.reserve("a", COST) as reservation:
        reservation.cancel()


async def reserve_and_raise(limiter, _):
    with pytest.raises(ZeroDivisionError):
        async with limiter.reserve("a", COST) as reservation:
            reservation.cancel()
            raise ZeroDivisionError


async def limited(limiter, _):
    @limiter.limited("a", cost=COST, settle=lambda _: {"tokens": 0})
    async def call():
        return 1

    await call()


async def limited_stream(limiter, _):
    @limiter.limited("a", cost=COST, settle=lambda _: {"tokens": 0})
    async def call():
        for part in range(2):
            yield part

    async for _ in call():
        pass


async def settle(_, permit):
    await permit.settle_async({"tokens": 0})


async def cancel(_, permit):
    await permit.cancel_async()


async def release_and_settle(_, permit):
    try:
        await permit.release_async()
    finally:
        await permit.settle_async({"tokens": 0})


async def operate(limiter, permit):
    try:
        await limiter.peek_async("a")
        await limiter.cool_down_async("b", 0.001)
        await limiter.reset_async("b")
    finally:
        await permit.cancel_async()


async def gone(tasks):
    """Let tasks end by themselves; fail if one never does."""
    if tasks:
        _, left = await asyncio.wait(tasks, timeout=10)
        assert not left


async def every_step(limiter, verb, *, late, prepare):
    """Cancel at each step in turn, until it ends before it is cancelled."""
    for step in range(1, MOST_STEPS):
        held = await prepare()
        tasks = asyncio.all_tasks()
        stopped = Stopped(verb(limiter, held), step, late=late)
        task = asyncio.create_task(stopped.run())
        (end,) = await asyncio.gather(task, return_exceptions=True)
        assert end is None or isinstance(end, asyncio.CancelledError), (step, end)
        await gone(asyncio.all_tasks() - tasks)
        yield step
        if stopped.left > 0:
            assert end is None
            return
    raise AssertionError("it never came to its end")


TAKING = [acquire, reserve, reserve_and_raise, limited, limited_stream]
HOLDING = [settle, cancel, release_and_settle, operate]


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "woken"])
@pytest.mark.parametrize("verb", TAKING + HOLDING, ids=lambda verb: verb.__name__)
def test_cancelled_anywhere_a_call_leaves_nothing(store_url, verb, late):
    """
    No booking, place, task or connection; and the next call gets its own answer.
    """

    async def run():
        async with RateLimiter(store_url, limits=LIMITS, shared="9M/day") as limiter:
            await limiter.peek_async("a")

            async def prepare():
                if verb in HOLDING:
                    return await limiter.acquire_async("a", COST)
                return None

            steps = 0
            async for step in every_step(limiter, verb, late=late, prepare=prepare):
                steps = step
                for key in "ac":
                    found = [s.remaining for s in await limiter.peek_async(key)][:2]
                    assert found == [1000, 3], f"step {step}"
            return steps

    assert asyncio.run(run()) > 1


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "woken"])
def test_cancelled_anywhere_a_waiter_gives_its_turn_back(store_url, late):
    """
    Who comes next waits as if it had never been, however far it had come.
    """

    async def run():
        limits = SlidingWindow(1, 0.03)
        async with RateLimiter(store_url, limits=limits) as limiter:

            async def prepare():
                await limiter.acquire_async("a")

            steps = every_step(limiter, acquire_one, late=late, prepare=prepare)
            async for step in steps:
                after = (await limiter.try_acquire_async("a")).retry_after
                assert after <= 0.031, f"step {step}"

    async def acquire_one(limiter, _):
        await (await limiter.acquire_async("a")).cancel_async()

    asyncio.run(run())


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "woken"])
def test_cancelled_anywhere_in_line_a_waiter_takes_no_place(store_url, late):
    """
    A place that comes free while it is cancelled goes to the next one.
    """

    async def run():
        async with RateLimiter(store_url, limits=Concurrency(1)) as limiter:
            releases = set()

            async def prepare():
                return await limiter.acquire_async("a")

            async def wait(limiter, held):
                def release():
                    task = asyncio.ensure_future(held.release_async())
                    releases.add(task)
                    task.add_done_callback(releases.discard)

                timer = asyncio.get_running_loop().call_later(0.002, release)
                try:
                    await (await limiter.acquire_async("a")).release_async()
                finally:
                    if not timer.cancelled() and not releases:
                        timer.cancel()
                        release()

            steps = every_step(limiter, wait, late=late, prepare=prepare)
            async for step in steps:
                (status,) = await limiter.peek_async("a")
                assert status.remaining == 1, f"step {step}"

    asyncio.run(run())
