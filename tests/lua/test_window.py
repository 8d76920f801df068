"""A sliding window never holds more than its limit, and knows when there is room."""

import pytest
import redis

from paceline import SlidingWindow, _wire
from paceline._standing import standing
from paceline._state import read_field
from scripts import SECOND, Account


@pytest.fixture
def account(clean_server):
    return Account(clean_server.client(), SlidingWindow(5, 1.0))


def test_the_sixth_of_five_waits_for_the_first_to_leave(account):
    """
    Five per second: the sixth may go one second after the first, not a tick earlier.
    """
    for i in range(5):
        account.now += 20_000  # more than a slot
        assert account.acquire().decision, i
    denied = account.acquire().decision
    assert (denied.allowed, denied.limit) == (False, "requests/s")
    assert denied.retry_after == pytest.approx(1.0 - 0.080)
    account.now += round(denied.retry_after * SECOND) - 1
    assert not account.acquire().decision
    account.now += 1
    assert account.acquire().decision


def test_a_refusal_leaves_the_state_as_it_is(account):
    """
    Refusing writes nothing, not even a counter.
    """
    for _ in range(5):
        account.acquire()
    before = account.state()
    assert not account.acquire().decision
    assert not account.acquire({"requests": 3}).decision
    assert before == account.state()


def test_waiters_are_booked_in_order_and_ahead(account):
    """
    Waiting callers get their turns at once, window after window.
    """
    waits = [account.acquire(wait=10).wait_us for _ in range(15)]
    assert waits[:5] == [0] * 5
    assert sorted(waits) == waits
    # A permit that waited may be used its grace late: windows lie that far apart.
    grace = _wire.grace_us(account.policy.limits[0])
    assert waits[5:10] == [SECOND] * 5
    assert waits[10:] == [2 * SECOND + grace] * 5


def test_cancelled_waiters_leave_no_trace(account):
    """
    After 20 cancelled waiters the next caller waits as if they had never been.
    """
    for _ in range(5):
        account.acquire()
    alone = account.acquire().decision.retry_after
    bookings = [account.acquire(wait=60).booking for _ in range(20)]
    for booking in bookings:
        account.cancel(booking)
    after = account.acquire().decision
    assert alone == after.retry_after
    assert after.statuses[0].reset_after == alone
    account.now += SECOND
    assert account.peek()[0].remaining == 5


def test_settling_gives_back_exactly_and_charges_exactly(clean_server):
    """
    A window's settlement is exact in both directions, also of what cost nothing.
    """
    limit = SlidingWindow(100, 60.0, unit="tokens")
    account = Account(clean_server.client(), limit)
    first = account.acquire({"tokens": 40}).booking
    free = account.acquire({"tokens": 0}).booking
    assert account.peek()[0].remaining == 60
    account.settle(first, {"tokens": 10})
    assert account.peek()[0].remaining == 90
    account.settle(free, (25,))
    assert account.peek()[0].remaining == 65
    account.now += 60 * SECOND
    account.settle(first, (90,))
    assert account.peek()[0].remaining == 100


def test_a_refund_touches_no_other_slot(clean_server):
    """
    What is given back leaves the slot of its booking, not one that expires earlier.
    """
    account = Account(clean_server.client(), SlidingWindow(10, 60.0))
    account.acquire(5)
    account.now += 30 * SECOND
    late = account.acquire(5).booking
    account.cancel(late)
    account.now += 30 * SECOND
    assert account.peek()[0].remaining == 10


def test_memory_is_bounded_whatever_the_limit(clean_server):
    """
    A million units in a thousand acts take no more than slots + 1 entries.
    """
    account = Account(clean_server.client(), SlidingWindow(1_000_000, 60.0))
    for _ in range(1000):
        account.now += 71_000
        account.acquire(100)
    assert len(account.state()["m:"]) < 113 + 90 + 14 * 62


def test_booking_ahead_is_bounded_too(clean_server):
    """
    When a log is full of future turns, the next waiter is told when to ask again.
    """
    account = Account(clean_server.client(), SlidingWindow(2, 1.0, slots=2))
    for _ in range(2):
        account.now += 400_000
        account.acquire()
    answers = [account.acquire(wait=3600) for _ in range(40)]
    refused = [a for a in answers if a.booking is None]
    assert refused
    assert all(0 < a.wait_us <= SECOND for a in refused)
    assert len(account.state()["m:"]) < 113 + 90 + 14 * 20
    account.now += refused[0].wait_us
    assert account.acquire(wait=3600).booking


def test_a_window_of_a_month_keeps_its_moments(clean_server):
    """
    They lie far from the one that they are relative to, and are kept exactly.
    """
    account = Account(clean_server.client(), SlidingWindow(2, 30 * 86_400.0))
    account.acquire()
    account.now += 10 * 86_400 * SECOND + 1
    account.acquire()
    assert account.acquire().decision.retry_after == 20 * 86_400 - 1e-6
    account.now += 20 * 86_400 * SECOND - 2
    assert not account.acquire().decision
    account.now += 1
    assert account.acquire().decision
    assert account.peek()[0].remaining == 0


@pytest.mark.parametrize("entries", [1, 11])
def test_a_log_of_another_format_is_an_error_and_no_guess(account, entries):
    """
    Decimals, as before: of a length that is wrong, and of one that could be right.
    """
    account.acquire()
    value = account.state()["m:"]
    tag = account.policy.limits[0].tag
    body = f"{0:012}" + f"{999_999:013}{1:012}" * entries
    head = f"{value[:113]}{len(tag):02}{len(body):06}"
    strange = head + value[121 : 113 + 53 + len(tag)] + body
    account.client.hset(account.key, "m:", strange)
    for act in (account.acquire, account.peek):
        with pytest.raises(redis.ResponseError, match="format of another release"):
            act()
    assert account.state()["m:"] == strange
    field = read_field(strange, account.now)
    with pytest.raises(ValueError, match="format of another release"):
        standing(field.sections[0], field, account.now)
