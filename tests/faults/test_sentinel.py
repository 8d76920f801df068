"""A primary with Sentinels: whoever it is, calls reach it."""

import asyncio

import pytest
import redis
import redis.asyncio.sentinel
import redis.sentinel
import valkey.asyncio.sentinel
import valkey.sentinel

import rig_stores
from paceline import ConfigError, RateLimiter, StoreUnavailable
from rig_fleet import until

LIMIT = "5/min"


def admitted(user, scope, tries=8):
    return sum(bool(user.try_acquire(scope)) for _ in range(tries))


@pytest.fixture
def empty(watched):
    with watched.leader.client() as client:
        client.flushall()
    return watched


@pytest.mark.parametrize(
    "module",
    [
        redis.sentinel,
        redis.asyncio.sentinel,
        valkey.sentinel,
        valkey.asyncio.sentinel,
    ],
    ids=lambda module: module.__name__,
)
def test_a_users_client_of_a_primary_is_a_store(empty, module):
    """
    Clients of redis-py and valkey-py, of either kind, serve both kinds of call.
    """

    async def make():
        places = [("127.0.0.1", node.port) for node in empty.sentinels]
        sentinel = module.Sentinel(places)
        return sentinel.master_for(empty.name), sentinel.slave_for(empty.name)

    primary, replica = asyncio.run(make())
    with rig_stores.Blocking(primary, limits=LIMIT) as user:
        assert admitted(user, "a", 3) == 3
    with rig_stores.OnLoop(primary, limits=LIMIT) as user:
        assert admitted(user, "a") == 2
    with pytest.raises(ConfigError, match="master_for"):
        RateLimiter(replica, limits=LIMIT)


def test_a_planned_failover_is_absorbed(mortal_watched):
    """
    Roles are exchanged under clients that are connected: their calls go on.
    """
    before = mortal_watched.leader
    sentinel = mortal_watched.sentinels[0]
    with (
        rig_stores.Blocking(mortal_watched.url, limits=LIMIT) as blocking,
        rig_stores.OnLoop(mortal_watched.url, limits=LIMIT) as on_loop,
    ):
        users = {"a": blocking, "b": on_loop}
        for scope, user in users.items():
            assert admitted(user, scope, 2) == 2
        until(lambda: sentinel.ask("SENTINEL", "FAILOVER", mortal_watched.name))
        until(lambda: mortal_watched.leader is not before)
        for scope, user in users.items():
            user.acquire(scope, timeout=10)
            assert admitted(user, scope) in {2, 3}  # the copy may lack the last ones


@pytest.mark.parametrize(("caller", "end"), rig_stores.ENDS, indirect=["caller"])
def test_a_replica_takes_over_within_the_timeout(mortal_watched, caller, end):
    """
    The primary is killed or stopped: who waits sees a wait.
    """
    with caller(mortal_watched.url, limits=LIMIT) as user:
        user.acquire("a")
        gone = mortal_watched.primary
        getattr(gone, end)()
        refused, took = rig_stores.timed(user.try_acquire, "a")
        assert isinstance(refused, StoreUnavailable)
        assert took < 1.5
        # The Sentinels answered: it says whom they name, and what may be under way.
        assert f"{mortal_watched.url} at 127.0.0.1:{gone.port}" in refused.message
        assert refused.hint.startswith("The Sentinels name it: a failover may be")
        user.acquire("a", timeout=10)
        assert admitted(user, "a") in {3, 4}
        mortal_watched.primary.resume()


def test_a_sentinel_that_is_gone_is_passed_over(empty, free_port, caller):
    """
    One that answers is enough, and the first to be asked may be dead.
    """
    url = empty.url.replace("://", f"://127.0.0.1:{free_port},")
    with caller(url, limits=LIMIT) as user:
        assert admitted(user, "b", 1) == 1


def test_sentinels_that_do_not_answer_are_an_error_of_ours(free_port, caller):
    """
    Told when one could have by then.
    """
    url = f"redis+sentinel://127.0.0.1:{free_port}/quota"
    with caller(url, limits=LIMIT) as user:
        gone, took = rig_stores.timed(user.try_acquire, "a")
    assert isinstance(gone, StoreUnavailable)
    assert gone.code == "P201"
    assert gone.message.endswith("/quota: no Sentinel answers (connection refused)")
    assert took < 1.5


@pytest.mark.parametrize("policy", ["raise", "local", "allow"])
def test_a_name_that_no_sentinel_knows_is_told_at_once(empty, caller, policy):
    """
    All of them answer: no waiting cures it.
    """
    with caller(f"{empty.url}-not", limits=LIMIT, on_outage=policy) as user:
        wrong, took = rig_stores.timed(user.acquire, "a", timeout=30)
    assert not isinstance(wrong, StoreUnavailable)
    assert wrong.code == "P215"
    assert "quota-not" in str(wrong)
    assert took < 1.0


def test_sentinels_and_servers_with_users_of_their_own(empty, caller):
    """
    Each gets its own user and password; a wrong one is told as such.
    """
    for node in (empty.primary, empty.replica, *empty.sentinels):
        node.ask("ACL", "SETUSER", "us", "on", ">secret", "~*", "&*", "+@all")
    login = empty.url.replace("://", "://us:secret@")
    url = f"{login}?sentinel_username=us&sentinel_password=secret"
    with caller(url, limits=LIMIT) as user:
        assert admitted(user, "users") == 5
    for wrong, whose in (
        (url.replace("us:secret@", "us:wrong@"), "the primary of redis+sentinel"),
        (url.replace("password=secret", "password=wrong"), "a Sentinel of redis+sent"),
    ):
        with caller(wrong, limits=LIMIT) as user:
            refused, _ = rig_stores.timed(user.try_acquire, "users")
        assert refused.code == "P203"
        assert refused.message.startswith(whose)
    for node in empty.sentinels:
        node.ask("ACL", "SETUSER", "blind", "on", ">secret", "+ping")
    with caller(url.replace("username=us", "username=blind"), limits=LIMIT) as user:
        refused, _ = rig_stores.timed(user.try_acquire, "users")
    assert (refused.code, refused.hint.split()[-1]) == (
        "P204",
        "+sentinel|get-master-addr-by-name",
    )
