"""Histories that broke a design once: neighbours, clocks, expiry, lost replies."""

from __future__ import annotations

import pytest

from paceline import CalendarWindow, Concurrency, SlidingWindow, StoreError, TokenBucket
from scripts import SECOND, T0, Account

MINUTE = 60 * SECOND
HEAD = 113


def account(server, *limits, **more):
    return Account(server.client(), list(limits), **more)


def send(one, number, cost=1, wait=0.0, oldest=1):
    one.lane = ("lane", number, oldest)
    return one.acquire(cost, wait)


# -- what others keep in the field


def test_policies_of_one_account_keep_each_others_history(clean_server):
    """
    Four policies with a limit of each kind write one field in turns; none forgets.
    """
    limits = [
        SlidingWindow(10, 60.0),
        TokenBucket(10, 60.0, name="bucket"),
        CalendarWindow(10, "day"),
        Concurrency(10),
    ]
    accounts = [account(clean_server, limit) for limit in limits]
    for _ in range(3):
        for one in accounts:
            assert one.acquire().decision
    assert [one.peek()[0].remaining for one in accounts] == [7, 7, 7, 7]


def test_a_section_of_another_release_is_copied_as_it_is(clean_server):
    """
    Its kind is not known here, nor what its body means: not a byte of it changes.
    """
    one = account(clean_server, SlidingWindow(5, 60.0))
    one.acquire()
    tag, body, stop = "z/of tomorrow/9", "anything {}; 12", T0 + 3600 * SECOND
    strange = f"{len(tag):02}{len(body):06}{T0:016}{7:013}{stop:016}{tag}{body}"
    value = one.state()["m:"]
    one.client.hset(one.key, "m:", value + strange)
    booking = one.acquire().booking
    one.settle(booking, 3)
    assert strange in one.state()["m:"]
    assert one.peek()[0].remaining == 1


def test_limits_that_nobody_uses_any_more_leave_the_field(clean_server):
    """
    A field does not grow with each policy that was ever tried.
    """
    one = account(clean_server, SlidingWindow(5, 60.0))
    one.acquire()
    alone = len(one.state()["m:"])
    for seconds in range(1, 20):
        other = account(clean_server, SlidingWindow(5, float(seconds)), now=one.now)
        other.acquire()
    assert len(one.state()["m:"]) > 3 * alone
    one.now += 61 * SECOND
    one.acquire()
    assert len(one.state()["m:"]) == alone


# -- clocks


@pytest.mark.parametrize("limit", [SlidingWindow(5, 60.0), TokenBucket(5, 60.0)])
def test_a_clock_that_steps_forward_costs_one_more_limit_at_most(clean_server, limit):
    """
    The server's time is believed: what it skips has passed, once.
    """
    one = account(clean_server, limit)
    admitted = sum(one.acquire().decision.allowed for _ in range(9))
    one.now += 3600 * SECOND
    admitted += sum(one.acquire().decision.allowed for _ in range(9))
    assert admitted == 10


def test_a_clock_that_steps_back_keeps_what_waiters_were_promised(clean_server):
    """
    Bookings ahead move with the clock, and so do those who come after them.
    """
    one = account(clean_server, TokenBucket(1, 1.0, burst=1))
    one.acquire()
    first = one.acquire(wait=60)
    before = one.acquire().wait_us
    one.now -= 3600 * SECOND
    assert one.acquire().wait_us == before
    one.cancel(first.booking)
    assert one.acquire().wait_us == SECOND


def test_a_clock_that_steps_back_lengthens_no_cool_down(clean_server):
    """
    Thirty seconds are thirty seconds, whatever the clock shows.
    """
    one = account(clean_server, SlidingWindow(5, 60.0))
    one.cool_down(30)
    one.now -= 3600 * SECOND
    assert one.acquire().wait_us == 30 * SECOND


def test_a_clock_that_steps_back_moves_no_midnight(clean_server):
    """
    The day's count lasts until the day's end, whoever noticed that the clock stepped.
    """
    midnight = 1_782_950_400 * SECOND  # 2026-07-02 00:00 UTC
    one = account(clean_server, CalendarWindow(1, "day"), now=midnight - 30 * MINUTE)
    other = account(clean_server, SlidingWindow(9, 60.0), now=midnight - 90 * MINUTE)
    assert one.acquire().decision
    assert other.acquire().decision
    other.now += 45 * MINUTE
    assert other.acquire().decision
    one.now = other.now
    assert not one.acquire().decision
    one.now = midnight
    assert one.acquire().decision


