"""Calendar windows: the client's boundaries, the server's day."""

from datetime import UTC, datetime

import pytest

from paceline import CalendarWindow, SlidingWindow, TokenBucket, _calendar, _wire
from scripts import SECOND, Account


def moment(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND


def test_a_day_ends_at_midnight_in_its_zone(clean_server):
    """
    The count starts anew at midnight in Paris, 22:00 UTC in summer.
    """
    account = Account(clean_server.client(), CalendarWindow(3, "day", "Europe/Paris"))
    account.now = moment(2026, 7, 1, 21, 0)
    for _ in range(3):
        assert account.acquire().decision
    assert account.acquire().decision.retry_after == 3600.0
    account.now += 3600 * SECOND - 1
    assert not account.acquire().decision
    account.now += 1
    assert account.acquire().decision


def test_the_days_of_daylight_saving_have_23_and_25_hours():
    """
    Boundaries are local midnights, not multiples of 24 hours.
    """
    spring = _calendar.boundaries("day", "Europe/Paris", moment(2026, 3, 29, 12))
    autumn = _calendar.boundaries("day", "Europe/Paris", moment(2026, 10, 25, 12))
    assert spring[1] - spring[0] == 23 * 3600 * SECOND
    assert autumn[1] - autumn[0] == 25 * 3600 * SECOND


def test_weeks_begin_on_monday_and_months_on_the_first():
    """
    A week runs from Monday to Monday, December is followed by January.
    """
    week = _calendar.boundaries("week", "UTC", moment(2026, 11, 24, 9))
    assert week == (moment(2026, 11, 23), moment(2026, 11, 30), moment(2026, 12, 7))
    month = _calendar.boundaries("month", "UTC", moment(2026, 12, 31, 23, 59))
    assert month == (moment(2026, 12, 1), moment(2027, 1, 1), moment(2027, 2, 1))


def test_boundaries_of_another_day_are_refused(clean_server):
    """
    The server says what day it is; nothing is decided, nothing written.
    """
    account = Account(clean_server.client(), CalendarWindow(3, "day"))
    requests = [account.request(1)]
    stale = _wire.Clock(7, account.now - 86_400 * SECOND, account.now)
    reply = account.run(_wire.encode_acquire(account.scope, requests, stale))
    assert [0, account.now] == reply
    assert account.state() == {}


def test_a_wait_for_tomorrow_is_not_booked(clean_server):
    """
    A booking for tomorrow would count in today's windows and block everybody.
    """
    limits = [CalendarWindow(2, "day"), SlidingWindow(5, 60.0, name="rpm")]
    account = Account(clean_server.client(), limits)
    account.now = moment(2026, 7, 1, 12)
    account.acquire(), account.acquire()
    before = account.state()
    answer = account.acquire(wait=86_400)
    assert answer.booking is None
    assert answer.decision.retry_after == 12 * 3600.0
    assert answer.decision.limit == "requests/day calendar"
    assert before == account.state()


def test_a_booking_across_midnight_counts_tomorrow(clean_server):
    """
    Today may have room when tomorrow is booked full: the calendar is not monotone.
    """
    limits = [CalendarWindow(2, "day"), TokenBucket(1, 60.0, burst=1, name="slow")]
    account = Account(clean_server.client(), limits)
    account.now = moment(2026, 7, 1, 23, 59, 30)
    assert account.acquire(wait=600).wait_us == 0
    crossing = [account.acquire(wait=600) for _ in range(3)]
    assert [bool(a.booking) for a in crossing] == [True, True, False]
    assert crossing[2].decision.limit == "requests/day calendar"
    account.now = moment(2026, 7, 2, 0, 5)
    assert account.peek()[0].remaining == 0


def test_settlement_goes_to_its_own_period(clean_server):
    """
    A refund of yesterday gives today nothing.
    """
    account = Account(clean_server.client(), CalendarWindow(10, "day"))
    account.now = moment(2026, 7, 1, 23)
    booking = account.acquire(4).booking
    account.settle(booking, (1,))
    assert account.peek()[0].remaining == 9
    account.now = moment(2026, 7, 2, 1)
    account.acquire(5)
    account.settle(booking, (1,))
    assert account.peek()[0].remaining == 5


def test_a_day_that_comes_twice_holds_its_limit_once(clean_server):
    """
    The clock steps back over midnight: what was counted counts before it, and after it.
    """
    account = Account(clean_server.client(), CalendarWindow(3, "day", "UTC"))
    account.now = midnight = moment(2026, 7, 2)
    assert account.acquire({"requests": 2}).booking
    account.now -= SECOND
    assert account.peek()[0].remaining == 1
    assert account.acquire().booking
    assert not account.acquire().decision
    account.now = midnight
    assert account.peek()[0].remaining == 1
    assert account.acquire().booking
    assert not account.acquire().decision


def test_a_whole_day_back_forgets_the_turns_of_the_day_after(clean_server):
    """
    The bound of an exception: two days are kept, and those turns were of a third.
    """
    limits = [CalendarWindow(9, "day"), TokenBucket(1, 60.0, burst=1, name="slow")]
    account = Account(clean_server.client(), limits)
    account.now = moment(2026, 7, 1, 23, 59, 30)
    account.acquire()
    turns = [account.acquire(wait=600).booking for _ in range(3)]
    assert all(turns)
    account.now = moment(2026, 6, 30, 12)
    assert account.acquire(wait=600).booking
    account.now = moment(2026, 7, 1, 12)
    assert account.peek()[0].remaining == 9 - 3
    account.acquire()
    account.now = moment(2026, 7, 2, 12)
    assert account.peek()[0].remaining == 9


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_any_zone_holds_its_now(zone):
    """
    The period that is returned holds the moment asked for.
    """
    for hours in range(0, 24 * 400, 7):
        now = moment(2026, 1, 1) + hours * 3600 * SECOND
        for period in ("day", "week", "month"):
            start, end, after = _calendar.boundaries(period, zone, now)
            assert start <= now < end < after
