"""
Ghosts: what a lost life had booked, as those tell who remember it.
"""

from __future__ import annotations

import pytest

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from scripts import SECOND, Account

LIMITS = {
    "window": SlidingWindow(10, 10.0),
    "bucket": TokenBucket(10, 10.0, burst=10),
    "day": CalendarWindow(10, "day"),
    "leases": Concurrency(10, lease=10.0),
}
EACH = pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
# Eight in the morning.
DAY = 16 * 3600


def account(server, limit):
    return Account(server.client(), limit)


def rest(limit, units):
    """Seconds after which so many units are as if never used."""
    if isinstance(limit, CalendarWindow):
        return DAY
    return units if isinstance(limit, TokenBucket) else 9.0


def left(one):
    return one.peek()[0].remaining


@EACH
def test_a_ghost_is_added_to_what_is_there(clean_server, limit):
    """
    Two are booked, five were: three are left, until the ghost's time is up.
    """
    one = account(clean_server, limit)
    for _ in range(2):
        one.acquire(1)
    assert one.heal("a", 7, 5, rest(limit, 5)) == 5
    assert left(one) == 3
    one.now += round(rest(limit, 5) * SECOND) + 2 * SECOND
    assert left(one) >= 8


@EACH
def test_of_one_life_what_was_seen_last_counts_once(clean_server, limit):
    """
    Who saw more adds what is more; who saw less adds nothing, nor does a resend.
    """
    one = account(clean_server, limit)
    assert one.heal("a", 7, 3, rest(limit, 3)) == 3
    assert one.heal("a", 9, 5, rest(limit, 5)) == 2
    assert one.heal("a", 9, 5, rest(limit, 5)) == 0
    assert one.heal("a", 8, 9, rest(limit, 9)) == 0
    assert left(one) == 5


@EACH
def test_several_lives_add_up_to_the_capacity(clean_server, limit):
    """
    Four and four are eight; four more fill it.
    """
    one = account(clean_server, limit)
    assert one.heal("a", 7, 4, rest(limit, 4)) == 4
    assert one.heal("b", 1, 4, rest(limit, 4)) == 4
    assert left(one) == 2
    assert one.heal("c", 1, 4, rest(limit, 4)) == 2
    assert left(one) == 0


def test_who_ends_later_is_not_crowded_out_by_who_ends_sooner(clean_server):
    """
    A full ghost that ends in a second leaves room for one that ends in nine.
    """
    one = account(clean_server, LIMITS["window"])
    one.heal("a", 7, 10, 1.0)
    assert one.heal("b", 7, 10, 9.0) == 10
    one.now += 2 * SECOND
    assert left(one) == 0
    one.now += 7 * SECOND
    assert left(one) == 10


def test_a_window_is_told_in_two_parts(clean_server):
    """
    What had acted leaves first, what was ahead when its window is over.
    """
    one = account(clean_server, LIMITS["window"])
    one.heal("a", 7, 6, 4.0, ahead=3, last_us=12.0)
    assert left(one) == 1
    one.now += 4 * SECOND
    assert left(one) == 7
    one.now += 8 * SECOND
    assert left(one) == 10


def test_turns_booked_far_ahead_keep_a_bucket_busy(clean_server):
    """
    A debt that is paid in thirty seconds, where ten fill it: the next goes in 21.
    """
    one = account(clean_server, LIMITS["bucket"])
    one.heal("a", 7, 10, 30.0)
    assert one.acquire(1).decision.retry_after == pytest.approx(21.0)


def test_a_period_that_is_over_is_not_told(clean_server):
    """
    What was counted yesterday does not count today; of tomorrow it counts tomorrow.
    """
    one = account(clean_server, LIMITS["day"])
    assert one.heal("a", 7, 5, 0.5) == 0
    assert one.heal("b", 7, 5, DAY, ahead=4) == 5
    assert left(one) == 5
    one.now += DAY * SECOND
    assert left(one) == 6


def test_a_field_that_lacks_its_end_begins_another_life(clean_server):
    """
    Who remembers an older state's lost end is told by the epoch that there is news.
    """
    one = account(clean_server, LIMITS["window"])
    epoch = one.acquire(2).lives[0].epoch
    one.heal("a", 7, 1, 9.0)
    assert one.acquire(1).lives[0].epoch == epoch  # another life's end is no news
    one.heal(epoch, 7, 1, 9.0)
    assert one.acquire(1).lives[0].epoch != epoch


def test_a_cool_down_is_told_and_never_shortened(clean_server):
    """
    The longer one holds.
    """
    one = account(clean_server, LIMITS["window"])
    one.heal("a", 7, 1, 9.0, cool=5.0)
    assert one.acquire(1).decision.retry_after == 5.0
    one.heal("b", 7, 1, 9.0, cool=2.0)
    assert one.acquire(1).decision.retry_after == 5.0


def test_a_reset_closes_all_lives_that_were(clean_server):
    """
    Neither what was reset comes back, nor what it had been told, nor a cool-down.
    """
    one = account(clean_server, LIMITS["window"])
    one.heal("a", 7, 5, 9.0)
    epoch = one.acquire(2).lives[0].epoch
    one.reset(known=[("z" * 20, 10 * SECOND)])
    for letter in "az":
        assert one.heal(letter, 99, 9, 9.0, cool=9.0) == 0
    assert one.acquire(1).lives[0].epoch != epoch
    assert left(one) == 9


def test_what_nobody_remembers_counts_only_where_nobody_does(clean_server):
    """
    A life of which nothing is known (seq 0) changes nothing that somebody told.
    """
    one = account(clean_server, LIMITS["window"])
    assert one.heal("a", 7, 5, 9.0) == 5
    assert one.heal("b", 0, 10, 9.0) == 0
    other = Account(clean_server.client(), LIMITS["window"], key="paceline:1:{other}")
    assert other.heal("b", 0, 10, 9.0) == 10


def test_ghosts_follow_a_clock_that_steps_back(clean_server):
    """
    They end after as long as before the step.
    """
    one = account(clean_server, LIMITS["window"])
    one.heal("a", 7, 5, 9.0)
    one.now -= 3600 * SECOND
    assert one.peek()[0].reset_after == 9.0
    assert one.heal("a", 8, 6, 9.0) == 1
    assert left(one) == 4


def test_an_answer_tells_what_is_booked_ahead(clean_server):
    """
    Ten acted and are gone in ten seconds; three are to come.
    """
    one = account(clean_server, LIMITS["window"])
    assert one.acquire(10).halves == ()
    assert one.acquire(3, 20.0).halves == ((one.policy.limits[0], 3, 10, 10 * SECOND),)
