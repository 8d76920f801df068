"""How fast a process goes after a refusal. Moments are arguments: nothing sleeps."""

import pytest

from paceline.openai._pace import Pace, cool_down

FOREVER = float("inf")


@pytest.mark.parametrize(
    ("wait", "dice", "seconds"),
    [
        (20.0, 0.0, 20.0),
        (20.0, 1.0, 22.0),
        (0.1, 1.0, 0.15),
        (600.0, 1.0, 605.0),
        (None, 0.0, 1.0),
        (1e9, 0.0, 86_400.0),
    ],
)
def test_a_cool_down_is_at_least_what_the_server_asks(wait, dice, seconds):
    """
    A tenth more at most, 50 ms to 5 s, by the dice; without a word, a second.
    """
    assert cool_down(wait, dice) == pytest.approx(seconds)


def turns(pace, now, count):
    return [round(pace.turn(now, FOREVER), 6) for _ in range(count)]


def test_without_a_refusal_nobody_waits():
    """
    The limiter alone says when to go.
    """
    assert turns(Pace(), 5.0, 100) == [0.0] * 100


def test_after_a_cool_down_calls_go_one_by_one():
    """
    At the rate at which the provider refills, for as long as the cool-down lasted.
    """
    pace = Pace()
    pace.refused(100.0, seconds=2.0, refill=0.12)
    assert turns(pace, 100.0, 4) == [2.0, 2.12, 2.24, 2.36]
    assert turns(pace, 102.4, 2) == [0.08, 0.2]
    assert turns(pace, 104.1, 3) == [0.0, 0.0, 0.0]
    assert pace.alarms == 1


def test_twenty_waiters_spread_over_a_second_if_the_refill_is_unknown():
    """
    Fifty milliseconds apart.
    """
    pace = Pace()
    pace.refused(0.0, seconds=1.0, refill=0.0)
    assert turns(pace, 0.0, 20)[-1] == pytest.approx(1.95)


def test_a_turn_that_comes_too_late_is_not_taken():
    """
    Who is refused for it delays nobody.
    """
    pace = Pace()
    pace.refused(0.0, seconds=5.0, refill=1.0)
    assert pace.turn(0.0, 1.0) == 5.0
    assert pace.turn(0.0, 1.0) == 5.0
    assert pace.turn(0.0, 6.0) == 5.0
    assert pace.turn(0.0, 6.0) == 6.0


def test_a_later_refusal_never_shortens_an_earlier_one():
    """
    Refusals of calls that ran at the same time come in any order.
    """
    pace = Pace()
    pace.refused(0.0, seconds=5.0, refill=0.1)
    pace.refused(0.1, seconds=0.1, refill=0.1)
    assert pace.turn(0.2, FOREVER) == pytest.approx(4.8)


def test_slow_down_halves_the_rate_that_was_used():
    """
    Ten calls a second become five; a burst of signals is one.
    """
    pace = Pace()
    for number in range(100):
        pace.started(number / 10)
    pace.slow_down(10.0)
    pace.slow_down(10.5)
    assert pace.factor == 0.5
    assert turns(pace, 10.0, 3) == pytest.approx([0.0, 0.2, 0.4], rel=0.02)


def test_the_rate_recovers_by_a_constant_step():
    """
    A twentieth of the former rate every three seconds, and then it is free again.
    """
    pace = Pace()
    for number in range(100):
        pace.started(number / 10)
    pace.slow_down(10.0)
    assert pace.share(13.0) == pytest.approx(0.55)
    assert pace.share(25.0) == pytest.approx(0.75)
    assert pace.share(40.0) == 1.0
    assert turns(pace, 40.0, 3) == [0.0, 0.0, 0.0]


def test_slow_down_again_halves_what_had_recovered():
    """
    Multiplicative down, additive up, and never below a 64th.
    """
    pace = Pace()
    pace.started(0.0)
    pace.slow_down(1.0)
    pace.slow_down(13.0)
    assert pace.factor == pytest.approx(0.35)
    for number in range(20):
        pace.slow_down(15.0 + 2 * number)
    assert 1 / 64 <= pace.factor < 0.1
