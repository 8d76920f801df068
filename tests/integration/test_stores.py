"""Stores: how they are named, and what is said when they are not there."""

import asyncio
import logging
import re
from pathlib import Path

import pytest
import redis
import redis.asyncio

from paceline import (
    ConfigError,
    Key,
    RateLimiter,
    StoreError,
    StoreUnavailable,
)
from paceline._script import load, names
from paceline.stores._needs import COMMANDS, RULE

SECRET = "sk-live-51Habcdefghijklmnop"


def test_no_caller_notices_a_script_flush(clean_server):
    """
    A server that forgot the scripts gets them again, sync and async.
    """
    client = clean_server.client()
    with RateLimiter(clean_server.url, limits="1000/min") as limiter:

        async def run():
            for i in range(20):
                client.script_flush()
                assert await limiter.try_acquire_async("a"), i
            await limiter.aclose()

        for i in range(20):
            client.script_flush()
            assert limiter.try_acquire("a"), i
        assert limiter.peek("a")[0].remaining == 980
        asyncio.run(run())


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
def test_a_client_object_serves_both_kinds_of_call(clean_server, kind, asynchronous):
    """
    A user's client names the server; both kinds of verbs work through ours.
    """
    client = kind.from_url(clean_server.url, decode_responses=True)
    limiter = RateLimiter(client, limits="5/min")
    if asynchronous:

        async def run():
            async with limiter:
                return [bool(await limiter.try_acquire_async("a")) for _ in range(6)]

        assert asyncio.run(run()).count(True) == 5
    else:
        with limiter:
            assert [bool(limiter.try_acquire("a")) for _ in range(6)].count(True) == 5


def test_valkey_urls_and_tcp_work(clean_server):
    """
    valkey:// is redis:// by another name.
    """
    url = clean_server.tcp_url.replace("redis://", "valkey://")
    with RateLimiter(url, limits="5/min") as limiter:
        assert limiter.try_acquire("a")


def test_the_environment_may_name_the_store(clean_server, monkeypatch):
    """
    Without an argument $PACELINE_STORE is used; without both there is an error.
    """
    monkeypatch.setenv("PACELINE_STORE", clean_server.url)
    with RateLimiter(limits="5/min") as limiter:
        assert limiter.try_acquire("a")
    monkeypatch.delenv("PACELINE_STORE")
    with pytest.raises(ConfigError) as caught:
        RateLimiter(limits="5/min")
    assert caught.value.code == "P107"
    for choice in ("redis://", "embedded://", "memory://"):
        assert choice in str(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("rediss", "not a URL"),
        ("reddis://h", 'Did you mean "redis://"'),
        ("http://h", "no store"),
        ("redis://", "names no host"),
        ("redis://h:port/0", "makes no sense"),
        ("embedded://name", "embedded:///"),
        (object(), "Give a URL"),
    ],
)
def test_a_wrong_url_is_explained(url, text):
    """
    A store that cannot be meant is refused at once, with what to write instead.
    """
    with pytest.raises(ConfigError, match=text) as caught:
        RateLimiter(url, limits="5/min")
    assert caught.value.code == "P106"


def test_a_password_in_a_bad_url_is_not_repeated():
    """
    Errors about URLs never quote them.
    """
    for url in ("redis://user:hunter2@h:port/0", "user:hunter2@host", "hunter2://x"):
        with pytest.raises(ConfigError) as caught:
            RateLimiter(url, limits="5/min")
        text = f"{caught.value!r} {caught.value} {caught.value.__cause__}"
        assert "hunter2@" not in text


def test_a_refused_connection_says_where_and_what_to_do(free_port):
    """
    Nobody listens: StoreUnavailable with the address, the reason and the remedies.
    """
    url = f"redis://user:hunter2@127.0.0.1:{free_port}/0"
    with (
        RateLimiter(url, limits="5/min") as limiter,
        pytest.raises(StoreUnavailable) as caught,
    ):
        limiter.try_acquire("a")
    error = caught.value
    assert error.code == "P201"
    assert f"127.0.0.1:{free_port}" in str(error)
    assert "connection refused" in str(error)
    assert "hunter2" not in str(error)
    assert isinstance(error.__cause__, redis.ConnectionError)


def test_a_refused_connection_async(free_port):
    """
    The same error from the twin.
    """

    async def run():
        url = f"redis://127.0.0.1:{free_port}/0"
        async with RateLimiter(url, limits="5/min") as limiter:
            with pytest.raises(StoreUnavailable, match="connection refused"):
                await limiter.try_acquire_async("a")

    asyncio.run(run())


