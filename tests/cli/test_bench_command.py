"""``paceline bench``: its arithmetic, its options, and the whole of it in short."""

import json
import pickle
import threading
import uuid

import pytest

import rig
from paceline import CalendarWindow, SlidingWindow, TokenBucket
from paceline.bench.callers import call, decide, key_of, open_limiter
from paceline.bench.latency import Latencies
from paceline.bench.measure import Calls, Decisions, measure_calls, measure_decisions
from paceline.bench.plan import Plan, costs, enforceable, roomy, used
from paceline.cli import main
from paceline.cli.bench import _duration, _report
from paceline.cli.bench_bar import LiveWatcher, PlainWatcher, watch
from paceline.mock import serve

WINDOW = SlidingWindow(10, 1.0)
BUCKET = TokenBucket(10, 1.0, burst=5)


def make_plan(**changes):
    plan = {
        "store": f"memory://{uuid.uuid4().hex}",
        "scope": "bench-test",
        "limits": (SlidingWindow(20, 60.0),),
        "cost": {"requests": 1},
        "processes": 1,
        "callers": 3,
        "threads": False,
        "seconds": 0.3,
        "guard": 0.0,
    }
    return Plan(**{**plan, **changes})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One real server is enough here: the other kinds are tested elsewhere."""
    binary = rig.servers()[0][1]
    running = rig.Server(binary, tmp_path_factory.mktemp("server")).start()
    yield running
    running.kill()


@pytest.mark.parametrize(
    ("limit", "cost", "moments", "end", "share"),
    [
        (WINDOW, 1, [], 5.0, 0.0),
        (WINDOW, 1, [0.0] * 10, 0.9, 1.0),
        (WINDOW, 1, [0.0] * 4, 0.9, 0.4),
        (WINDOW, 1, [0.0] * 10 + [1.0] * 10 + [2.0] * 10, 2.5, 1.0),
        (WINDOW, 1, [0.0] * 10 + [1.0] * 5 + [2.0] * 5, 2.5, 20 / 30),
        (WINDOW, 5, [0.0, 0.1], 0.5, 1.0),
        (BUCKET, 1, [0.0] * 5 + [n / 10 for n in range(1, 11)], 1.0, 1.0),
        (BUCKET, 1, [0.0] * 5, 1.0, 5 / 15),
        (CalendarWindow(10, "day"), 1, [0.0, 50.0], 60.0, 0.2),
    ],
)
def test_what_was_used_is_held_against_what_could_be_granted(
    limit, cost, moments, end, share
):
    """
    A window grants bursts a period apart, a bucket its burst and a steady refill.
    """
    assert used(limit, cost, moments, end) == pytest.approx(share)


@pytest.mark.parametrize("limit", [WINDOW, BUCKET, CalendarWindow(10, "day")])
def test_a_roomy_limit_is_of_the_same_kind_and_period(limit):
    """
    The tag says kind, unit and period; only the capacity has changed.
    """
    assert roomy(limit).tag == limit.tag
    assert roomy(limit).capacity > 1_000_000_000


def test_a_cost_is_completed_with_what_is_usual():
    """
    500 tokens, one of anything else, and what the user gave before all.
    """
    limits = [
        WINDOW,
        SlidingWindow(9, 1.0, unit="tokens"),
        TokenBucket(9, 1.0, unit="x"),
    ]
    assert costs(limits, {}) == {"requests": 1, "tokens": 500, "x": 1}
    assert costs(limits, {"tokens": 7})["tokens"] == 7


def test_the_judge_enforces_rates_of_requests_and_tokens():
    """
    The pretend server keeps buckets: no calendars, and no other units.
    """
    assert enforceable(WINDOW)
    assert enforceable(TokenBucket(9, 1.0, unit="tokens"))
    assert not enforceable(CalendarWindow(9, "day"))
    assert not enforceable(TokenBucket(9, 1.0, unit="images"))


def test_percentiles_are_exact_to_three_percent():
    """
    However many there are; the longest is exact, and none is shown above it.
    """
    one, other = Latencies(), Latencies()
    for number in range(1, 1_001):
        (one if number % 2 else other).add(number / 1_000)
    one.merge(pickle.loads(pickle.dumps(other)))
    assert one.count == 1_000
    assert one.most == 1.0
    for percent in (1, 50, 90, 99):
        assert one.percentile(percent) == pytest.approx(percent / 100, rel=0.035)
    assert one.percentile(100) == 1.0
    assert one.as_json()["max"] == 1000.0
    assert Latencies().percentile(50) == 0.0


@pytest.mark.parametrize("threads", [False, True])
def test_deciding_never_waits_and_denies_nothing(threads):
    """
    The plan's limit holds 20, and far more are decided: the limits are roomy ones.
    """
    plan = make_plan(threads=threads, limits=(SlidingWindow(1, 60.0),))
    seen = decide(threading.Barrier(1), plan)
    assert seen.latencies.count > 1
    assert seen.denied == 0


@pytest.mark.parametrize("threads", [False, True])
def test_callers_stop_when_their_turn_would_come_too_late(threads):
    """
    All that the limit holds is called, and nobody waits a minute for more.
    """
    with serve(limits=["20 requests/min"], latency=0, jitter=0) as mock:
        plan = make_plan(threads=threads, seconds=5.0)
        seen = call(threading.Barrier(1), plan, mock.base_url)
        (account,) = mock.stats()["accounts"]
    assert len(seen.moments) == seen.latencies.count == 20
    assert seen.failed == 0
    assert account["succeeded"] == 20
    assert account["answers_429"] == 0


def test_what_the_judge_refuses_is_counted(server):
    """
    When the store is told more than the provider grants, the report says so.
    """
    plan = make_plan(store=server.url)
    with serve(limits=["5 requests/min"], latency=0, jitter=0) as mock:
        calls = measure_calls(plan, mock, PlainWatcher())
    assert calls.count == 20
    assert calls.upstream_429s == 15
    assert calls.used == {"requests/min": 1.0}


def test_the_store_is_left_as_it_was(server, capsys):
    """
    What was measured is forgotten again, what a reset leaves expires by itself, and how
    it goes is said on stderr.
    """
    with server.client() as client:
        client.flushall()
        plan = make_plan(store=server.url)
        decisions = measure_decisions(plan, PlainWatcher())
        assert all(client.ttl(key) > 0 for key in client.scan_iter())
    with open_limiter(plan, deciding=True) as limiter:
        (status,) = limiter.peek(key_of(plan, deciding=True))
    assert status.remaining == status.capacity
    assert decisions.count > 0
    assert decisions.denied == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("decisions: 0.3 seconds\ndecisions: ")


def answers(**changes):
    waits = Latencies()
    waits.add(0.25)
    calls = {
        "count": 200,
        "per_second": 40.0,
        "upstream_429s": 0,
        "failed": 0,
        "used": {"requests/s": 0.985},
        "waits": waits,
    }
    return Decisions(1_000, 200.0, 0, waits), Calls(**{**calls, **changes})


@pytest.mark.parametrize(
    ("changes", "code"), [({}, 0), ({"upstream_429s": 1}, 1), ({"failed": 1}, 1)]
)
def test_the_exit_code_tells_of_refused_and_failed_calls(
    monkeypatch, capsys, changes, code
):
    """
    The figures are printed all the same, and the store's URL is not.
    """
    decisions, calls = answers(**changes)
    monkeypatch.setattr(
        "paceline.bench.measure.measure_decisions", lambda *_: decisions
    )
    monkeypatch.setattr("paceline.bench.measure.measure_calls", lambda *_: calls)
    store = "redis://user:secret@redis.internal/0"
    assert main(["bench", "--json", "--store", store]) == code
    out = capsys.readouterr().out
    assert "secret" not in out
    told = json.loads(out)
    assert told["store"] == "redis"
    assert told["calls"] == calls.as_json()
    assert told["decisions"]["latency_ms"]["max"] == 250.0


def test_the_report_has_a_table_and_what_it_means():
    """
    In ASCII: it can be printed anywhere. Nobody counted where nobody could.
    """
    report = _report(make_plan(), ["10 requests/s"], *answers())
    assert report.isascii()
    lines = report.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("calls ")] == [
        ["calls", "40.0"]
    ]
    assert "quota used: 98.5% of requests/s" in lines
    assert "429s: 0; failed: 0; let through: 200 in 0.3 s" in lines
    assert "429s: nobody counted" in _report(make_plan(), [], *answers())


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (0.000456, "456 us")]
)
def test_durations_have_units_that_people_read(seconds, text):
    """
    Three digits or so, never an exponent.
    """
    assert _duration(seconds) == text


@pytest.mark.parametrize(
    ("options", "exit_code", "code"),
    [
        (["--tasks", "2", "--threads", "2"], 2, "P510"),
        (["--cost", "tokens"], 2, "P510"),
        (["--cost", "tokens=0"], 2, "P510"),
        (["--seconds", "0"], 2, "P510"),
        (["--store", "memory://b"], 2, "P510"),
        (["--limits", "many"], 3, "P103"),
        (["--limits", "100 tokens/min"], 3, "P303"),
        (["--cost", "images=1"], 3, "P302"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_starts(
    capsys, options, exit_code, code
):
    """
    As JSON with its code, where JSON was asked for.
    """
    assert main(["bench", "--json", *options]) == exit_code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


FILE = """
store = "redis://file.internal/0"
limits = "7 requests/min"

