"""Limits as texts: what is read, what is refused, and what is suggested then."""

import re

import pytest
from hypothesis import example, given, settings, strategies as st

from paceline import (
    CalendarWindow,
    Concurrency,
    ConfigError,
    SlidingWindow,
    TokenBucket,
)
from paceline._format import format_limit
from paceline._parse import parse_limit
from paceline._suggest import closest, listed, shown

# How long an example takes depends on the machine.
CHECKS = settings(deadline=None, max_examples=150)


def refusal(text):
    with pytest.raises(ConfigError) as caught:
        parse_limit(text)
    return caught.value


def suggestion(error):
    found = re.match(r'Did you mean "(.*)"\?', error.hint)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("500/min", SlidingWindow(500, 60)),
        ("500 requests/min", SlidingWindow(500, 60)),
        ("1 request/s", SlidingWindow(1, 1)),
        ("5 req/sec", SlidingWindow(5, 1)),
        ("5 reqs per second", SlidingWindow(5, 1)),
        ("30k tokens/min", SlidingWindow(30_000, 60, unit="tokens")),
        ("30K tok/minute", SlidingWindow(30_000, 60, unit="tokens")),
        ("1 token/ms", SlidingWindow(1, 0.001, unit="tokens")),
        ("2M tokens/day", SlidingWindow(2_000_000, 86_400, unit="tokens")),
        ("2 M toks/d", SlidingWindow(2_000_000, 86_400, unit="tokens")),
        ("1.5M tokens/min", SlidingWindow(1_500_000, 60, unit="tokens")),
        ("90G/week", SlidingWindow(90_000_000_000, 604_800)),
        ("1b/weeks", SlidingWindow(1_000_000_000, 604_800)),
        ("1 per 200ms", SlidingWindow(1, 0.2)),
        ("1 request per 200 ms", SlidingWindow(1, 0.2)),
        ("1,000 requests / 10s", SlidingWindow(1000, 10)),
        ("1_000_000/2 hours", SlidingWindow(1_000_000, 7200)),
        ("5 per 1s", SlidingWindow(5, 1)),
        ("5/1.5h", SlidingWindow(5, 5400)),
        ("5 per hr", SlidingWindow(5, 3600)),
        ("5/30 days", SlidingWindow(5, 2_592_000)),
        ("2.0/s", SlidingWindow(2, 1)),
        ("007/s", SlidingWindow(7, 1)),
        ("3 input_tokens/min", SlidingWindow(3, 60, unit="input_tokens")),
        ("3 Images Per 10 SECONDS", SlidingWindow(3, 10, unit="images")),
        ("  5  /  s  ", SlidingWindow(5, 1)),
        ("5\u00a0requests\t/\nmin", SlidingWindow(5, 60)),
        ("500/min burst 50", TokenBucket(500, 60, 50)),
        ("30k tokens/min BURST 1.5k", TokenBucket(30_000, 60, 1500, "tokens")),
        ("10k/day calendar", CalendarWindow(10_000, "day")),
        ("10k per 1 week calendar", CalendarWindow(10_000, "week")),
        ("5 tokens/d Calendar UTC", CalendarWindow(5, "day", unit="tokens")),
        (
            "1M tokens/month calendar Europe/Paris",
            CalendarWindow(1_000_000, "month", "Europe/Paris", "tokens"),
        ),
        ("5/months calendar europe/paris", CalendarWindow(5, "month", "Europe/Paris")),
        ("5/day calendar EUROPE/PARIS", CalendarWindow(5, "day", "Europe/Paris")),
        ("5/day calendar Etc/GMT+5", CalendarWindow(5, "day", "Etc/GMT+5")),
    ],
)
def test_texts_that_are_limits(text, limit):
    """Each way to write a limit gives the same value as its constructor."""
    assert limit == parse_limit(text)


