"""Data that the store loses is told again by those who remember it."""

import asyncio

import pytest

from paceline import (
    CalendarWindow,
    ConfigError,
    Key,
    RateLimiter,
    SlidingWindow,
    TokenBucket,
    events,
)

LIMITS = {
    "window": SlidingWindow(10, 600.0),
    "bucket": TokenBucket(10, 600.0, burst=10),
    "calendar": CalendarWindow(10, "month"),
}


def flush(client):
    client.flushall()


def evict(client):
    client.delete(*client.scan_iter())


def granted(limiter, key="a"):
    """Take what there is; return how many."""
    count = 0
    while limiter.try_acquire(key):
        count += 1
    return count


@pytest.mark.parametrize("lose", [flush, evict])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
def test_what_was_lost_counts_again_before_anybody_goes(clean_server, limit, lose):
    """
    Seven of ten were used; after the loss the three that are left are granted.
    """
    client = clean_server.client()
    with RateLimiter(clean_server.url, limits=limit) as limiter:
        for _ in range(7):
            limiter.acquire("a")
        lose(client)
        assert granted(limiter) == 3
        lose(client)
        assert granted(limiter) == 0


def test_a_server_that_restarts_without_its_data_is_told(clean_server):
    """
    Also after the connections are gone.
    """
    with RateLimiter(clean_server.url, limits=SlidingWindow(10, 600.0)) as limiter:
        for _ in range(7):
            limiter.acquire("a")
        clean_server.restart()
        assert granted(limiter) == 3


def test_who_saw_most_counts_and_nobody_counts_twice(clean_server):
    """
    Two processes remember one life: together they give back what was used once.
    """
    limit = SlidingWindow(100, 600.0)
    with (
        RateLimiter(clean_server.url, limits=limit) as early,
        RateLimiter(clean_server.url, limits=limit) as late,
    ):
        for limiter in (early, late, late):
            for _ in range(10):
                limiter.try_acquire("a")
        clean_server.client().flushall()
        early.try_acquire("a")  # has seen ten
        assert early.peek("a")[0].remaining == 100 - 10 - 1
        late.try_acquire("a")
        assert late.peek("a")[0].remaining == 100 - 30 - 2


def test_a_reset_is_not_healed_back(clean_server):
    """
    Who still remembers what was reset does not bring it back, nor does a flush.
    """
    limit = SlidingWindow(10, 600.0)
    with (
        RateLimiter(clean_server.url, limits=limit) as one,
        RateLimiter(clean_server.url, limits=limit) as two,
    ):
        for limiter in (one, two):
            for _ in range(4):
                limiter.try_acquire("a")
        one.reset("a")
        assert granted(two) == 10
        clean_server.client().flushall()
        two.reset("a")
        assert granted(one) == 10


def test_limits_over_all_models_are_healed_with_any_of_them(clean_server):
    """
    Each model's account is told what it had, and what all had together.
    """
    with RateLimiter(
        clean_server.url, limits="10/h", shared="20 requests/h"
    ) as limiter:
        small, large = Key(scope="a", model="small"), Key(scope="a", model="large")
        for _ in range(6):
            limiter.try_acquire(small)
            limiter.try_acquire(large)
        clean_server.client().flushall()
        limiter.try_acquire(small)
        assert [each.remaining for each in limiter.peek(small)] == [3, 7]
        limiter.try_acquire(large)
        assert [each.remaining for each in limiter.peek(large)] == [3, 6]


def test_a_cool_down_that_was_lost_is_told_again(clean_server):
    """
    A flush ends no cool-down that an answer told of.
    """
    with RateLimiter(clean_server.url, limits="10/h") as limiter:
        limiter.try_acquire("a")
        limiter.cool_down("a", 600)
        limiter.try_acquire("a")
        clean_server.client().flushall()
        assert limiter.try_acquire("a").limit == "cool-down"


def test_an_older_state_is_told_what_it_lacks(clean_server):
    """
    A promoted replica that misses the last writes: theirs, and theirs only, may count
    twice, within the limit.
    """
    limit = SlidingWindow(10, 600.0)
    client = clean_server.client()
    with RateLimiter(clean_server.url, limits=limit) as limiter:
        for _ in range(2):
            limiter.try_acquire("a")
        (key,) = client.scan_iter()
        old = client.hgetall(key)
        for _ in range(6):
            limiter.try_acquire("a")
        client.hset(key, mapping=old)
        # Eight were used, two of which both of them know.
        assert granted(limiter) == 0
        client.flushall()
        assert granted(limiter) == 0


def test_a_hundred_tasks_tell_it_once(clean_server):
    """
    All find out at the same time; what they were granted meanwhile goes back.
    """

    async def run():
        limits = SlidingWindow(500, 600.0)
        async with RateLimiter(
            clean_server.url, limits=limits, call_timeout=5
        ) as limiter:
            for _ in range(3):
                await asyncio.gather(
                    *(limiter.try_acquire_async("a") for _ in range(100))
                )
            clean_server.client().flushall()
            answers = await asyncio.gather(
                *(limiter.try_acquire_async("a") for _ in range(300))
            )
            left = (await limiter.peek_async("a"))[0].remaining
            return sum(map(bool, answers)), left

    assert asyncio.run(run()) == (200, 0)


def test_where_nobody_remembers_a_new_server_may_count_as_used_up(clean_server):
    """
    on_amnesia="empty" closes one window from the server's birth on, and no more.
    """
    limit = SlidingWindow(10, 1.0)
    told = []
    with RateLimiter(
        clean_server.url, limits=limit, on_amnesia="empty", on_event=told.append
    ) as limiter:
        denied = limiter.try_acquire("a")
        assert not denied
        assert 0 < denied.retry_after <= 1.0
        limiter.acquire("a", timeout=5)
        # The server is old enough now: nothing of this key can have been lost.
        assert limiter.try_acquire("b")
        healed = [each for each in told if isinstance(each, events.Healed)]
        assert [(each.restored, each.remembered) for each in healed] == [
            ({"requests/s": 10}, False)
        ]
    clean_server.client().delete("paceline:1:birth")


def test_where_somebody_remembers_nothing_is_closed(clean_server):
    """
    A stranger to the account, and one who knows it, after a flush.
    """
    limit = SlidingWindow(10, 600.0)
    how = {"limits": limit, "on_amnesia": "empty"}
    with RateLimiter(clean_server.url, limits=limit) as old:
        for _ in range(4):
            old.try_acquire("a")
        clean_server.client().flushall()
        assert old.try_acquire("a")
        with RateLimiter(clean_server.url, **how) as stranger:
            assert granted(stranger) == 5
    clean_server.client().delete("paceline:1:birth")


def test_what_counts_without_memory_is_full_or_empty():
    """
    Anything else is refused.
    """
    with pytest.raises(ConfigError, match='on_amnesia is "half"') as refused:
        RateLimiter("memory://", limits="1/s", on_amnesia="half")
    assert refused.value.code == "P111"


def test_an_event_tells_what_was_given_back(clean_server, caplog):
    """
    By the limit's name, and one line in the log for all accounts.
    """
    told = []
    with RateLimiter(clean_server.url, limits="10/h", on_event=told.append) as limiter:
        for name in "ab":
            for _ in range(3):
                limiter.try_acquire(name)
        clean_server.client().flushall()
        for name in "ab":
            limiter.try_acquire(name)
    healed = [each for each in told if isinstance(each, events.Healed)]
    assert healed == [
        events.Healed(name, "", {"requests/h": 3}, remembered=True) for name in "ab"
    ]
    assert caplog.text.count("the store lost what was booked") == 1
