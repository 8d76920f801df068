"""Limits are read as everywhere, and enforced as buckets."""

import pytest

from paceline import CalendarWindow, ConfigError, SlidingWindow, TokenBucket
from paceline.mock.quota import SECOND_NS, Quota


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("500 requests/min", Quota("requests", 500, 60 * SECOND_NS, 500)),
        ("30k tokens/min", Quota("tokens", 30_000, 60 * SECOND_NS, 30_000)),
        ("1 per 200ms", Quota("requests", 1, SECOND_NS // 5, 1)),
        ("500/min burst 50", Quota("requests", 500, 60 * SECOND_NS, 50)),
    ],
)
def test_a_limit_becomes_a_bucket(text, quota):
    """
    A window's bucket holds its limit; a bucket's burst is kept.
    """
    assert quota == Quota.read(text)


def test_objects_are_taken_as_well():
    """
    What a program has as an object needs no text.
    """
    assert Quota("requests", 5, SECOND_NS, 5) == Quota.of(SlidingWindow(5, 1.0))
    assert Quota("tokens", 5, SECOND_NS, 9) == Quota.of(
        TokenBucket(5, 1.0, burst=9, unit="tokens")
    )


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (CalendarWindow(10, "day"), "a calendar"),
        (SlidingWindow(10, 60.0, unit="images"), "'images'"),
    ],
)
def test_what_it_cannot_enforce_is_refused(limit, words):
    """
    The error names the limit and says why.
    """
    with pytest.raises(ConfigError, match=words) as refused:
        Quota.of(limit)
    assert refused.value.code == "P151"
    assert limit.name in refused.value.message


def test_what_is_no_limit_is_refused_as_everywhere():
    """
    The parser's own words stand.
    """
    with pytest.raises(ConfigError) as refused:
        Quota.read("500 requests/fortnight")
    assert refused.value.code == "P103"


@pytest.mark.parametrize(
    ("seconds", "slice_ns"),
    [(None, 0), (1.0, SECOND_NS), (0.1, SECOND_NS // 10), (60.0, 0), (90.0, 0)],
)
def test_a_slice_is_shorter_than_its_period(seconds, slice_ns):
    """
    A longer one is none.
    """
    assert Quota.read("600 requests/min").sliced(seconds).slice_ns == slice_ns


def test_a_slice_has_a_whole_unit():
    """
    Otherwise nothing would ever pass.
    """
    quota = Quota.read("59 requests/min")
    with pytest.raises(ConfigError, match="no whole one in a slice") as error:
        quota.sliced(1.0)
    assert error.value.code == "P151"
