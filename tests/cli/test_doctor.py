"""The doctor: what it finds on real servers, and what it makes of INFO."""

import json
import re
import subprocess
import time
from types import SimpleNamespace

import pytest
import redis

import rig
import rig_fleet
from paceline.cli import main
from paceline.ops import _server, _work
from paceline.ops.patient import OPERATOR_RULE, Patient
from paceline.stores._needs import COMMANDS, RULE


@pytest.fixture
def examine(clean_server, capsys):
    """Run the doctor; return its exit code and the findings by name."""

    def call(url=clean_server.url):
        code = main(["doctor", "--store", url, "--json"])
        findings = json.loads(capsys.readouterr().out)["findings"]
        return code, {each["name"]: each for each in findings}

    return call


@pytest.fixture
def login(clean_server):
    """Make a user who may do what a rule says; return the URL."""

    def make(*rule):
        words = ("reset", "on", ">s", *" ".join(rule).split())
        with clean_server.client() as client:
            client.execute_command("ACL", "SETUSER", "limiter", *words)
        return clean_server.tcp_url.replace("redis://", "redis://limiter:s@")

    return make


def test_a_server_in_order(clean_server, examine):
    """
    Nothing fails; without persistence there is one thing to look at.
    """
    code, found = examine()
    assert code == 0
    levels = {name: each["level"] for name, each in found.items()}
    assert levels.pop("persistence") == "warn"
    assert set(levels.values()) == {"ok"}
    assert next(iter(found)) == "reach"
    version = clean_server.client().info()
    told = found["server"]["values"]["version"]
    assert told == version.get("valkey_version", version["redis_version"])
    assert found["latency"]["values"]["acquire"]["median"] > 0
    assert abs(found["clock"]["values"]["ahead"]) < 1


def test_it_touches_nothing_foreign_and_leaves_nothing_behind(
    clean_server, examine, login
):
    """
    All is found by a user who may touch no foreign key; its own is gone afterwards.
    """
    client = clean_server.client()
    client.set("foreign", "1", ex=60)
    before = client.dump("foreign")
    code, found = examine(login(OPERATOR_RULE))
    assert code == 0
    assert [n for n, each in found.items() if each["level"] != "ok"] == ["persistence"]
    assert found["persistence"]["values"]["save"] == ""
    assert (before, ["foreign"]) == (client.dump("foreign"), list(client.scan_iter()))


@pytest.mark.parametrize(
    ("policy", "most", "level", "code"),
    [
        ("allkeys-lru", 100_000_000, "fail", 4),
        ("volatile-ttl", 100_000_000, "fail", 4),
        ("allkeys-lru", 0, "warn", 0),
        ("noeviction", 100_000_000, "ok", 0),
    ],
)
def test_eviction_forgets_quotas(clean_server, examine, policy, most, level, code):
    """
    It fails where it can happen, and is worth a word where it cannot yet.
    """
    client = clean_server.client()
    try:
        client.config_set("maxmemory", most)
        client.config_set("maxmemory-policy", policy)
        status, found = examine()
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
    assert (found["eviction"]["level"], status) == (level, code)
    assert level == "ok" or "noeviction" in found["eviction"]["remedy"]


@pytest.mark.parametrize("asks", ["", "+acl|dryrun +acl|whoami"])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_missing_command_is_named(login, examine, command, asks):
    """
    By the server's own dry run if the user may ask for it, else by trying.
    """
    if asks and not _has_dry_run(login):
        pytest.skip("this server has no ACL DRYRUN")
    code, found = examine(login(RULE, f"-{command}", "+ping", asks))
    assert sum(each["level"] == "fail" for each in found.values()) <= 2
    if command == "time":  # without it, nothing can be reached in earnest
        assert (code, found["reach"]["values"]["code"]) == (4, "P204")
        return
    rights = found["rights"]
    assert (code, rights["level"]) == (4, "fail")
    assert rights["values"]["missing"] == [command]
    assert rights["remedy"].endswith(RULE)
    assert ("DRYRUN" in rights["text"]) == bool(asks)