[scopes.team-a]
limits."gpt-4o" = ["500 requests/min", "30k tokens/min", "32 concurrent"]
limits."*" = "32 concurrent"
"""


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Run the command with a file, measuring nothing: code, JSON, talk and plans."""
    (tmp_path / "paceline.toml").write_text(FILE)
    monkeypatch.delenv("PACELINE_STORE", raising=False)
    decisions, calls = answers()
    plans = []

    def decide(plan, _):
        plans.append(plan)
        return decisions

    monkeypatch.setattr("paceline.bench.measure.measure_decisions", decide)
    monkeypatch.setattr("paceline.bench.measure.measure_calls", lambda *_: calls)

    def run(*options):
        file = str(tmp_path / "paceline.toml")
        code = main(["bench", "--json", "--config", file, *options])
        out, err = capsys.readouterr()
        return code, json.loads(out), err, plans

    return run


def test_a_file_tells_the_limits_of_a_scope_and_a_model(told):
    """
    And the store, unless another is named. Calls at a time have no rate.
    """
    code, figures, err, (plan,) = told("--scope=team-a", "--model=gpt-4o")
    assert code == 0
    assert figures["limits"] == ["500 requests/min", "30k tokens/min"]
    assert figures["cost"] == {"requests": 1, "tokens": 500}
    assert "left out" in err
    assert plan.store == "redis://file.internal/0"
    _, figures, err, plans = told("--store=unix:///elsewhere")
    assert figures["limits"] == ["7 requests/min"]
    assert "left out" not in err
    assert plans[-1].store == "unix:///elsewhere"


