"""Limits that change while everybody is at work, and holders that are killed."""

import multiprocessing
import os
import signal
import time

import pytest

from paceline import Concurrency, RateLimiter, SlidingWindow

WINDOW = 2.0
LEASE = 0.5
LIMITS = (50, 80, 50)


def hammer(url, capacity, stop, moments):
    """Take what there is until told to stop; tell when each call was surely made."""
    limits = SlidingWindow(capacity, WINDOW)
    with RateLimiter(url, limits=limits, call_timeout=5) as limiter:
        while not stop.is_set():
            before = time.monotonic()
            decision = limiter.try_acquire("a")
            if decision.allowed:
                moments.append((before, time.monotonic()))
            else:
                time.sleep(min(decision.retry_after, 0.05))


def most_in_a_window(moments):
    """
    Count the calls that both began and ended within one window, at the worst.

    No delay of a process can fake that.
    """
    return max(
        sum(begin <= b and e <= begin + WINDOW for b, e in moments)
        for begin, _ in moments
    )


def roll(url, seconds):
    """Restart four processes one by one, with each limit in turn."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        moments = manager.list()
        running = []
        for capacity in LIMITS:
            for _ in range(4):
                stop = context.Event()
                job = (url, capacity, stop, moments)
                process = context.Process(target=hammer, args=job)
                process.start()
                if len(running) == 4:
                    old, old_stop = running.pop(0)
                    old_stop.set()
                    old.join(30)
                running.append((process, stop))
                time.sleep(seconds / 4)
        for process, stop in running:
            stop.set()
            process.join(30)
        return list(moments)


@pytest.mark.soak
def test_a_rolling_change_of_limits_never_exceeds_the_larger(clean_server, capsys):
    """
    50 to 80 and back under load, process by process: never over 80, nothing forgotten.
    """
    moments = roll(clean_server.url, 8.0)
    most = most_in_a_window(moments)
    with capsys.disabled():
        print(f"\n{len(moments)} admitted, at most {most} in {WINDOW} s")
    assert LIMITS[0] * 0.9 < most <= max(LIMITS)


def test_a_changed_limit_keeps_its_history(store_url):
    """
    Raised, it has room for the difference; lowered again, it has none.
    """
    with RateLimiter(store_url, limits=SlidingWindow(500, 60.0)) as old:
        for _ in range(5):
            old.acquire("a", 100, timeout=0)
        with RateLimiter(store_url, limits=SlidingWindow(800, 60.0)) as new:
            assert new.peek("a")[0].remaining == 300
            new.acquire("a", 300, timeout=0)
        assert old.peek("a")[0].remaining == 0
        assert not old.try_acquire("a")


def hold(url, number):
    limiter = RateLimiter(url, limits=Concurrency(20, lease=LEASE), call_timeout=10)
    permits = [limiter.acquire("a", timeout=60) for _ in range(number)]
    time.sleep(60)
    assert permits


def wait_for_places(limiter, number):
    """Wait until so many are free; return for how many seconds."""
    begin = time.monotonic()
    while limiter.peek("a")[0].remaining != number:
        assert time.monotonic() - begin < 30
        time.sleep(0.01)
    return time.monotonic() - begin


@pytest.mark.soak
def test_a_thousand_killed_holders_lose_no_place(clean_server, capsys):
    """
    A hundred processes with ten places each are killed; every place comes back.
    """
    context = multiprocessing.get_context("spawn")
    limits = Concurrency(20, lease=LEASE)
    waits = []
    with RateLimiter(clean_server.url, limits=limits, call_timeout=10) as limiter:
        for _ in range(50):
            job = (clean_server.url, 10)
            pair = [context.Process(target=hold, args=job) for _ in range(2)]
            for process in pair:
                process.start()
            wait_for_places(limiter, 0)
            for process in pair:
                os.kill(process.pid, signal.SIGKILL)
            waits.append(wait_for_places(limiter, 20))
            for process in pair:
                process.join()
    with capsys.disabled():
        print(f"\n1,000 killed: all places back after {max(waits):.2f} s at most")
    # A lease and a sixtieth, from the last renewal.
    assert max(waits) < LEASE * 61 / 60 + 0.3