def test_a_key_of_another_kind_is_an_error_of_ours(clean_server):
    """
    Something else under our key: a StoreError that says so, and nothing is overwritten.
    """
    client = clean_server.client()
    with RateLimiter(clean_server.url, limits="5/min") as limiter:
        limiter.try_acquire("a")
        (key,) = client.keys()
        client.set(key, "mine", px=100_000)
        with pytest.raises(StoreError) as caught:
            limiter.try_acquire("a")
        assert caught.value.code == "P211"
        assert client.get(key) == "mine"


def test_no_part_of_an_api_key_leaves_the_process(clean_server, caplog):
    """
    Keys are hashed: not in the store, not in errors, not in logs, not in reprs.
    """
    caplog.set_level(logging.DEBUG)
    key = Key(api_key=SECRET, model="gpt-4o")
    texts = [repr(key), key.label]
    with RateLimiter(clean_server.url, limits=["2/min", "10 tokens/min"]) as limiter:
        limiter.try_acquire(key, {"tokens": 10})
        for cost in ({"tokens": 11}, {"tokens": 1}, {}):
            with pytest.raises(Exception) as caught:
                limiter.acquire(key, cost, timeout=0)
            texts.append(f"{caught.value} {caught.value!r}")
        client = clean_server.client()
        for name in client.scan_iter():
            assert client.ttl(name) > 0
            texts += [name, repr(client.hgetall(name))]
    texts += [record.getMessage() for record in caplog.records]
    for text in texts:
        for start in range(len(SECRET) - 6):
            assert SECRET[start : start + 6] not in text.replace("sk-live-1", "")


def test_a_secret_of_ones_own_changes_where_keys_lie(clean_server):
    """
    With secret= two applications on one server do not share accounts by accident.
    """
    for secret in (None, "one", b"two"):
        with RateLimiter(clean_server.url, limits="1/min", secret=secret) as limiter:
            assert limiter.try_acquire(Key(api_key=SECRET))
    assert len(clean_server.client().keys()) == 3


def test_memory_stores_are_shared_by_name(caplog):
    """
    Two limiters on one name share; another name does not.
    """
    with (
        RateLimiter("memory://shared-by-name", limits="1/min") as one,
        RateLimiter("memory://shared-by-name", limits="1/min") as same,
        RateLimiter("memory://another-name", limits="1/min") as other,
    ):
        assert one.try_acquire("a")
        assert not same.try_acquire("a")
        assert other.try_acquire("a")


def test_a_server_that_restarts_is_used_again(clean_server):
    """
    Idle connections that the server closed are never sent on, sync and async.
    """

    async def run():
        async with RateLimiter(clean_server.url, limits="100/min") as limiter:
            assert await limiter.try_acquire_async("a")
            clean_server.client().client_kill_filter(_type="normal", skipme=True)
            assert await limiter.try_acquire_async("a")

    with RateLimiter(clean_server.url, limits="100/min") as limiter:
        assert limiter.try_acquire("b")
        clean_server.client().client_kill_filter(_type="normal", skipme=True)
        assert limiter.try_acquire("b")
    asyncio.run(run())


def test_the_rule_for_a_user_is_enough(clean_server):
    """
    A user who may do what the documented rule says, and nothing else, can do it all:
    also what a script does only now and then.
    """
    rule = f"resetchannels {RULE}".split()
    with clean_server.client() as client:
        client.execute_command("ACL", "SETUSER", "limiter", "on", ">s3", *rule)
    url = clean_server.tcp_url.replace("redis://", "redis://limiter:s3@")
    with RateLimiter(url, limits=["5000/min", "9 concurrent"]) as limiter:
        for _ in range(70):
            limiter.acquire("a").settle(0)
        limiter.cool_down("a", 0.01)
        assert limiter.peek("a")[0].remaining == 5_000
        limiter.reset("a")
    called = set()
    for name in names():
        called |= set(re.findall(r'redis\.call\("(\w+)"', load(name).source))
    assert {command.lower() for command in called} == set(COMMANDS) - {
        "eval",
        "evalsha",
    }


def test_the_documents_have_the_rule():
    """
    Who copies it from the page gets the one that works.
    """
    page = Path(__file__).parents[2] / "docs/how-to/many-hosts.md"
    assert RULE in page.read_text("utf-8")
