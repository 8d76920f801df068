"""Event loops of every kind and number, and what forks and starts of processes do."""

import asyncio
import contextlib
import multiprocessing
import os
import threading

import pytest

from paceline import RateLimiter

uvloop = None
with contextlib.suppress(ImportError):
    import uvloop

LIMIT = "1000/h"
RUNNERS = [pytest.param(asyncio.new_event_loop, id="asyncio")]
RUNNERS += [
    pytest.param(
        uvloop and uvloop.new_event_loop,
        id="uvloop",
        marks=[
            pytest.mark.skipif(uvloop is None, reason="uvloop is not installed"),
            # It closes what its loops left open, and says so; as an error it hangs.
            pytest.mark.filterwarnings("ignore::ResourceWarning"),
        ],
    )
]


def run(factory, coroutine):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(coroutine)


async def use(limiter, key, times=10):
    """Ask, reserve and be cancelled; return how much of it is charged."""
    for _ in range(times):
        assert await limiter.try_acquire_async(key)
    await asyncio.gather(*(limiter.acquire_async(key) for _ in range(times)))
    async with limiter.reserve(key) as reservation:
        reservation.cancel()
    task = asyncio.create_task(limiter.acquire_async(key))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return 1000 - (await limiter.peek_async(key))[0].remaining


@pytest.mark.parametrize("factory", RUNNERS)
def test_loops_one_after_the_other_and_side_by_side(clean_server, factory):
    """
    One limiter, three loops in turn and then three in threads: each gets its answers.
    """
    limiter = RateLimiter(clean_server.url, limits=LIMIT)
    for number in range(3):
        assert run(factory, use(limiter, f"turn{number}")) == 20
    found = {}

    def work(number):
        found[number] = run(factory, use(limiter, f"thread{number}"))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    assert limiter.try_acquire("blocking")
    for thread in threads:
        thread.join(30)
    assert found == dict.fromkeys(range(3), 20)
    limiter.close()


@pytest.mark.parametrize("factory", RUNNERS)
def test_a_loop_that_ended_without_closing_keeps_no_connection(
    clean_server, factory, recwarn
):
    """
    Ten loops in turn: when the next one calls, the last one's connections are gone.
    """
    limiter = RateLimiter(clean_server.url, limits=LIMIT)
    with clean_server.client() as client:
        for _ in range(10):
            run(factory, use(limiter, "a", times=1))
        run(factory, limiter.aclose())
        assert len(client.client_list()) <= 3


def in_child(limiter, results):
    found = [limiter.try_acquire("a").allowed]
    found.append(asyncio.run(limiter.try_acquire_async("a")).allowed)
    results.put(all(found))


def fresh(url, results):
    with RateLimiter(url, limits=LIMIT) as limiter:
        in_child(limiter, results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_forks_in_the_middle_of_others_calls(clean_server):
    """
    Threads and a loop call all the time while the process forks: children get theirs.
    """
    limiter = RateLimiter(clean_server.url, limits="9M/h")
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            limiter.try_acquire("busy")

    async def busy_loop():
        while not stop.is_set():
            await limiter.try_acquire_async("busy")

    threads = [threading.Thread(target=busy) for _ in range(3)]
    threads.append(threading.Thread(target=lambda: asyncio.run(busy_loop())))
    for thread in threads:
        thread.start()
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    try:
        for _ in range(8):
            child = context.Process(target=in_child, args=(limiter, results))
            child.start()
            child.join(20)
            assert child.exitcode == 0
            assert results.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert limiter.peek("a")[0].capacity - limiter.peek("a")[0].remaining == 16
    limiter.close()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_begin_anew(clean_server, method):
    """
    Spawned or from a fork server: a limiter of their own on the same account.
    """
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform has no {method}")
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    child = context.Process(target=fresh, args=(clean_server.url, results))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert results.get()
    with RateLimiter(clean_server.url, limits=LIMIT) as limiter:
        assert limiter.peek("a")[0].remaining == 998
