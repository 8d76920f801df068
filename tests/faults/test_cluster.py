"""Scopes in a cluster: spread over its nodes, and counted once wherever a slot goes."""

import asyncio
import re
from contextlib import closing
from pathlib import Path

import pytest
import redis
import redis.asyncio.cluster
import valkey
import valkey.asyncio.cluster
from prometheus_client import CollectorRegistry

import rig_stores
from paceline import Key, RateLimiter, StoreError, StoreUnavailable
from paceline.prometheus import accounts
from rig_proxy import FaultProxy

LIMIT = "5/min"
ROOT = Path(__file__).parents[2]


def stored(scope):
    return f"paceline:1:{{{Key(scope=scope).tag(None)}}}"


def admitted(user, scope, tries=8):
    return sum(bool(user.try_acquire(scope)) for _ in range(tries))


@pytest.fixture
def empty(cluster):
    cluster.flush()
    return cluster


def test_scopes_spread_over_the_nodes_and_hold_their_limits(empty, caller):
    """
    Every node has some of the keys, and every scope exactly its limit.
    """
    with caller(empty.url, limits=LIMIT) as user:
        assert {admitted(user, f"team-{n}") for n in range(30)} == {5}
    assert all(node.ask("DBSIZE") for node in empty.nodes[:3])


def test_the_accounts_of_all_nodes_are_shown_to_prometheus(empty):
    """
    Each scope once, whichever node has it.
    """
    registry = CollectorRegistry()
    with rig_stores.Blocking(empty.url, limits=LIMIT) as user:
        assert [admitted(user, f"team-{n}", 2) for n in range(20)] == [2] * 20
    with closing(accounts(empty.url, registry=registry)):
        assert registry.get_sample_value("paceline_scopes") == 20
        of = {"model": "", "unit": "requests", "window": "min"}
        for n in range(20):
            labels = {"scope": f"team-{n}", **of}
            assert registry.get_sample_value("paceline_used", labels) == 2


def test_both_kinds_of_caller_share_an_account(empty):
    """
    Blocking and asyncio callers meet at the node that has the scope.
    """
    with (
        rig_stores.Blocking(empty.url, limits=LIMIT) as one,
        rig_stores.OnLoop(empty.url, limits=LIMIT) as other,
    ):
        assert admitted(one, "a", 3) + admitted(other, "a") == 5


