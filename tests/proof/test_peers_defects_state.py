"""Defects of other rate limiters again: processes that die, and what stays behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter

import pytest
from redis.crc import key_slot

from paceline import (
    CalendarWindow,
    Concurrency,
    RateLimiter,
    SlidingWindow,
    TokenBucket,
)
from scripts import Account

RPM = SlidingWindow(5, 60.0)
TPM = SlidingWindow(1000, 60.0, unit="tokens")
KINDS = [RPM, TokenBucket(5, 60.0), CalendarWindow(5, "month"), Concurrency(5)]


# -- failures


def _die_after_a_call(url, ready):
    with RateLimiter(url, limits=RPM) as one:
        one.acquire("a", timeout=None)
        ready.set()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_stalls_the_others(clean_server):
    """
    The holder of a lock was killed, and everybody stood still for 30 s.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=_die_after_a_call, args=(clean_server.url, ready))
    child.start()
    assert ready.wait(30)
    child.join(30)
    with RateLimiter(clean_server.url, limits=RPM) as one:
        assert one.acquire("a", timeout=0)
        assert one.peek("a")[0].remaining == 3


def test_flushed_scripts_are_gone_for_good(clean_server):
    """
    After SCRIPT FLUSH, or a restart, all calls failed until the process restarted.
    """
    with RateLimiter(clean_server.url, limits=RPM) as one, clean_server.client() as c:
        assert one.acquire("a")
        c.script_flush()
        assert one.acquire("a")
        clean_server.restart()
        assert one.acquire("a", timeout=30)


# -- what stays behind in the store


@pytest.mark.parametrize("limit", KINDS, ids=lambda limit: type(limit).__name__)
def test_the_first_call_leaves_a_key_without_expiry(clean_server, limit):
    """
    EXPIRE was sent before the key was there.
    """
    with RateLimiter(clean_server.url, limits=limit) as one:
        one.acquire("a")
        with clean_server.client() as client:
            assert [client.pttl(key) > 0 for key in client.scan_iter()] == [True]


@pytest.mark.parametrize("limit", [TokenBucket(10, 86_400.0), TokenBucket(1, 3600.0)])
def test_a_slow_bucket_is_full_again_when_its_key_expires(clean_server, limit):
    """
    All keys expired after 60 idle seconds: ten a day were ten a minute.
    """
    account = Account(clean_server.client(), limit)
    account.acquire()
    refill_ms = limit.per_us // limit.rate // 1000
    assert account.client.pttl(account.key) >= refill_ms - 1000


def test_each_call_leaves_a_key(clean_server):
    """
    500 calls left 505 keys for a week: 10 GB at 100 calls a second.
    """
    with RateLimiter(clean_server.url, limits=[TPM, TokenBucket(500, 60.0)]) as one:
        for _ in range(100):
            one.acquire("a", {"tokens": 5}).settle({"tokens": 1})
        with clean_server.client() as client:
            assert client.dbsize() == 1


def test_a_large_cost_takes_an_entry_for_each_unit(clean_server):
    """
    A cost of 5000 took 630 KiB and held the server up for 15 ms.
    """
    lengths = []
    for cost in (1, 5_000_000):
        limit = SlidingWindow(10_000_000, 60.0, unit="tokens")
        account = Account(clean_server.client(), limit, key=f"paceline:1:{{{cost}}}")
        account.acquire((cost,))
        lengths.append(sum(map(len, account.state().values())))
    assert lengths[0] == lengths[1]


def test_a_cluster_gets_two_keys_or_one_shard(clean_server):
    """
    Two keys without a common tag failed each call; one tag for all used one shard.
    """
    with RateLimiter(clean_server.url, limits=[*KINDS[:3], TPM]) as one:
        for number in range(60):
            one.acquire(f"scope-{number}", {"tokens": 1})
        with clean_server.client() as client:
            keys = list(client.scan_iter())
    assert len(keys) == 60
    shards = Counter(key_slot(key.encode()) * 3 // 16384 for key in keys)
    assert sorted(shards) == [0, 1, 2]
    assert min(shards.values()) >= 5
