"""
A store that goes away under the load of several processes, and comes back.

A call counts for a window when it both began and ended inside it, on the clock that all
processes of a host share. No scheduling jitter can fake that.

The long form, 20 s without a store, with figures:
``python -m pytest -m soak -s tests/faults/test_outage.py``
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rig
from paceline import RateLimiter, RateLimitExceeded, StoreUnavailable
from rig_proxy import FaultProxy

LIMIT, WINDOW = 60, 1.0
PROCESSES = 4
SETTLED = 2.5


@pytest.fixture
def store(tmp_path):
    """Start a server that may be stopped and killed."""
    running = rig.Server(rig.servers()[0][1], tmp_path).start()
    yield running
    running.resume()
    running.kill()


def work(url, place, window, directory):
    """
    Ask again and again; every other process waits for its turns.

    Return (began, ended) of each admitted call, the longest that one took, and the
    kinds of errors.
    """
    admitted, longest, kinds = [], 0.0, set()
    limits = f"{LIMIT} per {window:g}s"
    with RateLimiter(url, limits=limits) as limiter:
        limiter.try_acquire("hot")
        Path(directory, str(place)).touch()
        while not Path(directory, "stop").exists():
            began = time.monotonic()
            try:
                if place % 2:
                    got = bool(limiter.acquire("hot", timeout=1.0))
                else:
                    got = bool(limiter.try_acquire("hot"))
            except (StoreUnavailable, RateLimitExceeded) as error:
                got = False
                kinds.add(type(error).__name__)
            ended = time.monotonic()
            longest = max(longest, ended - began)
            if got:
                admitted.append((began, ended))
            time.sleep(0.01)
    return admitted, longest, kinds


def wait_until(done, seconds=10.0):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def run(urls, window, directory, away, stop, start):
    """
    Run a process for each URL, and take the store away for so many seconds.

    Return the admitted calls, the longest call, and when the store went and was back.
    """
    directory.mkdir()
    jobs = [(url, i, window, str(directory)) for i, url in enumerate(urls)]
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(rig.run_processes, work, jobs, 120)
        wait_until(lambda: len(list(directory.iterdir())) == len(urls), 60)
        # All know how many they are: each asks again after a second.
        time.sleep(max(1.5 * window, 2.5))
        gone = time.monotonic()
        stop()
        time.sleep(away)
        start()
        back = time.monotonic()
        time.sleep(SETTLED + window)
        (directory / "stop").touch()
        ends = going.result()
    calls = sorted(call for admitted, _, _ in ends for call in admitted)
    return calls, max(longest for _, longest, _ in ends), (gone, back)


def fullest(calls, window):
    """Return the most calls that both began and ended in a window, and its start."""
    return max(
        (
            sum(start <= began and ended <= start + window for began, ended in calls),
            start,
        )
        for start, _ in calls
    )


def most_in_a_window(calls, window):
    """Return the most calls that both began and ended within any window."""
    return fullest(calls, window)[0]


def during(calls, start, end):
    return sum(start <= began and ended <= end for began, ended in calls)


def tell(name, calls, window, longest, marks):
    gone, back = marks
    most, start = fullest(calls, window)
    print(
        f"\n{name}: at most {most} of {LIMIT} in a window of {window:g} s (which began "
        f"{start - gone:.2f} s after the store went); without the store "
        f"{during(calls, gone + 1.0, back) / (back - gone - 1.0):.1f}/s, "
        f"{LIMIT / window:.1f}/s is the limit; the longest call took {longest:.2f} s"
    )


LONG = [
    pytest.param(WINDOW, 2.0, id="short"),
    pytest.param(10.0, 20.0, id="long", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(
    ("how", "window", "away"),
    [
        pytest.param("stopped", WINDOW, 2.0, id="stopped-short"),
        pytest.param("stopped", 10.0, 20.0, id="stopped-long", marks=pytest.mark.soak),
        pytest.param("killed", WINDOW, 2.0, id="killed-short", marks=pytest.mark.soak),
        pytest.param("killed", 10.0, 20.0, id="killed-long", marks=pytest.mark.soak),
    ],
)
def test_no_window_holds_more_than_the_limit_while_the_store_is_gone(
    store, tmp_path, how, window, away
):
    """
    Nor those that cross the edges; the quota goes on to be used, and nobody hangs.
    """
    ways = {
        "stopped": (store.pause, store.resume),
        "killed": (store.kill, store.start),
    }
    urls = [store.url] * PROCESSES
    calls, longest, marks = run(urls, window, tmp_path / "marks", away, *ways[how])
    tell(how, calls, window, longest, marks)
    assert most_in_a_window(calls, window) <= LIMIT
    gone, back = marks
    assert during(calls, gone + 0.2, back) > 0
    assert during(calls, back + SETTLED, back + SETTLED + window) > 0
    assert longest < 3.0


@pytest.mark.parametrize(("window", "away"), LONG)
def test_half_of_the_processes_cut_off_take_half_of_the_limit_at_most(
    store, tmp_path, window, away
):
    """
    The others use the store: together N and a half.
    """
    with FaultProxy(Path(store.socket)) as proxy:

        def cut():
            proxy.mode = "blackhole"
            proxy.cut()

        def mend():
            proxy.mode = "pass"
            proxy.cut()

        urls = [store.url, store.url, proxy.url, proxy.url]
        directory = tmp_path / "marks"
        calls, longest, marks = run(urls, window, directory, away, cut, mend)
    tell("half cut off", calls, window, longest, marks)
    assert most_in_a_window(calls, window) <= LIMIT * 3 // 2
    assert longest < 3.0


@pytest.mark.parametrize("policy", ["local", "allow"])
def test_what_is_spent_without_the_store_is_charged_once_it_is_back(store, policy):
    """
    By itself: nobody calls again. True costs that came late are posted, too.
    """
    limits = ["1000 tokens/min", "100k tokens/day calendar"]
    with (
        RateLimiter(store.url, limits=limits, on_outage=policy) as limiter,
        RateLimiter(store.url, limits=limits) as other,
    ):
        early = [limiter.acquire("a", {"tokens": 10}) for _ in range(3)]
        store.pause()
        permits = [limiter.acquire("a", {"tokens": 10}) for _ in range(10)]
        permits[0].settle({"tokens": 4})  # less
        permits[1].settle({"tokens": 30})  # more
        permits[2].cancel()
        early[0].settle({"tokens": 1})
        start = time.monotonic()
        assert limiter.try_acquire("a", {"tokens": 5})
        assert time.monotonic() - start < 0.1  # no timeout of the store's
        store.resume()
        wait_until(lambda: not limiter._engine.owes)
        permits[3].settle({"tokens": 2})  # after it was charged
        used = 21 + 70 + 4 + 30 + 0 + 5 - 8
        left = [status.capacity - status.remaining for status in other.peek("a")]
        assert left == [used, used]


def test_a_bucket_is_charged_what_has_not_drained(store):
    """
    Charging all of a long outage at once would close it for as long again.
    """
    with RateLimiter(store.url, limits="20 per 1s burst 20") as limiter:
        for _ in range(5):
            limiter.acquire("a")
        store.pause()
        start = time.monotonic()
        while time.monotonic() - start < 3:
            limiter.acquire("a")
        store.resume()
        wait_until(lambda: not limiter._engine.owes)
        (status,) = limiter.peek("a")
        assert status.reset_after <= 1.1


def test_waiting_for_the_store_ends_when_it_is_back_or_with_the_timeout(store):
    """
    "wait": no call goes without the store.
    """
    with RateLimiter(store.url, limits="100/min", on_outage="wait") as limiter:
        limiter.acquire("a")
        store.pause()
        start = time.monotonic()
        with pytest.raises(StoreUnavailable):
            limiter.acquire("a", timeout=1.5)
        assert 1.2 < time.monotonic() - start < 2.5
        threading.Timer(1.0, store.resume).start()
        assert limiter.acquire("a", timeout=20).waited > 0.5


@pytest.mark.parametrize("policy", ["local", "raise", "wait"])
def test_who_never_reached_the_store_raises(free_port, policy):
    """
    It knows nothing of the account.
    """
    url = f"redis://127.0.0.1:{free_port}"
    with RateLimiter(url, limits="9/min", on_outage=policy) as limiter:
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="P201"):
                limiter.acquire("a", timeout=5)
            with pytest.raises(StoreUnavailable, match="P201"):
                limiter.try_acquire("a")


def test_who_may_do_without_limits_does_so_from_the_start(free_port):
    """
    "allow": it goes on, and there is nobody to charge.
    """
    url = f"redis://127.0.0.1:{free_port}"
    with RateLimiter(url, limits="2/min", on_outage="allow") as limiter:
        for _ in range(5):
            limiter.acquire("a").settle(1)
            assert limiter.try_acquire("a")


@pytest.mark.parametrize("policy", ["local", "wait", "allow"])
def test_what_no_waiting_cures_is_raised_at_once(store, policy):
    """
    Here: a key of ours that holds something else.
    """
    with (
        RateLimiter(store.url, limits="9/min", on_outage=policy) as limiter,
        store.client() as client,
    ):
        limiter.acquire("a")
        (key,) = client.keys()
        client.set(key, "theirs", ex=60)
        start = time.monotonic()
        with pytest.raises(Exception, match="P211"):
            limiter.acquire("a", timeout=30)
        assert time.monotonic() - start < 1


def test_places_are_shared_and_come_back_when_they_are_released(store):
    """
    A process alone has all of them; who waits for one gets it when it is released.
    """
    with RateLimiter(store.url, limits=["2 concurrent"]) as limiter:
        limiter.acquire("a").release()
        held = limiter.acquire("a")
        limiter.peek("a")
        store.pause()
        local = limiter.acquire("a", timeout=5)
        with pytest.raises(RateLimitExceeded):
            limiter.acquire("a", timeout=0)
        threading.Timer(0.3, local.release).start()
        again = limiter.acquire("a", timeout=5)
        assert 0.1 < again.waited < 2
        store.resume()
        wait_until(lambda: not limiter._engine.owes)
        again.release()
        held.release()
        assert limiter.peek("a")[0].remaining == 2