def test_the_environment_names_the_store_before_a_file_does(told, monkeypatch):
    """
    As it does for a limiter that is made from the file.
    """
    monkeypatch.setenv("PACELINE_STORE", "redis://deployed.internal/0")
    plan = told()[3][-1]
    assert plan.store == "redis://deployed.internal/0"


@pytest.mark.parametrize(
    ("options", "exit_code", "code"),
    [
        (["--limits", "5/min"], 2, "P510"),
        (["--scope", "team-b"], 3, "P127"),
        (["--scope", "team-a", "--model", "o3"], 3, "P151"),
    ],
)
def test_a_file_that_has_nothing_to_measure_is_told(told, options, exit_code, code):
    """
    No such scope, only calls at a time, or limits from two places.
    """
    status, figures, *_ = told(*options)
    assert (status, figures["error"]["code"]) == (exit_code, code)


def test_a_scope_without_a_file_is_a_mistake(capsys):
    """
    It would otherwise be ignored, and other limits measured.
    """
    assert main(["bench", "--json", "--scope", "team-a"]) == 2
    assert "--config" in capsys.readouterr().out


def test_a_terminal_sees_a_bar_and_a_log_lines(monkeypatch, capsys):
    """
    The bar fills while the part lasts, and says at its end what came of it.
    """
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert isinstance(watch(), PlainWatcher)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    watcher = watch()
    assert isinstance(watcher, LiveWatcher)
    watcher.begin("decisions", 5.0)
    watcher.look()
    watcher.end("1,234 a second")
    watcher.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "decisions" in err
    assert "1,234 a second" in err


def test_a_store_that_is_not_there_is_told_as_such(capsys, free_port):
    """
    Exit code 4, before any process is started.
    """
    store = f"redis://127.0.0.1:{free_port}/0"
    assert main(["bench", "--json", "--store", store]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "P201"


def test_the_whole_bench_in_short(server, capsys):
    """
    Two processes share a strict window: no 429, and nothing above the limit.
    """
    options = ["--limits=30 requests/min", "--seconds=0.5", "--tasks=4", "--json"]
    assert main(["bench", f"--store={server.url}", *options]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["processes"] == 2
    assert told["decisions"]["count"] > 0
    assert told["calls"]["count"] == 30
    assert told["calls"]["upstream_429s"] == 0
    assert told["calls"]["quota_used"] == {"requests/min": 1.0}
    assert "2 processes of 4 tasks" in err