@pytest.mark.parametrize(
    ("text", "part", "meant"),
    [
        ("500 req/mn", "mn", "500 req/min"),
        ("500/m", "m", "500/min"),
        ("500 / minuts", "minuts", "500 / minutes"),
        ("500/mo", "mo", "500/month calendar"),
        ("5/w", "w", "5/week"),
        ("5 per 2 milliseconds", "milliseconds", "5 per 2 ms"),
        ("500/us", "us", None),
        ("500 per year", "year", None),
        ("2m tokens/day", "m", "2M tokens/day"),
        ("2 m/day", "m", "2 M/day"),
        ("500m", "m", "500/min"),
        ("500", "", "500/min"),
        ("500 requests", "", "500 requests/min"),
        ("500 rpm", "rpm", "500 requests/min"),
        ("30k TPM", "TPM", "30k tokens/min"),
        ("10k rpd", "rpd", "10k requests/day"),
        ("500 min", "min", "500/min"),
        ("500 requests min", "min", "500 requests/min"),
        ("500 req mn", "mn", "500 req/min"),
        ("500 requests a minute", "a", "500 requests per minute"),
        ("500 a day", "a", "500 per day"),
        ("500 requests each hour", "each", "500 requests per hour"),
        ("500 input tokens/min", "tokens", "500 input_tokens/min"),
        ("500, min", ",", "500/min"),
        ("1,00/min", "1,00", "100/min"),
        ("10,5k/min", "10,5", "10.5k/min"),
        ("1_0/s", "1_0", "10/s"),
        ("5./s", "5.", None),
        ("500requests/min", "requests", "500 requests/min"),
        ("30ktokens/min", "ktokens", "30k tokens/min"),
        ("5min", "min", "5/min"),
        ("0.5/s", "0.5", "1 request per 2s"),
        ("1.2345k tokens/min", "1.2345k", "2,469 tokens per 2min"),
        ("0.5/min burst 3", "0.5", "1 request per 2min burst 3"),
        ("0.001/day", "0.001", None),
        ("0.5/day calendar", "0.5", None),
        ("5/min burst 1.5", "1.5", None),
        ("10k/month", "month", "10k/month calendar"),
        ("10k per 2 months", "months", None),
        ("10k/hour calendar", "hour", "10k/hour"),
        ("10k per 2 days calendar", "2 days", "10k per 2 days"),
        ("500/min tokens", "tokens", "500 tokens/min"),
        ("500/min brust 50", "brust", "500/min burst 50"),
        ("500/min burst", "", None),
        ("500/min burst of 50", "of", "500/min burst 50"),
        ("500/min burst=50", "=", "500/min burst 50"),
        ("500/min, burst 50", ",", "500/min burst 50"),
        ("500/min burst 5 calendar", "calendar", None),
        ("1 per 10", "", "1 per 10s"),
        ("500/", "", "500/min"),
        ("500//min", "/", "500/ min"),
        ("500 per", "", "500 per min"),
        ("1M/day calendar Europe/Pris", "Europe/Pris", "1M/day calendar Europe/Paris"),
        ("5/day calendar Mars/Base", "Mars/Base", None),
        (
            "5/day calendar America/New York",
            "America/New York",
            "5/day calendar America/New_York",
        ),
        ("0/min", "0", None),
        ("100G/s", "100G", None),
        ("5G/s burst 5", "5G", None),
        ("5/s burst 5G", "5G", None),
        ("5/0s", "0s", None),
        ("5/0.5 ms", "0.5 ms", None),
        ("5/40 days", "40 days", None),
        ("-5/min", "-", None),
        ("ten/min", "ten", None),
        ("500 / min.", ".", None),
        (".5M/min", ".", None),
        ("5 " + "x" * 33 + "/min", "x" * 33, None),
        ("1,234k k/min", "k", None),
        ("\u0661/min", "\u0661", None),
        ("5 \u212aelvins/min", "\u212a", None),
        ("/min", "/", None),
    ],
)
def test_texts_that_are_no_limits(text, part, meant):
    """The caret is under the offending part, and a suggestion is what was meant."""
    error = refusal(text)
    assert error.code == "P103"
    line, mark = error.caret.split("\n")
    assert part == line[mark.index("^") : mark.rindex("^") + 1].strip()
    assert meant == suggestion(error)
    assert '"30k tokens/min"' in error.hint


def test_the_whole_text_of_an_error():
    """An error shows the text, marks the part, suggests, and gives examples."""
    assert str(refusal("500 req/mn")) == (
        "[P103] cannot read a limit: "
        "no such period; there are ms, s, min, h, day, week\n"
        "    500 req/mn\n"
        "            ^^\n"
        '  Did you mean "500 req/min"?\n'
        '  Write it like "500/min", "30k tokens/min", "1 per 200ms", '
        '"500/min burst 50", "10k/day calendar" or "32 concurrent".'
    )


@pytest.mark.parametrize(
    "text",
    [
        "32 concurrent",
        "32 Concurrent requests",
        "32 requests concurrent",
        "32 concurrent calls",
        "32 concurrency",
    ],
)
def test_calls_at_a_time(text):
    """A limit on concurrent calls has no period."""
    assert parse_limit(text) == Concurrency(32)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("32 tokens concurrent", "32 concurrent"),
        ("32 concurrent/min", "32 concurrent"),
        ("32 concurrent lease 5", "32 concurrent"),
    ],
)
def test_what_is_no_limit_on_calls_at_a_time(text, meant):
    """Only calls are concurrent, and without a period."""
    assert suggestion(refusal(text)) == meant


def test_a_month_is_explained():
    """A month without a calendar is refused with both ways out."""
    error = refusal("10k/month")
    assert '"30 days"' in error.message
    assert '"calendar"' in error.message


@pytest.mark.parametrize("text", ["", "  ", "5" * 5000, "5/min" + " " * 300, "x" * 201])
def test_texts_too_short_or_too_long(text):
    """Nothing, and what nobody writes, is refused without being shown in full."""
    error = refusal(text)
    assert error.code == "P103"
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "text", ["5" * 199 + "/", "5/" + "9" * 197, "1." + "0" * 190 + "1/s"]
)
def test_numbers_of_many_digits_are_refused(text):
    """A number of 200 digits is out of range, not a crash."""
    assert refusal(text).code == "P103"


@pytest.mark.parametrize("value", [None, 5, b"5/min", ["5/min"]])
def test_only_texts_are_read(value):
    """What is no text is refused by the name of its type."""
    error = refusal(value)
    assert error.code == "P103"
    assert type(value).__name__ in error.message


def test_an_error_has_nothing_behind_it():
    """The refusals inside the reader never show in a traceback."""
    error = refusal("500 req/mn")
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_text_with_control_codes_shows_without_them():
    """An error obeys no control code, and its mark stays in place."""
    line, mark = refusal("5/\x1b[31m\ud800").caret.split("\n")
    assert line == "    5/\u00b7[31m\u00b7"
    assert line.index("\u00b7") == mark.index("^")


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (SlidingWindow(500, 60), "500 requests/min"),
        (SlidingWindow(1, 0.2), "1 request per 200ms"),
        (SlidingWindow(1, 1, unit="images"), "1 images/s"),
        (SlidingWindow(1234, 10, unit="tokens"), "1,234 tokens per 10s"),
        (SlidingWindow(1500, 7200), "1.5k requests per 2h"),
        (SlidingWindow(2_000_000, 2 * 86_400), "2M requests per 2 days"),
        (SlidingWindow(90_000_000_000, 604_800.0), "90G requests/week"),
        (SlidingWindow(5, 14 * 86_400), "5 requests per 2 weeks"),
        (SlidingWindow(5, 90), "5 requests per 90s"),
        (SlidingWindow(5, 1.5), "5 requests per 1500ms"),
        (SlidingWindow(5, 1.0005), "5 requests per 1.0005s"),
        (TokenBucket(500, 60, 50), "500 requests/min burst 50"),
        (TokenBucket(5000, 60), "5k requests/min burst 5k"),
        (CalendarWindow(1, "day", unit="tokens"), "1 token/day calendar"),
        (
            CalendarWindow(5, "month", "Europe/Paris"),
            "5 requests/month calendar Europe/Paris",
        ),
    ],
)
def test_the_canonical_text(limit, text):
    """A limit prints in the shortest form that reads well."""
    assert text == format_limit(limit)