def _has_dry_run(login):
    client = redis.Redis.from_url(login("+@all", "~*"), protocol=2)
    with client:
        return client.info()["redis_version"] >= "7"


def test_a_limiters_user_is_enough_for_a_sound_answer(login, examine):
    """
    What it may not ask is told as one thing to look at, with the rule.
    """
    code, found = examine(login(RULE))
    assert code == 0
    assert {name: each["level"] for name, each in found.items()} == {
        "reach": "ok",
        "rights": "ok",
        "scripts": "ok",
        "latency": "ok",
        "clock": "ok",
        "keys": "warn",
        "info": "warn",
    }
    assert "+info" in found["info"]["remedy"]


def test_keys_of_another_pattern_are_refused(login, examine):
    """
    The commands alone do not do: the rule has a pattern.
    """
    code, found = examine(login(RULE.replace("~paceline:*", "~other:*")))
    assert (code, found["rights"]["level"]) == (4, "fail")
    assert found["rights"]["values"]["missing"] == [
        each for each in COMMANDS if each != "time"
    ]


def test_a_wrong_password_is_told(clean_server, examine):
    """
    Nothing else can be said of that store.
    """
    url = clean_server.tcp_url.replace("redis://", "redis://nobody:wrong@")
    code, found = examine(url)
    assert (code, list(found)) == (4, ["reach"])
    assert found["reach"]["values"]["code"] == "P203"


def test_a_replica_is_no_store(clean_server, free_port, examine):
    """
    The primary is named; what needs to write fails as well.
    """
    client = clean_server.client()
    try:
        client.replicaof("127.0.0.1", free_port)
        code, found = examine()
    finally:
        client.replicaof("NO", "ONE")
    assert code == 4
    assert found["role"]["remedy"].endswith(f"127.0.0.1:{free_port}.")
    assert found["scripts"]["values"]["code"] == "P206"
    # Told once: no decision can be measured, a round trip can.
    assert found["latency"]["level"] == "ok"
    assert list(found["latency"]["values"]) == ["ping"]


def test_keys_that_never_expire_are_not_ours(clean_server, examine):
    """
    Whatever makes them, they stay for ever.
    """
    client = clean_server.client()
    client.hset("paceline:1:{x}", "m:", "1")
    try:
        keys = examine()[1]["keys"]
    finally:
        client.delete("paceline:1:{x}")
    assert (keys["level"], keys["values"]) == (
        "warn",
        {"scopes": 1, "without_end": 1},
    )


def test_the_text_has_a_line_per_finding_and_the_remedy_below(clean_server, capsys):
    """
    Findings on stdout, the sum on stderr.
    """
    assert main(["doctor", "--url", clean_server.url]) == 0  # or --store
    out, err = capsys.readouterr()
    assert re.search(r"^ ok    rights      user default may do all", out, re.MULTILINE)
    assert re.search(
        r"^ warn  persistence none: .*\n +CONFIG SET append", out, re.MULTILINE
    )
    assert err == "\nFit for a limiter; 1 to look at.\n"


