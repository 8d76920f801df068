"""The limits as values: what they accept, how they are named and told apart."""

import pickle

import pytest

from paceline import CalendarWindow, ConfigError, SlidingWindow, TokenBucket

LIMITS = [
    SlidingWindow(500, 60.0),
    TokenBucket(500, 60.0, 50, "tokens"),
    CalendarWindow(10, "day", "Europe/Paris", name="daily"),
]


@pytest.mark.parametrize("limit", LIMITS)
def test_limits_survive_pickling(limit):
    """A limit that went through a process boundary equals itself, hash included."""
    copy = pickle.loads(pickle.dumps(limit))
    assert (limit, hash(limit)) == (copy, hash(copy))


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        (SlidingWindow(5, 1), "requests/s"),
        (SlidingWindow(5, 60, unit="tokens"), "tokens/min"),
        (SlidingWindow(5, 3600.0), "requests/h"),
        (SlidingWindow(5, 0.2), "requests/200ms"),
        (SlidingWindow(5, 90), "requests/90s"),
        (TokenBucket(5, 86_400), "requests/day burst"),
        (CalendarWindow(5, "month", unit="tokens"), "tokens/month calendar"),
        (SlidingWindow(5, 1, name="rps"), "rps"),
    ],
)
def test_limits_are_named_after_unit_and_period(limit, name):
    """Without a name of its own, a limit is called by what it counts and per what."""
    assert name == limit.name


@pytest.mark.parametrize(
    ("limit", "tag"),
    [
        (SlidingWindow(5, 60, 30, "tokens"), "w/tokens/60000000/30"),
        (TokenBucket(5, 0.2), "b/requests/200000"),
        (CalendarWindow(5, "week", "Asia/Tokyo"), "d/requests/week/Asia/Tokyo"),
    ],
)
def test_the_tag_is_kind_unit_and_period(limit, tag):
    """The identity of the state leaves the capacity out, so that it may change."""
    assert tag == limit.tag


def test_a_changed_capacity_keeps_the_tag():
    """Raising a limit keeps its history."""
    assert SlidingWindow(5, 60).tag == SlidingWindow(50, 60, name="more").tag
    assert TokenBucket(5, 60, 1).tag == TokenBucket(50, 60, 99).tag


def test_a_bucket_without_burst_holds_its_rate():
    """The capacity of a bucket is its burst, and the rate when none is given."""
    assert 500 == TokenBucket(500, 60).burst == TokenBucket(500, 60).capacity
    assert TokenBucket(500, 60, 50).capacity == 50


@pytest.mark.parametrize(
    ("verb", "per"),
    [
        ("per_second", 1.0),
        ("per_minute", 60.0),
        ("per_hour", 3600.0),
        ("per_day", 86_400.0),
    ],
)
def test_constructors_by_period(verb, per):
    """``per_minute(500)`` and its kin are the long form with the period filled in."""
    window = getattr(SlidingWindow, verb)(500, unit="tokens")
    bucket = getattr(TokenBucket, verb)(500, burst=7, unit="tokens")
    assert SlidingWindow(500, per, unit="tokens") == window
    assert TokenBucket(500, per, 7, "tokens") == bucket
    assert (round(per * 1e6),) * 2 == (window.per_us, bucket.per_us)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: SlidingWindow(0, 60), "limit is 0"),
        (lambda: SlidingWindow(-3, 60), "limit is -3"),
        (lambda: SlidingWindow(limit=True, per=60), "limit is True"),
        (lambda: SlidingWindow(1.5, 60), "limit is 1.5"),
        (lambda: SlidingWindow(90_000_000_001, 60), "limit is 90,000,000,001"),
        (lambda: SlidingWindow(5, 60, 1), "slots is 1"),
        (lambda: SlidingWindow(5, 60, 1001), "slots is 1,001"),
        (lambda: SlidingWindow(5, 0.0009), "per is 0.0009 seconds"),
        (lambda: SlidingWindow(5, 32 * 86_400), "per is 2764800 seconds"),
        (lambda: SlidingWindow(5, float("nan")), "per is nan seconds"),
        (lambda: SlidingWindow(5, float("inf")), "per is inf seconds"),
        (lambda: SlidingWindow(5, "60"), "per is '60'"),
        (lambda: SlidingWindow(5, per=True), "per is True"),
        (lambda: SlidingWindow(5, 60, unit="Tokens"), "unit is 'Tokens'"),
        (lambda: SlidingWindow(5, 60, unit="a" * 33), "unit is"),
        (lambda: SlidingWindow(5, 60, unit=""), "unit is ''"),
        (lambda: SlidingWindow(5, 60, unit=None), "unit is None"),
        (lambda: TokenBucket(0, 60), "rate is 0"),
        (lambda: TokenBucket(4_000_000_001, 60), "rate is 4,000,000,001"),
        (lambda: TokenBucket(5, 60, 0), "burst is 0"),
        (lambda: TokenBucket(5, 60, "5"), "burst is '5'"),
        (lambda: TokenBucket(5, 0), "per is 0 seconds"),
        (lambda: CalendarWindow(0, "day"), "limit is 0"),
        (lambda: CalendarWindow(5, "hour"), "period is 'hour'"),
        (lambda: CalendarWindow(5, "day", "Mars/Base"), "no time zone 'Mars/Base'"),
        (lambda: CalendarWindow(5, "day", "../etc"), "no time zone '../etc'"),
        (lambda: CalendarWindow(5, "day", "America"), "no time zone 'America'"),
        (lambda: CalendarWindow(5, "day", unit="x y"), "unit is 'x y'"),
    ],
)
def test_arguments_out_of_range_are_refused(make, what):
    """A limit that makes no sense is refused when it is made, saying what is wrong."""
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.code == "P102"
    assert what in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("per", [0.001, 31 * 86_400])
def test_the_ends_of_the_range_are_allowed(per):
    """1 ms and 31 days are periods, 90 and 4 billion are counts."""
    assert per == SlidingWindow(90_000_000_000, per).per
    assert per == TokenBucket(4_000_000_000, per).per


def test_limits_cannot_be_changed():
    """A limit is a value: to change one, make another."""
    with pytest.raises(AttributeError):
        SlidingWindow(5, 60).limit = 6