# Words that mean something else in a text, so that a limit on them cannot be written.
TAKEN = {
    *("request", "req", "reqs", "token", "tok", "toks", "k", "m", "g", "b"),
    *("per", "burst", "calendar", "a", "an", "each", "every", "in"),
    *("concurrent", "concurrently", "concurrency"),
}
UNITS = st.one_of(
    st.sampled_from(["requests", "tokens", "min", "s", "month", "rpm", "images"]),
    st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True),
).filter(lambda unit: unit not in TAKEN)
PERS = st.one_of(
    st.floats(0.001, 31 * 86_400.0),
    st.integers(1, 31 * 86_400),
    st.integers(1, 5_000).map(lambda millis: millis / 1000),
    st.sampled_from([60.0, 3600, 86_400.0, 604_800, 1_209_600]),
)


def counts(most):
    round_ones = st.builds(
        lambda digits, scale: min(most, digits * scale),
        st.integers(1, 2_000),
        st.sampled_from([1, 100, 1_000, 100_000, 1_000_000, 10**9]),
    )
    return st.one_of(st.integers(1, most), round_ones)


LIMITS = st.one_of(
    st.builds(SlidingWindow, counts(90_000_000_000), PERS, unit=UNITS),
    st.builds(
        TokenBucket, counts(4_000_000_000), PERS, counts(4_000_000_000), unit=UNITS
    ),
    st.builds(
        CalendarWindow,
        counts(90_000_000_000),
        st.sampled_from(["day", "week", "month"]),
        st.sampled_from(["UTC", "Europe/Paris", "Etc/GMT+5", "GB", "America/New_York"]),
        unit=UNITS,
    ),
)


@CHECKS
@given(LIMITS)
def test_every_printed_limit_reads_back(limit):
    """What the grammar can express survives printing and reading."""
    assert limit == parse_limit(format_limit(limit))


@CHECKS
@given(LIMITS, st.data())
def test_case_does_not_matter(limit, data):
    """A limit in capitals is the same limit; only M must stay one."""
    text = format_limit(limit)
    upper = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    mixed = "".join(
        char.upper() if up else char for char, up in zip(text, upper, strict=True)
    )
    assert limit == parse_limit(mixed)


WORDS = (
    "500 5 0 0.5 1,000 1,00 1_0 30k 2M 2m / per a requests req tokens rpm min mn s ms "
    "day month year burst brust of = , calendar Europe/Pris concurrent 2 . m k"
)
PIECES = st.sampled_from(WORDS.split())
TEXTS = st.one_of(
    st.text(),
    st.text("0123456789,._ /kKmMgGperminhdaysburstcalendoq\n", max_size=40),
    st.lists(PIECES, max_size=8).map(" ".join),
    st.lists(PIECES, max_size=6).map("".join),
    st.builds("{}/{}".format, st.text(max_size=5), st.text(max_size=5)),
    st.builds("5/day calendar {}".format, st.text(max_size=12)),
)


@CHECKS
@given(TEXTS)
@example("5/day calendar \0")
@example("5/day calendar \ud800")
@example("5/day calendar /etc/passwd")
@example("5/day calendar .")
@example("5/day calendar " + "A" * 180)
@example("5" * 195 + " /mn")
@example("5 " + "mn " * 60)
def test_any_text_is_a_limit_or_a_config_error(text):
    """Reading never fails in another way, and a suggestion is always a limit."""
    refused = None
    try:
        limit = parse_limit(text)
    except ConfigError as error:
        refused = error
    if refused is None:
        assert limit == parse_limit(format_limit(limit))
        return
    assert refused.code == "P103"
    str(refused).encode()
    if meant := suggestion(refused):
        parse_limit(meant)


def test_the_closest_word_ignores_case():
    """A near word is found whatever its case, and shown as it is known."""
    assert closest("gpt-4", ["o1", "GPT-4o"]) == "GPT-4o"
    assert closest("whisper", ["gpt-4o"]) is None
    assert closest("x" * 1000, ["x" * 999]) is None


def test_lists_are_cut_short():
    """An error lists twenty names, and counts the rest."""
    text = listed(range(25))
    assert text.startswith('"0", "1", ')
    assert text.endswith('"19" and 5 more')


def test_names_are_cut_short_and_printable():
    """A name in an error is neither long nor obeyed by a terminal."""
    assert shown("a\x1bb") == '"a\u00b7b"'
    assert len(shown("x" * 1000)) == 85
