"""OpenAI's words: samples as published, and their grammar."""

import re

import pytest

from paceline.mock.account import Account
from paceline.mock.answers import (
    duration,
    error,
    limit_headers,
    rate_limited,
    retry_headers,
)
from paceline.mock.meter import Refusal, Standing
from paceline.mock.quota import SECOND_NS, Quota

MS_NS = SECOND_NS // 1000
MINUTE = 60 * SECOND_NS
TPM = Quota("tokens", 10_000, MINUTE, 10_000)
RPM = Quota("requests", 500, MINUTE, 500)
GRAMMAR = re.compile(
    r"Rate limit reached for (?P<model>\S+) in organization (?P<org>\S+) on "
    r"(?P<unit>tokens|requests) per (?P<per>min|day) \((?P<short>TPM|RPM|RPD|TPD)\): "
    r"Limit (?P<limit>\d+), Used (?P<used>\d+), Requested (?P<requested>\d+)\. "
    r"Please try again in (?P<wait>[0-9hms.]+)\. Visit \S+ to learn more\."
)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (17 * MS_NS, "17ms"),
        (17 * MS_NS + 1, "18ms"),
        (999 * MS_NS, "999ms"),
        (SECOND_NS, "1s"),
        (1_200 * MS_NS, "1.2s"),
        (17_280 * MS_NS, "17.28s"),
        (3_114 * MS_NS, "3.114s"),
        (60 * SECOND_NS, "1m0s"),
        (360 * SECOND_NS, "6m0s"),
        (179_560 * MS_NS, "2m59.56s"),
        (3_723 * SECOND_NS, "1h2m3s"),
        (86_400 * SECOND_NS, "24h0m0s"),
    ],
)
def test_durations_are_written_as_go_does(nanoseconds, text):
    """
    Rounded up to the millisecond, no part that says nothing.
    """
    assert text == duration(nanoseconds)


# limit, used, requested and the wait, from 429s that people have published.
@pytest.mark.parametrize(
    ("unit", "limit", "used", "requested", "wait"),
    [
        ("tokens", 10_000, 8_554, 3_082, "9.816s"),
        ("tokens", 250_000, 250_000, 149_514, "35.884s"),
        ("requests", 500, 500, 1, "120ms"),
        ("requests", 3, 3, 1, "20s"),
    ],
)
def test_published_refusals_are_reproduced(unit, limit, used, requested, wait):
    """
    The account and the text together say what OpenAI said, but for rounding up.
    """
    account = Account([Quota(unit, limit, MINUTE, limit)])
    account.judge({unit: used}, 0)
    refusal = account.judge({unit: requested}, 0).refusal
    match = GRAMMAR.fullmatch(rate_limited("gpt-4o", refusal)["error"]["message"])
    assert match is not None
    assert [str(limit), str(used), str(requested), wait] == [
        match[part] for part in ("limit", "used", "requested", "wait")
    ]


@pytest.mark.parametrize(
    ("limit", "used", "reset"),
    [(5_000, 1, "12ms"), (160_000, 24, "9ms"), (10_000, 519, "3.114s")],
)
def test_published_resets_are_reproduced(limit, used, reset):
    """
    A reset is the time to refill what is used.
    """
    account = Account([Quota("tokens", limit, MINUTE, limit)])
    standings = account.judge({"tokens": used}, 0).standings
    assert {
        "x-ratelimit-limit-tokens": str(limit),
        "x-ratelimit-remaining-tokens": str(limit - used),
        "x-ratelimit-reset-tokens": reset,
    } == limit_headers(standings)


def test_the_body_of_a_refusal_has_openais_shape():
    """
    The type names the unit, the code the kind.
    """
    error = rate_limited("gpt-4o", Refusal(TPM, 9_000, 2_000, 6 * SECOND_NS))["error"]
    assert GRAMMAR.fullmatch(error.pop("message"))["org"] == "org-mock"
    assert error == {"type": "tokens", "param": None, "code": "rate_limit_exceeded"}


def test_what_can_never_fit_is_told_so():
    """
    There is nothing to try again, and no header that says when.
    """
    refusal = Refusal(TPM, 0, 10_001, None)
    text = rate_limited("gpt-4o", refusal)["error"]["message"]
    assert text.startswith("Request too large for gpt-4o in organization org-mock on ")
    assert "Limit 10000, Requested 10001." in text
    assert "try again" not in text
    assert retry_headers(refusal) == {}


@pytest.mark.parametrize(
    ("wait_ns", "seconds", "ms"),
    [(1, "1", "1"), (SECOND_NS, "1", "1000"), (SECOND_NS + 1, "2", "1001")],
)
def test_the_time_to_come_back_is_rounded_up(wait_ns, seconds, ms):
    """
    Who waits as told is never early.
    """
    headers = retry_headers(Refusal(RPM, 500, 1, wait_ns))
    assert {"retry-after": seconds, "retry-after-ms": ms} == headers


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "requests per sec (RPS)"),
        (3_600, "requests per hour (RPH)"),
        (86_400, "requests per day (RPD)"),
        (0.2, "requests per 200ms:"),
    ],
)
def test_every_period_has_words(seconds, words):
    """
    Periods that OpenAI does not have are written out.
    """
    quota = Quota("requests", 1, int(seconds * SECOND_NS), 1)
    message = rate_limited("m", Refusal(quota, 1, 1, 1))["error"]["message"]
    assert words in message


def test_of_two_limits_on_a_unit_the_headers_show_the_nearer():
    """
    What a client can act on is the limit that it will meet first.
    """
    day = Quota("requests", 10_000, 86_400 * SECOND_NS, 10_000)
    headers = limit_headers([Standing(day, 9, 5), Standing(RPM, 400, 7)])
    assert headers["x-ratelimit-limit-requests"] == "10000"
    assert headers["x-ratelimit-remaining-requests"] == "9"


def test_other_errors_are_invalid_requests():
    """
    The four fields are always there.
    """
    assert error("no") == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }
