"""A token bucket: debt in millionths of a unit, exact waits, safe refunds."""

import pytest

from paceline import SlidingWindow, TokenBucket
from scripts import SECOND, T0, Account

STEPS = [  # at seconds, cost, allowed, remaining
    (0.0, 2, True, 1),
    (0.0, 2, False, 1),
    (0.0, 1, True, 0),
    (0.0, 1, False, 0),
    (0.1, 3, False, 1),
    (0.2, 1, True, 1),
    (0.3, 1, True, 1),
    (0.4, 1, True, 1),
    (0.4, 1, True, 0),
    (0.4, 1, False, 0),
    (0.9, 3, True, 0),
]


def test_steps(clean_server):
    """
    Ten per second, burst three: allowed and remaining at each step.
    """
    account = Account(clean_server.client(), TokenBucket(10, 1.0, burst=3))
    for number, (at, cost, allowed, remaining) in enumerate(STEPS):
        account.now = T0 + round(at * SECOND)
        decision = account.acquire(cost).decision
        seen = (decision.allowed, decision.statuses[0].remaining)
        assert (allowed, remaining) == seen, f"step {number}"


@pytest.mark.parametrize("rate", [3, 7, 101, 999_983, 7_000_000])
def test_odd_rates_lose_nothing(clean_server, rate):
    """
    After the burst, one period refills exactly the rate, whatever the division leaves.
    """
    account = Account(clean_server.client(), TokenBucket(rate, 60.0))
    assert account.acquire(rate).decision
    account.now += 60 * SECOND
    assert account.acquire(rate).decision
    assert account.acquire(1).decision.retry_after == pytest.approx(60 / rate, abs=2e-6)


def test_a_cost_above_the_burst_is_never(clean_server):
    """
    What no waiting could allow is told apart from what must wait.
    """
    account = Account(clean_server.client(), TokenBucket(10, 1.0, burst=3))
    assert account.acquire((4,), wait=60).never
    assert not account.acquire((3,)).never


def test_refunds_never_return_what_time_has_paid(clean_server):
    """
    A naive refund after the bucket drained would hand the quota out twice.
    """
    account = Account(clean_server.client(), TokenBucket(10, 1.0, burst=10))
    first = account.acquire(10).booking
    account.now += SECOND
    account.acquire(10)
    account.settle(first, (0,))
    assert account.peek()[0].remaining == 0


def test_the_last_booking_is_refunded_in_full(clean_server):
    """
    Nothing was booked since, so all of it goes back.
    """
    account = Account(clean_server.client(), TokenBucket(10, 1.0, burst=10))
    account.acquire(4)
    last = account.acquire(5).booking
    account.settle(last, (2,))
    assert account.peek()[0].remaining == 4


def test_an_overrun_is_owed(clean_server):
    """
    What was used beyond the estimate is charged now, as debt.
    """
    account = Account(clean_server.client(), TokenBucket(10, 1.0, burst=10))
    booking = account.acquire(5).booking
    account.settle(booking, (35,))
    assert account.acquire(1).decision.retry_after == pytest.approx(2.6)


def test_a_burst_below_the_rate_still_limits(clean_server):
    """
    Regression on a peer whose key expired at once when the burst was below half a rate.
    """
    account = Account(clean_server.client(), TokenBucket(100, 1.0, burst=20))
    admitted = 0
    for _ in range(500):
        account.now += 1000
        admitted += account.acquire().decision.allowed
    assert admitted <= 20 + 50
    assert admitted >= 20 + 49


def test_the_guard_holds_what_the_rate_refills_within_it(clean_server):
    """
    With a guard, every use within it of the decision keeps the bound.
    """
    limit = TokenBucket(100, 1.0, burst=20)
    account = Account(clean_server.client(), limit, guard_us=50_000)
    burst = sum(account.acquire().decision.allowed for _ in range(40))
    assert burst == 15


def test_a_long_life_moves_no_debt(clean_server):
    """
    After 46 days, when moments are counted anew, a call that costs nothing of a bucket
    leaves what is owed as it is, with waiters and without.
    """
    day = 86_400 * SECOND
    slow = TokenBucket(1_000, 31 * 86_400.0, burst=100_000, unit="tokens")
    account = Account(clean_server.client(), [slow, SlidingWindow(10**9, 60.0)])
    account.acquire({"tokens": 50_000})
    for waits in (False, True):
        account.now += 47 * day
        if waits:
            left = account.peek()[0].remaining
            assert account.acquire({"tokens": left + 1}, wait=3_000.0).booking
        before = account.peek()[0]
        assert account.acquire({"tokens": 0}).booking
        assert account.peek()[0] == before
