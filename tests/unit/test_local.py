"""The shares of an outage, on a clock of the test's own."""

from math import inf

import pytest

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from paceline._local import BUSY, Known, open_share
from paceline._log import Log, span_of

NOW = 1_000.0


def share(limit, used=(), **known):
    """Open the share of a process that used so much at some moments before NOW."""
    log = Log(span_of(limit))
    for moment, units in used:
        log.add(moment, units)
    facts = {
        "used": log.used(NOW),
        "clients": 4,
        "others": 5,
        "remaining": 0,
        "until": NOW,
        **known,
    }
    held = facts.pop("held", 0)
    return open_share(limit, Known(log, **facts), NOW, lambda: held)


def granted(share, seconds, step=0.25, units=1):
    """Take all that there is, looking every so often; return the moments."""
    moments, now = [], NOW
    while now < NOW + seconds:
        share.tick(now)
        while share.earliest(now, units) <= now:
            share.book(now, units)
            moments.append(now)
        now += step
    return moments


def most_inside(moments, length):
    return max(
        sum(start <= each < start + length for each in moments) for start in moments
    )


@pytest.mark.parametrize(("used", "most"), [(0, 0), (3, 3), (10, 10), (40, 10)])
def test_a_window_is_what_was_used_of_it_and_at_most_an_equal_part(used, most):
    """
    Forty of it among four: ten; and no window across the edge holds more than before.
    """
    before = [(NOW - 0.5, used)]
    some = share(SlidingWindow(40, 10.0), before)
    moments = granted(some, 60)
    assert not moments or min(moments) >= NOW + 9.5 or used < 10
    every = [at for at, units in before for _ in range(units)] + moments
    assert not every or most_inside(every, 10.0) <= max(used, most)
    assert not moments or most_inside(moments, 10.0) <= most


def test_a_window_that_a_process_has_for_itself_is_its_own():
    """
    Alone it goes on with all of it, less what it used.
    """
    alone = share(SlidingWindow(40, 10.0), [(NOW - 5, 15)], clients=1, others=0)
    assert len([at for at in granted(alone, 4) if at == NOW]) == 25


def test_what_is_not_used_shrinks_by_half_a_window():
    """
    Who is there is known less and less.
    """
    some = share(SlidingWindow(64, 10.0), [(NOW - 1, 16)])
    assert some.left(NOW + 9.5) == 16
    lefts = []
    for window in range(1, 5):
        now = NOW + 10.0 * window + 5
        some.tick(now)
        lefts.append(some.left(now))
    assert lefts == [8, 4, 2, 1]


def test_a_booking_that_is_undone_is_as_if_it_had_not_been():
    """
    Of every kind.
    """
    window = share(SlidingWindow(40, 10.0), [(NOW - 9.99, 10)])
    places = share(Concurrency(8))
    budget = share(CalendarWindow(80, "day"), remaining=40, until=NOW + 100)
    for each in (window, places, budget):
        before = each.left(NOW + 1)
        each.book(NOW + 1, 2)
        assert each.left(NOW + 1) == before - 2
        each.undo(NOW + 1, 2)
        assert each.left(NOW + 1) == before


def test_a_long_window_and_a_day_are_parts_of_what_was_left():
    """
    And an equal part of the limit from the next period on.
    """
    day = share(CalendarWindow(80, "day"), remaining=40, until=NOW + 100)
    assert day.earliest(NOW, 11) == NOW + 100
    assert day.earliest(NOW, 10) == NOW
    day.book(NOW, 10)
    assert day.earliest(NOW + 1, 1) == NOW + 100
    day.tick(NOW + 100)
    assert day.left(NOW + 100) == 20
    assert day.earliest(NOW + 100, 21) == inf
    hour = share(SlidingWindow(80, 3_600.0), [(NOW - 1, 30)], remaining=8)
    assert len(granted(hour, 100)) == 2


def test_what_is_booked_for_the_next_day_is_part_of_it():
    """
    Nobody uses one part twice.
    """
    day = share(CalendarWindow(80, "day"), remaining=0, until=NOW + 100)
    day.book(NOW + 100, 15)
    day.tick(NOW + 100)
    assert day.left(NOW + 100) == 5


def test_a_bucket_begins_empty_and_has_a_part_of_rate_and_burst():
    """
    A fourth of 8 a second with a burst of 8, of which it used much.
    """
    some = share(TokenBucket(8, 1.0, burst=8), [(NOW - 0.5, 16)])
    assert some.left(NOW) == 0
    moments = granted(some, 10)
    assert len(moments) == pytest.approx(20, abs=2)
    assert some.earliest(NOW + 20, 3) == inf  # its part of the burst is 2
    assert some.owed(moments[-1], 100) <= 2
    assert some.owed(NOW + 60, 100) == 0
    idle = share(TokenBucket(8, 1.0, burst=8))
    assert granted(idle, 10) == []


def test_places_are_a_part_with_those_that_are_held():
    """
    There is room when one is released; a cost beyond the part never fits.
    """
    some = share(Concurrency(8), held=1)
    assert some.earliest(NOW, 1) == NOW
    some.book(NOW, 1)
    assert some.earliest(NOW, 1) == BUSY
    some.undo(NOW, 1)
    assert some.earliest(NOW, 1) == NOW
    assert some.earliest(NOW, 3) == inf
    assert some.owed(NOW, 5) == 0
