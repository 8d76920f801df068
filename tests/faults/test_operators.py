"""The operator's commands at a cluster and behind Sentinels, also in trouble."""

import json
import re

import pytest

import rig_fleet
from paceline import Key, RateLimiter
from paceline.cli import main
from paceline.ops.patient import OPERATOR_RULE
from paceline.stores._needs import RULE

SLOTS = "+cluster|slots"


@pytest.fixture
def run(capsys):
    """Run a command; return its exit code, stdout and stderr."""

    def call(url, *args):
        code = main([*args, "--store", url])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def doctor(run):
    """Run the doctor; return its exit code and the findings by name."""

    def call(url):
        code, out, _ = run(url, "doctor", "--json")
        return code, {each["name"]: each for each in json.loads(out)["findings"]}

    return call


@pytest.fixture
def empty(cluster):
    cluster.flush()
    return cluster


def address(node):
    return f"127.0.0.1:{node.port}"


def login(fleet, nodes, *rule):
    """Make a user on some nodes; return the URL."""
    for node in nodes:
        node.ask("ACL", "SETUSER", "us", "reset", "on", ">s", *" ".join(rule).split())
    return fleet.url.replace("://", "://us:s@")


def spend(fleet, count=9):
    with RateLimiter(fleet.url, limits="9/min") as limiter:
        for number in range(count):
            limiter.acquire(f"team-{number}")


def test_the_doctor_looks_at_every_primary(empty, doctor):
    """
    What is alike is told once; what differs by nature for whom it is worst. JSON has
    all, by address.
    """
    spend(empty)
    code, found = doctor(login(empty, empty.nodes, OPERATOR_RULE, SLOTS))
    assert code == 0
    assert found["eviction"]["text"] == "noeviction, on all 3 primaries"
    assert found["role"]["text"] == "primary, on all 3 primaries"
    assert found["keys"]["text"] == "9 scopes of ours, on 3 primaries"
    assert re.search(r"the slowest of 3 primaries \(127", found["latency"]["text"])
    wanted = {address(node) for node in empty.nodes[:3]}
    for finding in found.values():
        nodes = finding["values"]["nodes"]
        assert set(nodes) == wanted
        assert all(set(each) == {"level", "text", "values"} for each in nodes.values())
    assert {each["level"] for each in found.values()} <= {"ok", "warn"}


def test_a_limiters_user_is_enough_for_the_doctor_at_a_cluster(empty, doctor):
    """
    What it may not ask is told as such, once.
    """
    code, found = doctor(login(empty, empty.nodes, RULE, SLOTS))
    assert code == 0
    assert found["rights"]["level"] == "ok"
    assert found["scripts"]["text"].endswith("on all 3 primaries")
    assert found["info"]["text"].endswith("on all 3 primaries")


def test_the_doctor_names_the_primary_that_differs(empty, doctor):
    """
    Settings and users are each node's own.
    """
    odd = empty.nodes[1]
    url = login(empty, empty.nodes, OPERATOR_RULE, SLOTS)
    login(empty, [odd], OPERATOR_RULE, SLOTS, "-hset")
    try:
        odd.ask("CONFIG", "SET", "maxmemory", "500mb")
        odd.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        code, found = doctor(url)
    finally:
        odd.ask("CONFIG", "SET", "maxmemory", "0")
        odd.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert code == 4
    failed = {name for name, each in found.items() if each["level"] == "fail"}
    assert failed == {"rights", "scripts", "eviction"}
    for name, words in (("rights", "call hset"), ("eviction", "allkeys-lru")):
        text = found[name]["text"]
        assert words in text
        assert text.endswith(f"at {address(odd)}; the other 2 in order")
    assert found["eviction"]["remedy"] == "CONFIG SET maxmemory-policy noeviction"


def test_a_primary_that_is_gone_is_named_and_the_others_examined(
    mortal_cluster, run, doctor
):
    """
    And so are its slots, if nobody takes over.
    """
    gone, replica, other = (mortal_cluster.nodes[number] for number in (0, 3, 1))
    replica.kill()
    gone.kill()
    rig_fleet.until(
        lambda: "cluster_slots_ok:16384" not in other.ask("CLUSTER", "INFO")
    )
    code, found = doctor(mortal_cluster.url)
    assert code == 4
    assert found["reach"]["text"] == (
        f"cannot reach {address(gone)} (connection refused); the other 2 in order"
    )
    assert "replica" in found["reach"]["remedy"]
    assert set(found["eviction"]["values"]["nodes"]) == {
        address(node) for node in mortal_cluster.nodes[1:3]
    }
    assert "5,462 slots no node answers" in found["cluster"]["text"]
    code, _, err = run(mortal_cluster.url, "status")
    assert code == 4
    assert f"cannot reach {address(gone)} of redis+cluster://" in err


def test_a_slot_that_moves_is_no_trouble_for_operators(empty, run, doctor):
    """
    Its key is where it is at present, before, while and after it goes.
    """
    spend(empty)
    key = f"paceline:1:{{{Key(scope='team-1').tag(None)}}}"
    source = empty.owner(key)
    target = next(node for node in empty.nodes[:3] if node is not source)
    for step in ("begin", "migrate", "end"):
        empty.move(key, target, step)
        code, out, _ = run(empty.url, "status")
        assert (code, len(out.splitlines())) == (0, 10), step
        assert doctor(empty.url)[1]["keys"]["level"] == "ok", step
    empty.move(key, source, "begin")
    assert run(empty.url, "reset", "team-1", "--yes")[0] == 0
    empty.move(key, source, "end")


@pytest.mark.parametrize("command", ["status", "top --once --interval 0.1", "reset"])
def test_the_operators_rules_are_enough_at_a_cluster(empty, run, command):
    """
    With the right to ask who has which slots, which is named where it lacks.
    """
    rule = "~paceline:* +scan +hgetall +time"
    if command == "reset":
        command = "reset team-0 --yes"
        rule += " +evalsha +eval +hmget +hset +hdel +pttl +pexpire"
    spend(empty)
    code, _, err = run(login(empty, empty.nodes, rule), *command.split())
    assert code == 4
    assert SLOTS in err
    code, out, err = run(login(empty, empty.nodes, rule, SLOTS), *command.split())
    assert code == 0, err
    assert "team-0" in out


def test_the_doctor_names_the_primary_behind_sentinels(watched, doctor):
    """
    That is who was examined.
    """
    code, found = doctor(watched.url)
    assert code == 0
    assert f"/quota at {address(watched.leader)} answers" in found["reach"]["text"]
    assert "nodes" not in found["reach"]["values"]
