"""Counterexamples that were found once: each broke a promise, or the state."""

from datetime import UTC, datetime
from itertools import pairwise

from paceline import CalendarWindow, SlidingWindow, TokenBucket
from scripts import SECOND, Account


def moment(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND


def test_a_clock_that_steps_back_over_midnight_leaves_the_calendar_limited(
    clean_server,
):
    """
    A replica a few seconds behind, promoted at midnight, must not admit without end.
    """
    account = Account(clean_server.client(), CalendarWindow(5, "day"))
    account.now = moment(2026, 7, 2, 0, 0, 1)
    assert account.acquire().decision
    account.now = moment(2026, 7, 1, 23, 59, 58)
    assert sum(account.acquire().decision.allowed for _ in range(50)) == 4


def test_a_booking_beyond_the_calendars_reach_is_a_hint(clean_server):
    """
    What lies after the next period cannot be counted there, so it is not booked.
    """
    limits = [
        SlidingWindow(1, 3 * 86_400.0),
        CalendarWindow(100, "day", unit="tokens"),
    ]
    account = Account(clean_server.client(), limits)
    account.now = moment(2026, 7, 1, 12)
    assert account.acquire({"tokens": 100}).decision
    far = account.acquire({"tokens": 100}, wait=30 * 86_400)
    assert far.booking is None
    assert 0 < far.wait_us <= 12 * 3600 * SECOND


def test_the_largest_window_stays_strict_far_ahead(clean_server):
    """
    Bookings ahead stop before the running sums outgrow their digits.
    """
    most = 90_000_000_000
    account = Account(clean_server.client(), SlidingWindow(most, 1.0))
    acts = [
        answer.wait_us
        for answer in (account.acquire(most, wait=1000) for _ in range(30))
        if answer.booking
    ]
    assert len(acts) >= 4
    gaps = [later - first for first, later in pairwise(acts)]
    assert min(gaps) >= SECOND


def test_a_clock_from_another_decade_does_not_break_the_state(clean_server):
    """
    After steps back of years, in all, the history is still there.
    """
    account = Account(clean_server.client(), SlidingWindow(5, 60.0))
    for _ in range(4):
        assert account.acquire().decision
        account.now -= 400 * 86_400 * SECOND
    assert account.acquire().decision
    assert not account.acquire().decision


def test_debts_of_centuries_have_a_ttl_and_an_answer(clean_server):
    """
    A huge burst over a slow rate, and a huge overrun, stay within what replies hold.
    """
    client = clean_server.client()
    slow = TokenBucket(1, 31 * 86_400.0, burst=4_000_000_000)
    account = Account(client, slow)
    assert account.acquire(4_000_000_000).decision
    assert client.pttl(account.key) > 0
    assert account.acquire(1).decision.retry_after > 0
    other = Account(client, TokenBucket(1, 31 * 86_400.0), key="paceline:1:{other}")
    booking = other.acquire(1).booking
    other.settle(booking, (4_000_000_000,))
    assert client.pttl(other.key) > 0
    refused = other.acquire(1).decision
    assert refused.retry_after > 0
    assert refused.statuses[0].reset_after > 0


def test_waiting_for_a_tiny_bucket_uses_it(clean_server):
    """
    The grace of a permit that waited is small beside what the bucket holds.
    """
    account = Account(clean_server.client(), TokenBucket(10_000, 1.0, burst=1))
    waits = [account.acquire(wait=10).wait_us for _ in range(100)]
    assert waits[-1] <= 99 * 106