@pytest.mark.parametrize(
    "client",
    [
        redis.RedisCluster,
        redis.asyncio.cluster.RedisCluster,
        valkey.ValkeyCluster,
        valkey.asyncio.cluster.ValkeyCluster,
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_a_users_cluster_client_is_a_store(empty, client):
    """
    Clients of redis-py and valkey-py, of either kind, serve both kinds of call.
    """

    async def make():
        return client(host="127.0.0.1", port=empty.nodes[0].port)

    made = asyncio.run(make())
    with rig_stores.Blocking(made, limits=LIMIT) as user:
        assert admitted(user, "a", 3) == 3
    with rig_stores.OnLoop(made, limits=LIMIT) as user:
        assert admitted(user, "a") == 2
    if not hasattr(made, "aclose"):
        made.close()


def test_a_slot_that_moves_takes_its_account_along(empty, caller):
    """
    ASK while it moves, MOVED afterwards, no script where it arrives: five in all.
    """
    name = stored("mover")
    source = empty.owner(name)
    target = next(node for node in empty.nodes[:3] if node is not source)
    with caller(empty.url, limits=LIMIT) as user:
        assert admitted(user, "mover", 2) == 2
        target.ask("SCRIPT", "FLUSH")
        empty.move(name, target, "begin")
        assert admitted(user, "mover", 1) == 1
        empty.move(name, target, "migrate")
        assert admitted(user, "mover", 1) == 1
        empty.move(name, target, "end")
        assert admitted(user, "mover") == 1
    assert target.ask("EXISTS", name)
    # Back, for the other tests: the slot knows no difference.
    for step in ("begin", "migrate", "end"):
        empty.move(name, source, step)


def test_a_call_whose_reply_is_lost_counts_once(empty, caller):
    """
    It is sent again to the node that has the slot, on its lane.
    """
    owner = empty.owner(stored("a"))
    with FaultProxy(owner.socket) as proxy:
        client = redis.RedisCluster(
            host="127.0.0.1",
            port=empty.nodes[0].port,
            address_remap=lambda address: (
                ("127.0.0.1", proxy.port) if address[1] == owner.port else address
            ),
        )
        with caller(client, limits=LIMIT) as user:
            assert admitted(user, "a", 1) == 1
            proxy.mode = "reset_on_reply_once"
            assert admitted(user, "a", 1) == 1
            assert proxy.mode == "pass"
            assert admitted(user, "a") == 3
        client.close()


@pytest.mark.parametrize(("caller", "end"), rig_stores.ENDS, indirect=["caller"])
def test_a_replica_takes_over_within_the_timeout(mortal_cluster, caller, end):
    """
    The primary is killed or stopped: who waits sees a wait, other shards nothing.
    """
    owner = mortal_cluster.owner(stored("a"))
    others = [n for n in range(9) if mortal_cluster.owner(stored(f"{n}")) is not owner]
    with caller(mortal_cluster.url, limits=LIMIT) as user:
        user.acquire("a")
        getattr(owner, end)()
        other, waited = rig_stores.timed(user.acquire, f"{others[0]}", timeout=0.5)
        assert not isinstance(other, Exception)
        assert waited < 0.5
        refused, took = rig_stores.timed(user.try_acquire, "a")
        assert isinstance(refused, StoreUnavailable)
        assert took < 1.5
        user.acquire("a", timeout=10)
        assert mortal_cluster.owner(stored("a")) is not owner
        # The promoted replica has the account, if not the last of it.
        assert admitted(user, "a") in {3, 4}
        owner.resume()


def test_a_cluster_that_is_gone_is_an_error_of_ours(free_port, caller):
    """
    No node answers: the error says so, when one could have taken over by then.
    """
    with caller(f"redis+cluster://127.0.0.1:{free_port}", limits=LIMIT) as user:
        gone, took = rig_stores.timed(user.try_acquire, "a")
    assert isinstance(gone, StoreUnavailable)
    assert gone.code == "P201"
    assert took < 1.5


def test_what_is_taken_for_a_cluster_or_not_for_one_is_told(
    empty, clean_server, caller
):
    """
    The error names the URL to write instead.
    """
    with caller(f"redis+cluster://127.0.0.1:{clean_server.port}", limits="9/s") as user:
        result, _ = rig_stores.timed(user.try_acquire, "a")
        assert isinstance(result, StoreError)
        assert '"redis://"' in result.hint
    elsewhere = empty.owner(stored("a"))
    node = next(node for node in empty.nodes[:3] if node is not elsewhere)
    with caller(f"redis://127.0.0.1:{node.port}", limits="9/s") as user:
        result, _ = rig_stores.timed(user.try_acquire, "a")
        assert isinstance(result, StoreError)
        assert '"redis+cluster://"' in result.hint


def test_operators_see_all_scopes_of_a_cluster(empty):
    """
    The commands that look at a store find what every node has.
    """
    with RateLimiter(empty.url, limits=LIMIT) as limiter:
        for number in range(10):
            limiter.acquire(f"team-{number}")
        client = limiter._engine._store.sync().client
        assert len(set(client.scan_iter(match="paceline:1:*"))) == 10
        assert client.time()[0] > 0
        assert len(client.primaries()) == 3


def test_the_documented_rights_are_enough_in_a_cluster(empty, caller):
    """
    A user with the rule of the docs, and not one right more.
    """
    page = (ROOT / "docs/reference/stores.md").read_text("utf-8")
    (rule,) = re.findall(r"^ACL SETUSER limiter (.*)$", page, re.MULTILINE)
    for node in empty.nodes:
        node.ask("ACL", "SETUSER", "limiter", *rule.split(), "+cluster|slots")
    url = empty.url.replace("://", "://limiter:secret@")
    with caller(url, limits=LIMIT) as user:
        assert {admitted(user, f"team-{n}") for n in range(9)} == {5}
    with caller(url.replace("secret", "wrong"), limits=LIMIT) as user:
        refused, _ = rig_stores.timed(user.try_acquire, "a")
        assert refused.code == "P203"
