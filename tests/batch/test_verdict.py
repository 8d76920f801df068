"""What follows from how an attempt ended."""

import json

import pytest

from paceline.batch._verdict import Answer, Lost, judge

COST = {"requests": 1, "tokens": 100}
NOW = 1_800_000_000.0


def answer(status, body=b"{}", **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def verdict(came, attempt=1, *, retries=3, refund="never", chance=0.5):
    return judge(
        came, COST, attempt, retries=retries, refund=refund, now=NOW, chance=chance
    )


@pytest.mark.parametrize(
    ("came", "never", "always"),
    [
        (answer(200, {"usage": {"total_tokens": 40}}), {"tokens": 100}, {"tokens": 40}),
        (
            answer(200, {"usage": {"total_tokens": 140}}),
            {"tokens": 140},
            {"tokens": 140},
        ),
        (answer(200, {}), {}, {}),
        (answer(429), {"tokens": 0}, {"tokens": 0}),
        (answer(400), {"tokens": 0}, {"tokens": 0}),
        (answer(500), {}, {"tokens": 0}),
        (answer(503), {"tokens": 0}, {"tokens": 0}),
        (Lost("timeout", "", sent=True), {}, {}),
        (Lost("connection_error", "", sent=False),)
        + ({"requests": 0, "tokens": 0},) * 2,
    ],
)
def test_what_is_posted(came, never, always):
    """
    Less than was reserved only where it is sure that no more was charged: the request
    was refused or never sent, or the provider gives back.
    """
    assert verdict(came).spent == never
    assert verdict(came, refund="always").spent == always


@pytest.mark.parametrize("came", [answer(500), Lost("timeout", "", sent=True)])
def test_pauses_grow_and_differ(came):
    """
    Half a second, doubled each time, at most a minute; half of it is chance.
    """
    for attempt, most in ((1, 0.5), (2, 1.0), (5, 8.0), (20, 60.0)):
        pauses = [
            verdict(came, attempt, retries=99, chance=chance).pause
            for chance in (0.0, 1.0)
        ]
        assert pauses == [most, most / 2]


def test_a_time_that_was_told_is_a_minimum():
    """
    All who were refused would come back together, so each adds up to a tenth.
    """
    refused = answer(429, retry_after="20")
    assert verdict(refused, chance=0.0).pause == 20.0
    assert verdict(refused, chance=1.0).pause == 22.0
    assert verdict(answer(429, retry_after="600"), chance=1.0).pause == 605.0
    assert verdict(answer(500, retry_after="20")).pause == 20.0


def test_only_limits_hold_others_back():
    """
    For as long as was told, or else for this row's own pause; for 31 days at most.
    """
    assert verdict(answer(429, retry_after="20")).cool_down == 20.0
    assert verdict(answer(503), chance=0.0).cool_down == 0.5
    assert verdict(answer(429, retry_after="1e9")).cool_down == 31 * 86_400
    assert verdict(answer(500, retry_after="20")).cool_down == 0.0


@pytest.mark.parametrize(
    "came", [answer(500), answer(429), Lost("timeout", "", sent=True)]
)
def test_the_last_attempt_is_the_last(came):
    """
    With three retries, the fourth.
    """
    kinds = [verdict(came, attempt).kind for attempt in (1, 3, 4)]
    assert kinds == ["retry", "retry", "failed"]


def test_a_limit_holds_others_back_even_when_the_row_is_given_up():
    """
    What it tells is true for them too.
    """
    given_up = verdict(answer(429, retry_after="20"), 4)
    assert (given_up.kind, given_up.cool_down) == ("failed", 20.0)


def test_an_answer_that_is_no_json_is_not_taken_for_one():
    """
    A page of a gateway, with status 200, is not written to the output.
    """
    page = answer(200, b"<html>")
    assert verdict(page).kind == "retry"
    failed = verdict(page, 4)
    assert failed.kind == "failed"
    assert failed.error["code"] == "no_json"
    assert failed.response["body"] == "<html>"


@pytest.mark.parametrize("status", [301, 302, 400, 403, 404, 413, 422])
def test_what_is_neither_an_answer_nor_passing_failed(status):
    """
    Its status is its code where the provider gives none.
    """
    failed = verdict(answer(status))
    assert (failed.kind, failed.stops) == ("failed", False)
    assert failed.error == {"code": f"http_{status}", "message": f"status {status}"}
