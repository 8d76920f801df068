"""What a limit really is, told by one process and obeyed by all."""

import asyncio
import logging

import pytest

from paceline import (
    CalendarWindow,
    Concurrency,
    ConfigError,
    Key,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    StoreUnavailable,
    TokenBucket,
)
from paceline._wish import Wish

KEY = Key(scope="a", model="m")
LIMITS = ["10/min", "1k tokens/min"]
COST = {"tokens": 1}


@pytest.fixture
def process(store_url):
    """Return a function that makes the limiter of one more process."""
    made = []

    def join(**options):
        options = {"limits": LIMITS} | options
        made.append(RateLimiter(store_url, **options))
        return made[-1]

    yield join
    for limiter in made:
        limiter.close()


def shown(limiter, key=KEY):
    return {each.name: (each.capacity, each.configured) for each in limiter.limits(key)}


def admitted(limiter, calls, key=KEY):
    return sum(bool(limiter.try_acquire(key, COST)) for _ in range(calls))


def test_a_corrected_limit_holds_here_at_once_and_shows_what_it_was(process):
    """
    What was charged before counts; the other limits are as they were.
    """
    limiter = process()
    assert admitted(limiter, 2) == 2
    limiter.correct(KEY, "requests/min", 4)
    assert shown(limiter) == {"requests/min": (4, 10), "tokens/min": (1000, None)}
    assert admitted(limiter, 9) == 2
    assert [each.capacity for each in limiter.peek(KEY)] == [4, 1000]
    assert shown(limiter, Key(scope="a", model="o"))["requests/min"] == (10, None)
    assert shown(limiter, Key(scope="b", model="m"))["requests/min"] == (10, None)


def test_the_twin_corrects_too(process):
    """
    On an event loop.
    """

    async def main():
        limiter = process()
        await limiter.correct_async("a", "tokens/min", 7)
        assert shown(limiter, "a")["tokens/min"] == (7, 1000)
        await limiter.aclose()

    asyncio.run(main())


def test_two_processes_agree_and_nobody_is_warned(process, caplog):
    """
    Who finds its figure to be another one looks at what was told; so does who is new.
    """
    caplog.set_level(logging.WARNING, "paceline")
    first, second = process(), process()
    assert admitted(first, 1) + admitted(second, 2) == 3
    first.correct(KEY, "requests/min", 5)
    assert admitted(first, 1) == 1
    assert admitted(second, 2) == 1
    assert shown(second)["requests/min"] == (5, 10)
    third = process()
    third.try_acquire(KEY, COST | {"requests": 0})
    third.try_acquire(KEY, COST | {"requests": 0})
    assert shown(third) == shown(second) == shown(first)
    assert admitted(third, 9) + admitted(first, 9) == 0
    assert not caplog.records


def test_a_correction_is_taken_back_for_all(process):
    """
    By None: at their next look.
    """
    first, second = process(), process()
    for limiter in (first, second):
        limiter.try_acquire(KEY, COST)
    first.correct(KEY, "requests/min", 3)
    second.correct(KEY, "tokens/min", 500)  # a look
    assert shown(second) == {"requests/min": (3, 10), "tokens/min": (500, 1000)}
    first.correct(KEY, "requests/min", None)
    second.correct(KEY, "tokens/min", None)
    assert shown(second) == {"requests/min": (10, None), "tokens/min": (1000, None)}
    assert admitted(second, 20) == 8


def test_every_kind_can_be_corrected(process):
    """
    A bucket's burst goes with its rate; a shared limit is corrected for all models.
    """
    limiter = process(
        limits=[TokenBucket(100, 60, 50, name="b"), Concurrency(8, name="c")],
        shared=[CalendarWindow(90, "day", name="d"), SlidingWindow(70, 5, name="w")],
    )
    for name, units in (("b", 20), ("c", 2), ("d", 9), ("w", 7)):
        limiter.correct(KEY, name, units)
    b, c, d, w = limiter.limits(KEY)
    assert (b.rate, b.burst, b.configured) == (20, 10, 100)
    assert (c.limit, c.configured, d.limit, w.limit) == (2, 8, 9, 7)
    b, c, d, w = limiter.limits(Key(scope="a", model="o"))
    assert (b.rate, c.limit, d.limit, w.limit) == (100, 8, 9, 7)
    assert w == SlidingWindow(7, 5, name="w")
    permits = [limiter.acquire(KEY, timeout=0) for _ in range(2)]
    with pytest.raises(RateLimitExceeded) as refused:
        limiter.acquire(KEY, timeout=0)
    assert refused.value.decision.limit == "c"
    for permit in permits:
        permit.cancel()


def test_who_waits_goes_by_the_new_figure(process):
    """
    Their turns that are booked stay; what is not is decided anew.
    """
    limiter = process()
    engine = limiter._engine
    before = engine.lookup(KEY)
    limiter.correct(KEY, "requests/min", 2)
    plan = engine._survival.acquire(*before, (3, 0), Wish(timeout=0.0))
    with pytest.raises(Exception, match="can never hold"):
        engine.run(plan)


def test_a_store_that_lost_its_data_raises_no_limit(clean_server):
    """
    What was told holds until its end in those who heard of it.
    """
    with RateLimiter(clean_server.url, limits=LIMITS) as limiter:
        limiter.correct(KEY, "requests/min", 3)
        clean_server.client().flushall()
        limiter.correct(KEY, "tokens/min", 99)
        assert shown(limiter) == {"requests/min": (3, 10), "tokens/min": (99, 1000)}


def test_without_a_store_it_holds_in_this_process(free_port):
    """
    The error says that nobody else knows.
    """
    with RateLimiter(f"redis://127.0.0.1:{free_port}", limits=LIMITS) as limiter:
        with pytest.raises(StoreUnavailable):
            limiter.correct(KEY, "requests/min", 3)
        assert shown(limiter)["requests/min"] == (3, 10)


@pytest.mark.parametrize(
    ("limit", "units", "seconds", "code"),
    [
        ("request/min", 5, 1.0, "P114"),
        (None, 5, 1.0, "P114"),
        ("requests/min", 0, 1.0, "P102"),
        ("requests/min", 2.5, 1.0, "P102"),
        ("requests/min", 10**12, 1.0, "P102"),
        ("requests/min", 5, -1.0, "P111"),
        ("requests/min", 5, 0.0, "P111"),
    ],
)
def test_a_senseless_correction_is_refused(process, limit, units, seconds, code):
    """
    And nothing changes.
    """
    limiter = process()
    with pytest.raises(ConfigError) as refused:
        limiter.correct(KEY, limit, units, seconds=seconds)
    assert refused.value.code == code
    assert shown(limiter)["requests/min"] == (10, None)
