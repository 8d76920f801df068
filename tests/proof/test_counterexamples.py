"""Histories that broke a design once: booking, waiting and settling."""

from __future__ import annotations

import heapq
from itertools import product

import pytest

from paceline import (
    CalendarWindow,
    Concurrency,
    SlidingWindow,
    TokenBucket,
    _wire,
)
from scripts import SECOND, Account

NOON = 1_782_907_200 * SECOND  # 2026-07-01 12:00 UTC
HOUR = 3600 * SECOND


def account(server, *limits, **more):
    return Account(server.client(), list(limits), **more)


def most_in_a_window(moments, length):
    return max(sum(t <= m < t + length for m in moments) for t in moments)


# -- booking


@pytest.mark.parametrize("wait", [0.0, 60.0, 86_400.0])
def test_a_booking_for_tomorrow_does_not_block_today(clean_server, wait):
    """
    Who must wait for midnight is told so; today's window stays open to the others.
    """
    day = CalendarWindow(100, "day", unit="tokens")
    one = account(clean_server, day, SlidingWindow(2, 60.0), now=NOON)
    assert one.acquire({"tokens": 100}).decision
    one.now += 60 * SECOND
    for _ in range(5):
        refused = one.acquire({"tokens": 1}, wait=wait)
        assert refused.booking is None
        assert refused.wait_us == 12 * HOUR - 60 * SECOND
    assert [one.acquire({"tokens": 0}).wait_us for _ in range(2)] == [0, 0]


def test_a_cool_down_is_a_hint_for_those_who_wait_too(clean_server):
    """
    Bookings beyond a cool-down would all act at its end, and count until then.
    """
    one = account(clean_server, SlidingWindow(3, 1.0))
    one.acquire()
    one.cool_down(30)
    answers = [one.acquire(wait=60) for _ in range(10)]
    assert {a.booking for a in answers} == {None}
    one.now += 30 * SECOND
    assert one.peek()[0].remaining == 3


def test_two_calendars_are_asked_until_both_have_room(clean_server):
    """
    Tomorrow has room for the day but not for the month: the hint is the month's end.
    """
    day, month = CalendarWindow(1, "day"), CalendarWindow(1, "month", name="month")
    one = account(clean_server, day, month, now=NOON)
    assert one.acquire().decision
    refused = one.acquire()
    assert refused.decision.limit == "month"
    assert refused.wait_us == (30 * 24 + 12) * HOUR
    one.now += refused.wait_us - 1
    assert not one.acquire().decision
    one.now += 1
    assert one.acquire().decision


def test_a_stored_period_stands_until_its_end(clean_server, monkeypatch):
    """
    A client whose time zone data ends the day sooner gets no new day by that.
    """
    one = account(clean_server, CalendarWindow(2, "day"), now=NOON)
    assert one.acquire(2).decision
    real = _wire.boundaries

    def sooner(period, zone, now):
        return tuple(moment - HOUR for moment in real(period, zone, now))

    monkeypatch.setattr(_wire, "boundaries", sooner)
    one.policy.notes.clear()
    assert not one.acquire().decision
    one.now = NOON + 12 * HOUR - 1
    monkeypatch.setattr(_wire, "boundaries", real)
    one.policy.notes.clear()
    assert not one.acquire().decision


def test_what_does_not_bind_is_charged_when_the_call_is_made(clean_server):
    """
    Charged now and slept out, calls would overrun the limit that did not bind.
    """
    rate = SlidingWindow(5, 1.0)
    one = account(clean_server, rate, SlidingWindow(100, 10.0, unit="tokens"))
    assert one.acquire({"tokens": 100}).decision
    answers = [one.acquire({"tokens": 1}, wait=60) for _ in range(20)]
    assert all(answer.booking for answer in answers)
    acts = [answer.wait_us for answer in answers]
    assert min(acts) == 10 * SECOND
    assert most_in_a_window(acts, rate.per_us) == 5


def test_a_place_is_not_held_while_waiting_for_something_else(clean_server):
    """
    A limit on calls at a time is taken when the call begins, else it is a hint.
    """
    one = account(clean_server, SlidingWindow(1, 10.0), Concurrency(2))
    assert one.acquire().decision
    waiting = one.acquire(wait=60)
    assert (waiting.booking, waiting.wait_us) == (None, 10 * SECOND)
    assert one.peek()[1].remaining == 1
    one.now += 10 * SECOND
    assert one.acquire(wait=60).booking


# -- waiting


def test_an_exact_cost_books_up_to_the_callers_patience_and_no_further(clean_server):
    """
    One call per admission, and nobody is booked later than he would wait.
    """
    one = account(clean_server, TokenBucket(1, 1.0, burst=1))
    one.acquire()
    answers = [one.acquire(wait=5) for _ in range(9)]
    booked = [a.wait_us for a in answers if a.booking]
    assert len(booked) == 4
    assert max(booked) <= 5 * SECOND


def test_an_estimated_cost_books_its_horizon_and_its_own_service_ahead(clean_server):
    """
    Beyond that it is told to come back; the service is that of the limit that binds.
    """
    slow = SlidingWindow(1, 3600.0, unit="tokens", name="not binding")
    one = account(clean_server, TokenBucket(1, 1.0, burst=1), slow)
    one.acquire((1, 0))
    answers = [one.acquire((1, 0), 60, horizon_us=SECOND) for _ in range(9)]
    booked = [a.wait_us for a in answers if a.booking]
    later = [a for a in answers if a.later]
    assert len(booked) + len(later) == 9
    assert 1 <= len(booked) <= 2
    assert max(booked) <= 2 * SECOND


def test_waiters_of_many_processes_do_not_poll(clean_server):
    """
    Fifty processes with one waiter each: at most 2.5 calls for each admission.

    Retried at the hint that all were given, they needed 35.7.
    """
    one = account(clean_server, TokenBucket(10, 1.0, burst=1))
    start, calls, acts = one.now, 0, []
    queue = [(start, number, False) for number in range(50)]
    while queue:
        one.now, number, again = heapq.heappop(queue)
        calls += 1
        answer = one.acquire(wait=60, horizon_us=SECOND, again=again)
        if answer.booking:
            acts.append(one.now + answer.wait_us)
        else:
            assert answer.later
            heapq.heappush(queue, (one.now + answer.wait_us, number, True))
    assert calls <= 2.5 * 50
    assert max(acts) - start <= 50 * SECOND / 10 * 1.25


def test_permits_used_late_and_on_time_do_not_meet_in_one_window(clean_server):
    """
    N permits used at the end of their grace and the next N on time make no 2N.
    """
    limit = SlidingWindow(2, 1.0)
    one = account(clean_server, limit)
    acts = [one.acquire(wait=60).wait_us for _ in range(8)]
    grace = _wire.grace_us(limit)
    for late in product((0, grace), repeat=6):
        used = acts[:2] + [a + g for a, g in zip(acts[2:], late, strict=True)]
        assert most_in_a_window(used, limit.per_us) <= 2


def test_who_is_known_to_wake_late_is_booked_with_that_span(clean_server):
    """
    A permit booked again may be used the whole span late, and no window overflows.
    """
    limit, span = SlidingWindow(1, 1.0), 300_000
    one = account(clean_server, limit)
    one.acquire()
    late = one.acquire(wait=60, span_us=span).wait_us
    after = one.acquire(wait=60).wait_us
    assert after >= late + span + limit.per_us


# -- settling


@pytest.mark.parametrize("kind", [SlidingWindow, TokenBucket])
def test_cancelled_waiters_do_not_delay_the_next(clean_server, kind):
    """
    Twenty cancelled waiters on five per second: others wait 3.2 to 4 s, not 0.2.
    """
    one = account(clean_server, kind(5, 1.0))
    for _ in range(5):
        one.acquire()
    alone = one.acquire().wait_us
    bookings = [one.acquire(wait=60).booking for _ in range(20)]
    for booking in bookings[::2] + bookings[1::2]:
        one.cancel(booking)
    assert one.acquire(wait=60).wait_us == alone


def test_waiters_in_one_slot_are_cancelled_one_by_one(clean_server):
    """
    Bookings that share an entry are found by each of them, the first as the last.
    """
    tokens = TokenBucket(10, 1.0, burst=600, unit="tokens")
    one = account(clean_server, SlidingWindow(3, 10.0), tokens)
    one.batch([one.request((1, 0))] * 3)
    _, large, _ = [one.acquire((1, cost), wait=99) for cost in (1, 100, 1)]
    one.now += large.wait_us
    one.cancel(large.booking)
    assert one.peek()[1].remaining >= 597


def test_waiters_of_one_batch_are_told_apart(clean_server):
    """
    Cancelling the large one leaves what it leaves when they were booked one by one.
    """
    after = []
    for name, together in (("one", False), ("many", True)):
        bucket = TokenBucket(5, 1.0)
        one = account(clean_server, bucket, key=f"paceline:1:{{{name}}}")
        one.acquire(5)
        requests = [one.request(5, 9), one.request(1, 9)]
        if together:
            large, _ = one.batch(requests)
        else:
            large, _ = (one.batch([request])[0] for request in requests)
        one.cancel(large.booking)
        after.append(one.acquire().wait_us)
    assert after[0] == after[1] < SECOND


def test_waiters_that_another_limit_spaces_out_owe_the_bucket_little(clean_server):
    """
    What drains between two waiters drains, though their bookings lie in one slot.
    """
    bucket = TokenBucket(10, 1.0, burst=600, unit="tokens")
    one = account(clean_server, TokenBucket(10, 1.0, burst=1), bucket)
    answers = [one.acquire({"tokens": 1}, wait=9) for _ in range(9)]
    assert all(answer.booking for answer in answers)
    one.now += answers[-1].wait_us
    # The last is booked its grace late, 0.1 s, in which one token drains.
    assert one.peek()[1].remaining >= 597


def test_a_window_takes_what_was_reserved_as_nothing(clean_server):
    """
    The slot of a booking of nothing is made when it turns out to have cost something.
    """
    one = account(clean_server, SlidingWindow(10, 60.0, unit="tokens"))
    booking = one.acquire((0,)).booking
    one.now += 30 * SECOND
    one.settle(booking, (4,))
    assert one.peek()[0].remaining == 6
    one.now += 30 * SECOND
    assert one.peek()[0].remaining == 10


def test_an_overrun_is_owed_from_now_on(clean_server):
    """
    Charged at its old moment it would have drained before anybody noticed.
    """
    one = account(clean_server, TokenBucket(10, 1.0))
    booking = one.acquire(1).booking
    one.now += 60 * SECOND
    one.settle(booking, (21,))
    assert one.acquire().wait_us == 1_100_000
