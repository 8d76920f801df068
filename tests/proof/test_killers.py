"""What no other test watched, until a mutant of the scripts survived."""

from __future__ import annotations

from itertools import pairwise

import pytest

from paceline import Concurrency, SlidingWindow, TokenBucket
from scripts import SECOND, T0, Account

MONTH = 31 * 86_400


def account(server, *limits):
    return Account(server.client(), list(limits))


# -- buckets


def test_a_refund_gives_back_all_that_cannot_have_drained(clean_server):
    """
    Others booked since, but the bucket was never empty: all of it comes back.
    """
    one = account(clean_server, TokenBucket(10, 10.0, burst=10))
    first = one.acquire(4).booking
    for _ in range(3):
        one.acquire(2)
    one.cancel(first)
    assert one.peek()[0].remaining == 4


def test_what_a_booking_itself_found_does_not_bound_its_refund(clean_server):
    """
    The first booking of an empty bucket is given back whole.
    """
    one = account(clean_server, TokenBucket(10, 10.0, burst=10))
    one.cancel(one.acquire(7).booking)
    assert one.peek()[0].remaining == 10


def test_the_least_debt_since_bounds_a_refund_not_the_first(clean_server):
    """
    The second found eight, the third one: all but one of the first's have drained.
    """
    one = account(clean_server, TokenBucket(10, 1.0, burst=10))
    first = one.acquire(8).booking
    one.acquire(2)
    one.now += 9 * SECOND // 10
    one.acquire(9)
    one.cancel(first)
    assert one.peek()[0].remaining == 1


def test_a_refund_lowers_what_later_refunds_may_take(clean_server):
    """
    Two bookings drained by half: together they give back the half, not twice that.
    """
    one = account(clean_server, TokenBucket(10, 1.0, burst=10))
    first, second = one.acquire(5).booking, one.acquire(5).booking
    one.now += SECOND // 2
    one.acquire(5)
    one.cancel(first)
    assert one.peek()[0].remaining == 5
    one.cancel(second)
    assert one.peek()[0].remaining == 5


def test_a_low_above_one_that_sank_is_none_any_more(clean_server):
    """
    After the second's refund the first may take one unit, though five were found.
    """
    one = account(clean_server, TokenBucket(10, 1.0, burst=10))
    first, second = one.acquire(5).booking, one.acquire(5).booking
    one.now += 4 * SECOND // 10
    one.acquire(4)
    one.cancel(second)
    assert one.peek()[0].remaining == 5
    one.cancel(first)
    assert one.peek()[0].remaining == 6


def test_lows_that_no_longer_fit_merge_on_the_safe_side(clean_server):
    """
    Forty bookings after it drained, the first still gives nothing back.
    """
    one = account(clean_server, TokenBucket(60, 60.0, burst=60))
    first = one.acquire(20).booking
    one.now += 20 * SECOND
    for _ in range(40):
        one.acquire(1)
    one.cancel(first)
    assert one.peek()[0].remaining == 20


def test_rounding_never_lets_one_through_too_early(clean_server):
    """
    A millionth of a unit is 2.7 s at one a month: bookings must not lose any.
    """
    one = account(clean_server, TokenBucket(1, float(MONTH), burst=10))
    for _ in range(10):
        assert one.acquire().decision
        one.now += SECOND
    assert one.now + one.acquire().wait_us >= T0 + MONTH * SECOND


@pytest.mark.parametrize(("rate", "wait"), [(3, 333_334), (7, 142_858), (8, 125_000)])
def test_a_wait_is_rounded_up_to_a_whole_microsecond(clean_server, rate, wait):
    """
    A third of a second is not over after 333,333 microseconds.
    """
    one = account(clean_server, TokenBucket(rate, 1.0, burst=1))
    one.acquire()
    assert one.acquire().wait_us == wait


# -- windows


