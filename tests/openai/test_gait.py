"""How fast all processes go after a refusal. Moments are arguments: nothing sleeps."""

from collections import deque

import pytest

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from paceline.openai._gait import LIFE, Gait, Level, seconds

RATE, STEP = 20.0, 0.05


def test_refusals_that_come_together_halve_the_share_once():
    """
    A second later the next one does.
    """
    gait = Gait()
    assert [gait.refused(at, at) for at in (10.0, 10.4, 11.0)] == [0.5, 0.5, 0.25]
    for later in range(20):
        gait.refused(20.0 + later, 0.0)
    assert gait.share == 1 / 64


def test_a_share_holds_for_half_a_minute_if_nobody_says_more():
    """
    Then the limiter alone says when to go.
    """
    gait = Gait()
    gait.refused(10.0, 10.0)
    assert (gait.now(39.9), gait.now(10.0 + LIFE)) == (0.5, 1.0)
    assert gait.step(50.0) is None


def test_a_halving_that_another_process_told_of_is_not_done_again():
    """
    It is as old as the time for which it has held.
    """
    gait = Gait()
    assert gait.adopt(0.5, LIFE - 0.4, 10.0)
    assert not gait.adopt(0.5, LIFE - 0.5, 10.1)
    assert gait.refused(10.5, 10.5) == 0.5
    assert gait.refused(10.7, 10.7) == 0.25


def test_one_step_a_second_whoever_takes_it():
    """
    What another process told a moment ago must show first.
    """
    gait = Gait()
    gait.adopt(0.5, LIFE - 0.2, 10.0)
    assert gait.step(10.5) is None
    assert gait.step(10.9) == pytest.approx(0.52)


@pytest.mark.parametrize(
    ("before", "after", "faster"),
    [(15, 15, 0), (60, 60, 1), (0, 0, -1), (30, 10, -1), (10, 20, 1)],
)
def test_what_remains_tells_which_way_to_go(before, after, faster):
    """
    A quarter shall remain, and neither rise nor fall.
    """
    gait = Gait()
    gait.refused(0.0, 0.0)
    gait.saw("rpm", Level(8.5, before, 60, RATE))
    gait.saw("rpm", Level(10.0, after, 60, RATE))
    stepped = gait.step(10.0)
    assert (stepped > 0.5) - (stepped < 0.5) == faster if stepped else not faster


def test_the_limit_that_has_least_to_spare_decides():
    """
    Plenty of requests are no tokens.
    """
    gait = Gait()
    gait.refused(0.0, 0.0)
    gait.saw("rpm", Level(10.0, 60, 60, RATE))
    gait.saw("tpm", Level(10.0, 0, 60_000, 1000.0))
    assert gait.step(10.0) < 0.5


@pytest.mark.parametrize("theirs", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("capacity", [60, 1200])
def test_with_a_rival_the_quota_is_shared_without_refusals(capacity, theirs):
    """
    Whatever another uses of it: after the first seconds less than one call in a
    hundred is refused, and nothing is left lying about; all that is decided shows a
    second later.
    """
    gait, known, now, left = Gait(), deque(), 0.0, 0.0
    gait.refused(0.0, 0.0)
    ours = rivals = 0.0
    calls = refused = used = 0
    while now < 120.0:
        now += STEP
        left = min(capacity, left + RATE * STEP)
        known.append((now, gait.now(now)))
        while known[0][0] < now - 1.0:
            known.popleft()
        ours += RATE * STEP * known[0][1]
        rivals += RATE * STEP * theirs
        late = now > 20.0
        while rivals >= 1.0:
            rivals -= 1.0
            used += late and left >= 1.0
            left -= left >= 1.0
        while ours >= 1.0:
            ours -= 1.0
            calls += late
            if left >= 1.0:
                left -= 1.0
                used += late
                gait.saw("rpm", Level(now, int(left), capacity, RATE))
            else:
                refused += late
                gait.refused(now, now)
        gait.step(now)
    assert refused <= calls / 100
    assert used >= 0.95 * RATE * 100.0


def test_a_call_is_worth_the_seconds_in_which_its_cost_refills():
    """
    By the limit that takes longest; a day's is not spread over the day.
    """
    limits = [
        SlidingWindow(600, 60.0),
        TokenBucket(60_000, 60.0, unit="tokens"),
        SlidingWindow(100, 86_400.0),
        CalendarWindow(10, "day"),
        Concurrency(3),
    ]
    assert seconds(limits, {"requests": 1, "tokens": 20}) == pytest.approx(0.1)
    assert seconds(limits, {"requests": 1, "tokens": 500}) == pytest.approx(0.5)
    assert seconds(limits[2:3], {"requests": 1}) == pytest.approx(864.0)
    assert seconds(limits[3:], {"requests": 1}) == pytest.approx(0.05)
