"""The errors as values: their texts, their kinds, and that they travel."""

import copy
import pickle

import pytest

from paceline import (
    ConfigError,
    CostError,
    CostTooLarge,
    Decision,
    LimitStatus,
    MisuseError,
    PacelineError,
    RateLimitExceeded,
    StoreError,
    StoreUnavailable,
)

DECISION = Decision(
    allowed=False,
    retry_after=1.5,
    limit="requests/min",
    statuses=(LimitStatus("requests/min", "requests", 5, 0, 60.0),),
)
CODES = {
    PacelineError: "P000",
    CostError: "P302",
    CostTooLarge: "P303",
    StoreError: "P202",
    StoreUnavailable: "P201",
    ConfigError: "P101",
    MisuseError: "P501",
}
ERRORS = [
    *(kind("it failed", hint="do this") for kind in CODES),
    ConfigError("it failed", code="P103"),
    RateLimitExceeded("too late", decision=DECISION, hint="wait longer"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "travel",
    [copy.copy, copy.deepcopy]
    + [
        lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ],
)
def test_errors_survive_a_process_boundary(error, travel):
    """A pickled or copied error has the same kind, text and attributes."""
    arrived = travel(error)
    assert type(error) is type(arrived)
    assert (str(error), error.args) == (str(arrived), arrived.args)
    assert vars(error) == vars(arrived)


def test_a_decision_arrives_with_its_error():
    """What the limits said is still there on the other side."""
    error = RateLimitExceeded("too late", decision=DECISION)
    assert pickle.loads(pickle.dumps(error)).decision == DECISION


def test_notes_arrive_with_their_error():
    """What a caller added with add_note() is not lost on the way."""
    error = ConfigError("it failed")
    error.add_note("in worker 3")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["in worker 3"]


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_kind_has_a_code(kind, code):
    """A code is stable, and an error may have a finer one than its kind."""
    assert code == kind("x").code
    assert kind("x", code="P999").code == "P999"


def test_a_late_turn_has_its_code():
    """RateLimitExceeded is P301."""
    assert RateLimitExceeded("x", decision=DECISION).code == "P301"


def test_the_text_is_code_message_and_hint():
    """What happened comes first, what to do about it on a line of its own."""
    assert (
        str(ConfigError("no limits", hint="Give some."))
        == "[P101] no limits\n  Give some."
    )


def test_without_a_hint_the_text_is_one_line():
    """An error without a hint ends with its message."""
    assert str(MisuseError("closed")) == "[P501] closed"


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (CostTooLarge, (CostError, ValueError)),
        (CostError, (ValueError,)),
        (ConfigError, (ValueError,)),
        (StoreUnavailable, (StoreError,)),
    ],
)
def test_errors_can_be_caught_by_a_wider_kind(kind, parents):
    """Bad values are ValueErrors too, and everything is a PacelineError."""
    for parent in (*parents, PacelineError):
        assert issubclass(kind, parent)