def test_a_slot_leaves_with_the_last_of_its_acts(clean_server):
    """
    Two acts in one slot, 0.4 s apart: the first alone would leave room for a third.
    """
    one = account(clean_server, SlidingWindow(2, 1.0, slots=2))
    one.acquire()
    one.now += 400_000
    one.acquire()
    assert one.acquire().wait_us == SECOND


# -- leases


def test_a_late_release_frees_nobody_elses_place(clean_server):
    """
    Its lease had ended and another call holds the place.
    """
    one = account(clean_server, Concurrency(1, lease=60.0))
    late = one.acquire().booking
    one.now += 62 * SECOND
    assert one.acquire().decision
    one.cancel(late)
    assert one.peek()[0].remaining == 0


def test_a_place_is_held_for_the_lease_and_freed_by_the_release(clean_server):
    """
    Not a tick less than the lease, a sixtieth more at most.
    """
    one = account(clean_server, Concurrency(1, lease=60.0))
    one.now += SECOND // 2
    one.cancel(one.acquire().booking)
    assert one.acquire().decision
    one.now += 60 * SECOND - 1
    assert not one.acquire().decision
    one.now += SECOND + 1
    assert one.acquire().decision


def test_a_renewal_moves_its_own_lease(clean_server):
    """
    The other's lease ends when it did before, and each holds one place.
    """
    one = account(clean_server, Concurrency(9, lease=60.0))
    one.acquire()
    one.now += 20 * SECOND
    own = one.acquire().booking
    one.now += 20 * SECOND
    assert min(one.renew(own)) > 0
    assert one.peek()[0].remaining == 7
    one.now += 22 * SECOND
    assert one.peek()[0].remaining == 8
    one.now += 22 * SECOND
    assert one.peek()[0].remaining == 8
    one.now += 20 * SECOND
    assert one.peek()[0].remaining == 9


def test_a_lease_that_ended_is_renewed_only_into_a_free_place(clean_server):
    """
    Who held on too late learns that the place is another's.
    """
    one = account(clean_server, Concurrency(1, lease=60.0))
    late = one.acquire().booking
    one.now += 62 * SECOND
    other = one.acquire().booking
    assert one.renew(late) == [0]
    one.cancel(other)
    assert min(one.renew(late)) > one.now
    assert one.peek()[0].remaining == 0


# -- priorities and turns


def test_a_low_priority_leaves_the_rest_to_others(clean_server):
    """
    Half of ten: the sixth waits, while a call of full priority goes.
    """
    one = account(clean_server, SlidingWindow(10, 60.0))
    allowed = [one.acquire(part=500).decision.allowed for _ in range(6)]
    assert allowed == [True] * 5 + [False]
    assert one.acquire().decision


@pytest.mark.parametrize("kind", [SlidingWindow, TokenBucket])
def test_a_cost_above_its_part_goes_when_nobody_else_does(clean_server, kind):
    """
    Else it would starve: a tenth of ten never holds eight.
    """
    one = account(clean_server, kind(10, 10.0))
    assert one.acquire(8, part=100).decision
    refused = one.acquire(8, wait=0, part=100)
    assert not refused.decision
    one.now += refused.wait_us
    assert one.acquire(8, part=100).decision


def test_each_who_is_told_to_come_back_has_a_turn_of_his_own(clean_server):
    """
    Turns lie a call's service apart; who comes too early is told when, and no more.
    """
    one = account(clean_server, TokenBucket(10, 1.0, burst=1))
    ahead = {"wait": 60, "horizon_us": 0}
    one.acquire(), one.acquire(**ahead)
    turns = [one.acquire(**ahead).wait_us for _ in range(4)]
    gaps = [later - turn for turn, later in pairwise(turns)]
    assert min(gaps) >= 100_000
    assert max(gaps) <= 110_000
    one.now += turns[0] - 20_000
    for _ in range(5):
        assert one.acquire(again=True, **ahead).wait_us == 20_000
    after = one.acquire(**ahead).wait_us + turns[0] - 20_000
    assert after - turns[-1] == gaps[-1]
