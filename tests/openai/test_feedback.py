"""What providers say of their limits, in headers as they send them."""

import pytest

from paceline._provider.feedback import (
    Reading,
    duration,
    raw_readings,
    readings,
    retry_after,
)

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1m6.4s", 66.4),
        ("17.28s", 17.28),
        ("20ms", 0.02),
        ("1h2m3s", 3723.0),
        ("2m59.56s", 179.56),
        ("8.64s", 8.64),
        ("59µs", 59e-6),
        ("0s", 0.0),
        ("12", 12.0),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("6m0", None),
        ("1s nonsense", None),
    ],
)
def test_a_reset_is_a_go_duration_or_seconds(text, seconds):
    """
    All shapes that OpenAI and Azure send are read, and nothing else.
    """
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1250", "retry-after": "2"}, 1.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:59:00 GMT"}, 0.0),
        ({"retry-after": "later"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after_comes_in_three_forms(headers, seconds):
    """
    Milliseconds go before seconds, seconds before a date.
    """
    assert retry_after(headers, NOW) == seconds


def of(limit, remaining, reset, unit="tokens"):
    return {
        f"x-ratelimit-limit-{unit}": str(limit),
        f"x-ratelimit-remaining-{unit}": str(remaining),
        f"x-ratelimit-reset-{unit}": reset,
    }


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "per"),
    [
        (5000, 4999, "12ms", 60.0),
        (160_000, 159_976, "9ms", 60.0),
        (10_000, 9_481, "3.114s", 60.0),
        (200_000, 199_978, "6ms", 60.0),
        (10_000, 9_999, "8.64s", 86_400.0),
        (100, 100, "0s", None),
        (100, 50, "soon", None),
    ],
)
def test_the_window_is_inferred_from_what_is_missing(limit, remaining, reset, per):
    """
    Requests per minute and per day come under one name; the reset tells them apart.
    """
    (reading,) = readings(of(limit, remaining, reset, "requests"), NOW)
    assert (reading.limit, reading.remaining, reading.per) == (limit, remaining, per)


def test_absent_and_negative_values_are_unknown():
    """
    Azure's -1, -1 and 0 is no account that is empty.
    """
    assert readings(of(-1, -1, "0"), NOW) == ()
    assert readings(of(0, 0, "0"), NOW) == ()
    assert readings({"x-ratelimit-remaining-tokens": "5"}, NOW) == (
        Reading("tokens", remaining=5),
    )
    assert readings({"content-type": "application/json"}, NOW) == ()


def test_an_answer_from_a_cache_says_nothing_of_now():
    """
    It has an age, and repeats what a provider said of its limits some time ago.
    """
    said = {"x-ratelimit-limit-tokens": "600", "x-ratelimit-remaining-tokens": "599"}
    assert readings(said, NOW) == (Reading("tokens", 600, 599),)
    assert readings({"Age": "3", **said}, NOW) == ()
    assert readings({**said, "age": "0"}, NOW) == ()


def test_a_projects_limit_stands_beside_the_organisations():
    """
    x-ratelimit-*-project-tokens counts tokens too, and is told apart.
    """
    headers = of(1000, 900, "6s") | of(500, 400, "12s", "project-tokens")
    organisation, project = readings(headers, NOW)
    assert (organisation.unit, organisation.project) == ("tokens", False)
    assert (project.unit, project.limit, project.project) == ("tokens", 500, True)


def test_anthropic_tells_a_date_and_two_kinds_of_tokens():
    """
    The units are input_tokens and output_tokens, the reset is an instant.
    """
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "30000",
        "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:15Z",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
    }
    tokens, requests = readings(headers, NOW)
    assert tokens == Reading("input_tokens", 40_000, 30_000, 15.0, 60.0)
    assert requests == Reading("requests", 50, 49)


@pytest.mark.parametrize(
    ("headers", "reading"),
    [
        (
            {"ratelimit": '"a";r=50;t=30', "ratelimit-policy": '"a";q=100;w=60'},
            Reading("requests", 100, 50, 30.0, 60.0),
        ),
        (
            {
                "ratelimit": '"t";r=5;t=3',
                "ratelimit-policy": '"x";q=1;w=1, "t";q=9;w=60;qu="tokens"',
            },
            Reading("tokens", 9, 5, 3.0, 60.0),
        ),
        (
            {"ratelimit": "limit=100, remaining=50, reset=30"},
            Reading("requests", 100, 50, 30.0, 60.0),
        ),
        (
            {
                "ratelimit-limit": "100, 100;w=60",
                "ratelimit-remaining": "50",
                "ratelimit-reset": "30",
            },
            Reading("requests", 100, 50, 30.0, 60.0),
        ),
    ],
)  # fmt: skip
def test_the_ietf_drafts_are_read(headers, reading):
    """
    The structured fields of the newest draft, and two older forms.
    """
    assert readings(headers, NOW) == (reading,)


def test_what_remains_later_is_refilled_continuously_up_to_the_limit():
    """
    A bound: one unit more than the refill, and never above the limit.
    """
    reading = Reading("tokens", 6000, 1000, 50.0, 60.0)
    assert reading.later(0.0) == 1001
    assert reading.later(10.0) == 2001
    assert reading.later(1e6) == 6000
    assert Reading("tokens", None, 7).later(10.0) == 7
    assert Reading("tokens", 6000).later(10.0) is None


@pytest.mark.parametrize(
    "headers",
    [
        of(1000, 900, "6s") | of(500, 400, "12s", "project-tokens"),
        of(-1, -1, "0"),
        {"anthropic-ratelimit-requests-limit": "50"},
        {"ratelimit": '"a";r=50;t=30', "ratelimit-policy": '"a";q=100;w=60'},
        {"content-type": "application/json", "x-ratelimit-odd": "é"},
        of(1000, 900, "6s") | {"age": "3"},
    ],
)
def test_headers_say_the_same_as_bytes(headers):
    """
    Whatever the case of their names, and if a list came in several lines.
    """
    raw = [
        (name.title().encode(), part.encode("latin-1"))
        for name, value in headers.items()
        for part in value.split(", ")
    ]
    assert raw_readings([(b"Server", b"\xff"), *raw], NOW) == readings(headers, NOW)