def test_a_lease_lasts_as_long_when_the_clock_steps_back(clean_server):
    """
    A crashed holder's place is free after the lease, not when the step is caught up.
    """
    one = account(clean_server, Concurrency(3, lease=60.0))
    kept, _ = one.acquire().booking, one.acquire()
    one.now -= 3600 * SECOND
    one.cancel(kept)
    assert one.peek()[0].remaining == 2
    one.now += 30 * SECOND
    one.acquire()
    one.now += 32 * SECOND
    assert one.peek()[0].remaining == 2


# -- expiry and purging


def test_a_short_limit_of_one_model_keeps_a_long_one_of_another(clean_server):
    """
    The hash expires with the last of its fields, also with those not read just now.
    """
    day = account(clean_server, SlidingWindow(5, 86_400.0), model="a")
    second = account(clean_server, SlidingWindow(5, 1.0), model="b")
    day.acquire()
    second.acquire()
    assert day.client.pttl(day.key) > 86_000_000


def test_idle_fields_and_silent_lanes_go_and_the_others_stay(clean_server):
    """
    Sixty-four writes later the models that were tried once are gone, with their lanes.
    """
    long = account(clean_server, SlidingWindow(5, 86_400.0), model="long")
    long.acquire()
    for number in range(9):
        tried = account(clean_server, SlidingWindow(5, 1.0), model=f"tried-{number}")
        tried.lane = (f"lane-{number}", 1, 1)
        tried.acquire()
    one = account(clean_server, SlidingWindow(500, 1.0), model="busy")
    one.now += 11 * MINUTE
    assert len(one.state()) == 19
    for _ in range(64):
        one.acquire()
    assert sorted(one.state()) == ["m:busy", "m:long"]


# -- replies that were lost


def test_a_request_that_is_sent_again_is_charged_once(clean_server):
    """
    The answer of then comes back, with the wait as it is by now.
    """
    one = account(clean_server, SlidingWindow(1, 60.0), TokenBucket(100, 60.0))
    send(one, 1)
    first = send(one, 2, wait=90)
    before = one.state()
    one.now += 20 * SECOND
    again = send(one, 2, wait=90)
    assert again.booking == first.booking
    assert again.wait_us == first.wait_us - 20 * SECOND
    assert before == one.state()


def test_a_settlement_that_is_sent_again_refunds_once(clean_server):
    """
    Two refunds of one booking would hand out what a neighbour uses.
    """
    one = account(clean_server, SlidingWindow(10, 60.0))
    booking, _ = send(one, 1, 4).booking, send(one, 2, 4)
    one.lane = ("lane", 3, 1)
    one.cancel(booking)
    one.cancel(booking)
    assert one.peek()[0].remaining == 6


def test_a_renewal_that_is_sent_again_moves_one_holder(clean_server):
    """
    Sent again it would find its old end gone, and take a second place.
    """
    one = account(clean_server, Concurrency(9, lease=60.0))
    booking = send(one, 1).booking
    one.now += 30 * SECOND
    one.lane = ("lane", 2, 1)
    assert one.renew(booking) == one.renew(booking)
    assert one.peek()[0].remaining == 8


def test_eight_calls_in_flight_may_arrive_in_any_order(clean_server):
    """
    Each is new when it first arrives and known when it arrives again.
    """
    one = account(clean_server, SlidingWindow(50, 60.0))
    order = [3, 8, 1, 6, 2, 7, 5, 4]
    first = {number: send(one, number, number).booking for number in order}
    again = {number: send(one, number, number).booking for number in reversed(order)}
    assert first == again
    assert one.peek()[0].remaining == 50 - sum(order)


def test_what_is_too_old_to_be_known_is_not_charged_anew(clean_server):
    """
    Who says that the second is the oldest it wants to hear of cannot ask for the first.
    """
    one = account(clean_server, SlidingWindow(50, 60.0))
    for number in range(1, 10):
        send(one, number, oldest=max(1, number - 7))
    with pytest.raises(StoreError, match="any more") as caught:
        send(one, 1)
    assert caught.value.code == "P212"
    assert one.peek()[0].remaining == 41


def test_a_lane_outlives_its_clients_patience(clean_server):
    """
    Neighbours that write a thousand times in nine minutes do not purge it.
    """
    one = account(clean_server, SlidingWindow(5000, 3600.0))
    booking = send(one, 1).booking
    other = account(clean_server, SlidingWindow(5000, 3600.0))
    for _ in range(9):
        other.now += MINUTE
        other.batch([other.request(1)])
        for _ in range(20):
            other.acquire()
    one.now = other.now
    assert send(one, 1).booking == booking
    assert one.peek()[0].remaining == 5000 - 1 - 9 * 21


def test_a_charge_that_was_lost_with_its_record_is_made_again(clean_server):
    """
    A replica that was promoted without both has room for it: executing is right.
    """
    one = account(clean_server, SlidingWindow(2, 60.0))
    send(one, 1)
    one.client.delete(one.key)
    assert send(one, 1).decision
    assert one.peek()[0].remaining == 1