def test_a_store_in_memory_is_for_one_process(capsys):
    """
    Worth a word, and nothing of a server is asked.
    """
    assert main(["doctor", "--store", "memory://doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    odd = [each["name"] for each in findings if each["level"] != "ok"]
    assert [name for name in odd if name != "latency"] == ["reach"]  # a busy machine


def test_a_node_of_a_cluster_is_told(tmp_path, examine):
    """
    Without its slots it is out of order; with them it is still one node of several.
    """
    binary, port = rig.servers()[0][1], rig.free_port()
    options = ["--port", str(port), "--cluster-enabled", "yes", "--save", ""]
    options += ["--cluster-port", str(rig.free_port()), "--dir", str(tmp_path)]
    node = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    client = redis.Redis(port=port, protocol=2)
    try:
        rig_fleet.until(client.ping)
        code, found = examine(url)
        assert (code, found["cluster"]["level"]) == (4, "fail")
        assert found["cluster"]["values"]["state"] == "fail"
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert node.poll() is None
            time.sleep(0.02)
        client.execute_command(
            "ACL", "SETUSER", "u", "on", ">s", *f"{RULE} +ping +info".split()
        )
        unasked = examine(url.replace("redis://", "redis://u:s@"))[1]["cluster"]
        code, found = examine(url)
    finally:
        client.close()
        node.kill()
        node.wait()
    assert (code, found["cluster"]["level"]) == (0, "warn")
    assert found["cluster"]["text"] == "one node of a cluster"
    assert unasked["text"] == "unknown: the user may not ask (CLUSTER INFO)"


def patient(**info):
    """Return a store of which only INFO is known."""
    client = type("Redis", (), {"config_get": lambda _, name: {name: "3600 1"}})()
    made = Patient(SimpleNamespace(client=client, where="redis://x", place="redis://x"))
    made.__dict__["info"] = info
    return made


@pytest.mark.parametrize(
    ("check", "info", "level", "words"),
    [
        ("server", {"redis_version": "6.0.16"}, "fail", "Redis 6.0.16 is too old"),
        ("server", {"redis_version": "6.2.0"}, "ok", "Redis 6.2.0"),
        ("server", {"redis_version": "8.4.1"}, "ok", "Redis 8.4.1"),
        (
            "server",
            {"redis_version": "7.2.4", "valkey_version": "7.2.5"},
            "fail",
            "Valkey 7.2.5 is too old",
        ),
        (
            "server",
            {"redis_version": "7.2.4", "valkey_version": "9.1.2"},
            "ok",
            "Valkey 9.1.2",
        ),
        ("cluster", {"cluster_enabled": 0}, "ok", "no cluster"),
        ("memory", {"used_memory": 1_500_000}, "ok", "1.5 MB used, no maxmemory"),
        ("memory", {"used_memory": 79, "maxmemory": 100}, "ok", "79 B of 100 B"),
        ("memory", {"used_memory": 80, "maxmemory": 100}, "warn", "(80%)"),
        ("memory", {"used_memory": 98, "maxmemory": 100}, "fail", "(98%)"),
        ("persistence", {"aof_enabled": 1}, "ok", "AOF"),
        ("persistence", {"aof_enabled": 0}, "warn", "snapshots only (save 3600 1)"),
        (
            "persistence",
            {"aof_enabled": 1, "aof_last_write_status": "err"},
            "fail",
            "AOF failed",
        ),
        (
            "persistence",
            {"aof_enabled": 0, "rdb_last_bgsave_status": "err"},
            "fail",
            "snapshot failed",
        ),
        ("replicas", {"connected_slaves": 0}, "ok", "none"),
        ("replicas", {"connected_slaves": 1, "slave0": {"lag": 1}}, "ok", "1, up to"),
        ("replicas", {"connected_slaves": 1, "slave0": {"lag": 60}}, "warn", "60 s"),
    ],
)
def test_what_is_made_of_info(check, info, level, words):
    """
    Each finding has a remedy unless all is well.
    """
    found = getattr(_server, check)(patient(**info))
    assert found.level == level
    assert words in found.text
    assert bool(found.remedy) == (level != "ok")


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.001, "ok"), (0.06, "warn"), (0.45, "fail")]
)
def test_a_slow_store_is_told(monkeypatch, seconds, level):
    """
    A limiter gives a call half a second.
    """
    made = patient()
    made.client.ping = bool
    monkeypatch.setattr(Patient, "timed", lambda self, what, times: [seconds] * times)
    found = _work.latency(made)
    assert found.level == level
    assert found.values["acquire"] == {"median": seconds, "p99": seconds}
