"""What settlements give back: the quota under estimates, the turns of who left."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest

from paceline import SlidingWindow, TokenBucket
from scripts import SECOND, Account

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "estimates.py"
FIVE_A_SECOND = {
    "burst 1": TokenBucket(5, 1.0, burst=1),
    "burst 5": TokenBucket(5, 1.0, burst=5),
    "window": SlidingWindow(5, 1.0),
}
LEAVING = {
    "first come, first gone": lambda waiters: waiters,
    "last come, first gone": lambda waiters: waiters[::-1],
    "in any order": lambda waiters: random.Random(1).sample(waiters, len(waiters)),
}


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/estimates.py, which is no package."""
    spec = importlib.util.spec_from_file_location("estimates", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "estimates", module)  # dataclasses look there
        spec.loader.exec_module(module)
    return module


def test_a_bucket_uses_its_quota_under_estimates_three_times_too_high(
    clean_server, benchmark
):
    """
    Refunds come back in full: five times the quota offered, all of it used, never over.
    """
    bucket, _ = benchmark.LIMITS
    with clean_server.client() as client:
        row = benchmark.measure(client, bucket, minutes=5, processes=4)
    assert row["over"] == 0
    assert row["quota_used"] >= 0.97


def test_a_window_is_held_by_estimates_in_flight_alone(clean_server, benchmark):
    """
    A window uses what theory leaves it while estimates are in flight, and never more.
    """
    _, window = benchmark.LIMITS
    with clean_server.client() as client:
        row = benchmark.measure(client, window, minutes=5, processes=4)
    assert row["over"] == 0
    assert row["quota_used"] >= 0.95 * row["expected"]


@pytest.mark.parametrize("limit", FIVE_A_SECOND.values(), ids=FIVE_A_SECOND)
@pytest.mark.parametrize("leaving", LEAVING.values(), ids=LEAVING)
@pytest.mark.parametrize("later", [0.0, 0.01, 0.1], ids="after {} s".format)
def test_waiters_that_left_cost_the_next_caller_nothing(
    clean_server, limit, leaving, later
):
    """
    Twenty cancelled waiters, and the next caller waits as if they had never been.
    """
    with clean_server.client() as client:
        accounts = [
            Account(client, limit, key=f"paceline:1:{{{who}}}")
            for who in ("visited", "left alone")
        ]
        for account in accounts:
            account.now += 123_456
            while account.acquire().booking:
                pass
        visited = accounts[0]
        waiters = [visited.acquire(wait=30).booking for _ in range(20)]
        assert all(waiters)
        for account in accounts:
            account.now += round(later * SECOND)
        for waiter in leaving(waiters):
            visited.cancel(waiter)
        waits = [[a.acquire(wait=30).wait_us for _ in range(3)] for a in accounts]
        assert waits[0] == waits[1]
        assert waits[1][0] > 0
