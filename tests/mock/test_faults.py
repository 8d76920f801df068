"""Orders to fail: how they are read, whom they meet, and how often."""

import pytest

from paceline import ConfigError
from paceline.mock.faults import Fault, Faults
from paceline.mock.quota import SECOND_NS


def take(faults, *requests):
    """Tell the name of the error that each request (key, model) meets."""
    met = [faults.take(key, model) for key, model in requests]
    return [fault and fault.name for fault in met]


def test_an_order_is_for_everybody_and_for_good():
    """
    Without a rule, all requests meet it.
    """
    faults = Faults(["server_error"], str)
    assert take(faults, ("a", "m"), ("b", "n"), ("a", "m")) == ["server_error"] * 3


def test_an_order_can_be_for_a_key_or_a_model():
    """
    Or for both; others pass.
    """
    faults = Faults(
        ["server_error key=a", "conflict model=n", "timeout key=b model=m"], str
    )
    requests = [("a", "m"), ("b", "n"), ("b", "m"), ("c", "m")]
    assert take(faults, *requests) == ["server_error", "conflict", "timeout", None]


def test_an_order_can_be_for_the_next_few():
    """
    It is gone when they have met it.
    """
    faults = Faults(["server_error next=2"], str)
    assert take(faults, *[("a", "m")] * 3) == ["server_error", "server_error", None]
    assert faults.report() == []


def test_an_order_can_let_some_pass_first():
    """
    Only those count that it is meant for.
    """
    faults = Faults(["server_error key=a after=1 next=1"], str)
    requests = [("b", "m"), ("a", "m"), ("b", "m"), ("a", "m"), ("a", "m")]
    assert take(faults, *requests) == [None, None, None, "server_error", None]


def test_of_several_orders_the_oldest_is_met():
    """
    A sequence of errors is a sequence of orders.
    """
    faults = Faults(["conflict next=1", "timeout next=1"], str)
    faults.add(["server_error"])
    requests = [("a", "m")] * 4
    assert take(faults, *requests) == ["conflict", "timeout", *["server_error"] * 2]
    faults.clear()
    assert take(faults, ("a", "m")) == [None]


def test_what_is_to_come_is_told_without_the_key():
    """
    By its label, as everywhere.
    """
    faults = Faults(["conflict key=sk-1 model=m after=2 next=3"], lambda _: "key-1")
    assert faults.report() == [
        {"error": "conflict", "key": "key-1", "model": "m", "after": 2, "next": 3}
    ]


def test_one_wrong_order_is_none_taken():
    """
    All or none.
    """
    faults = Faults([], str)
    with pytest.raises(ConfigError):
        faults.add(["server_error", "what"])
    assert faults.report() == []


@pytest.mark.parametrize(
    ("wait", "wait_ns"),
    [
        ("17ms", 17_000_000),
        ("6m0s", 360 * SECOND_NS),
        ("6m", 360 * SECOND_NS),
        ("1m6.4s", 66_400_000_000),
        ("17.28s", 17_280_000_000),
        ("1h2m3s", 3_723 * SECOND_NS),
        ("1s5ms", 1_005_000_000),
        ("121", 121 * SECOND_NS),
        ("0.5", SECOND_NS // 2),
        ("0", 0),
    ],
)
def test_a_wait_is_written_as_go_does_or_in_seconds(wait, wait_ns):
    """
    To the nanosecond.
    """
    assert Fault.read(f"slow_down_503 wait={wait}").wait_ns == wait_ns


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no error is called ''"),
        ("oops", "no error is called 'oops'"),
        ("conflict next", "no option 'next'"),
        ("conflict next=", "no option 'next='"),
        ("conflict next=1 next=2", "no option 'next=2'"),
        ("conflict colour=red", "no option 'colour=red'"),
        ("conflict next=-1", "'-1' is no number"),
        ("conflict after=x", "'x' is no number"),
        ("conflict next=" + "9" * 5_000, "is no number"),
        ("conflict wait=6q", "'6q' is no time"),
        ("conflict wait=-1", "'-1' is no time"),
        ("conflict wait=s", "'s' is no time"),
        ("conflict headers=some", "'some' is no way"),
        ("conflict retry=maybe", "retry=maybe"),
        ("conflict status=200", "status=200"),
        ("conflict status=600", "status=600"),
        ("conflict status=x", "status=x"),
        ("hang status=500", "status=500"),
        ("answer_failed status=500", "status=500"),
    ],
)
def test_what_is_no_order_is_refused(text, what):
    """
    With what is wrong, and what could be said instead.
    """
    with pytest.raises(ConfigError) as error:
        Fault.read(text, str)
    assert what in error.value.message
    assert error.value.code == "P156"
    assert error.value.hint


@pytest.mark.parametrize("option", ["key=a", "model=m", "next=1", "after=1"])
def test_a_request_orders_for_itself_alone(option):
    """
    Whom it meets and how often is no question there.
    """
    with pytest.raises(ConfigError, match="has no option"):
        Fault.read(f"conflict {option}")
