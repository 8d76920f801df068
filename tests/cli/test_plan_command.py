"""``paceline plan``: how long a batch will take, before anything is sent."""

import json
import uuid

import pytest

from paceline import Key, RateLimiter
from paceline.cli import main
from rig_batch import row, rows, write


@pytest.fixture
def plan(tmp_path, capsys):
    """Return what plans lines: exit code, stdout and stderr."""

    def run(lines, *options):
        path = write(tmp_path / "in.jsonl", lines)
        code = main(["plan", str(path), *options])
        return code, *capsys.readouterr()

    return run


def test_it_tells_the_time_and_the_limit_that_decides(plan):
    """
    Per model, with the time under each limit alone.
    """
    lines = [row(f"r{i}", max_tokens=100) for i in range(100)]
    code, out, err = plan(
        lines,
        "--limits=60 requests/min burst 10",
        "--limits=100k tokens/min",
        "--call-time=2s",
    )
    assert (code, err) == (0, "")
    assert out == (
        "gpt-4o: 100 rows, 10,000 tokens, at most 1 min 33 s\n"
        "  what decides: requests/min burst\n"
        "  requests/min burst: 100 of 10; alone 1 min 33 s\n"
        "  tokens/min: 10,000 of 100,000; alone 2.0 s\n"
        "\n"
        "100 rows in at most 1 min 33 s.\n"
    )


def test_json_has_every_model_the_slowest_first(plan):
    """
    One document on stdout.
    """
    lines = [row("a", model="fast"), *(row(f"r{i}", model="slow") for i in range(3))]
    options = ["--limits=slow=1/h", "--limits=100/s", "--json"]
    code, out, _ = plan(lines, *options)
    told = json.loads(out)
    assert code == 0
    assert [model["model"] for model in told["models"]] == ["slow", "fast"]
    slow, fast = told["models"]
    assert (slow["bottleneck"], fast["bottleneck"]) == ("requests/h", None)
    assert told["seconds"] == slow["seconds"] == pytest.approx(7201, abs=1)
    assert slow["limits"] == [
        {
            "name": "requests/h",
            "unit": "requests",
            "capacity": 1,
            "remaining": 1,
            "units": 3,
            "seconds": slow["seconds"],
        }
    ]


def test_with_a_store_it_begins_with_what_is_left(plan):
    """
    Half of an hour's limit is used: the rest has to wait for it.
    """
    store, scope = f"memory://{uuid.uuid4().hex}", "team"
    options = ["--limits=100/h", "--store", store, "--scope", scope, "--json"]
    code, out, _ = plan(rows(60), *options)
    assert json.loads(out)["models"][0]["bottleneck"] is None
    with RateLimiter(store, limits=["100/h"]) as limiter:
        limiter.acquire(Key(scope=scope, model="gpt-4o"), 50)
        code, out, _ = plan(rows(60), *options)
    assert code == 0
    (model,) = json.loads(out)["models"]
    assert model["limits"][0]["remaining"] == 50
    assert model["bottleneck"] == "requests/h"
    assert 3_500 < model["seconds"] <= 3_601


def test_a_pattern_may_have_limits_of_its_own(plan):
    """
    They stand in place of those for all other models.
    """
    lines = [row("a", model="gpt-4o"), row("b", model="o3")]
    _, out, _ = plan(lines, "--limits=gpt-*=5/min", "--limits=7/h", "--json")
    named = {
        model["model"]: [limit["name"] for limit in model["limits"]]
        for model in json.loads(out)["models"]
    }
    assert named == {"gpt-4o": ["requests/min"], "o3": ["requests/h"]}


def test_rows_that_are_no_requests_are_an_error_of_configuration(plan):
    """
    As in the run; with --skip-invalid they are counted.
    """
    code, out, err = plan([row("a"), "{}"], "--limits=5/min")
    assert (code, out) == (3, "")
    assert "[P701] 1 of 2 rows are no requests" in err
    code, out, _ = plan([row("a"), "{}"], "--limits=5/min", "--skip-invalid")
    assert code == 0
    assert "1 lines are no requests and were left out." in out


def test_ten_thousand_rows_are_planned_before_the_coffee_is_there(plan):
    """
    Nothing in it grows faster than the file.
    """
    lines = rows(10_000)
    _, out, _ = plan(lines, "--limits=500/min", "--limits=1M tokens/min", "--json")
    (model,) = json.loads(out)["models"]
    assert model["rows"] == 10_000
    assert model["bottleneck"] == "requests/min"
    assert model["seconds"] == pytest.approx(22 * 60, rel=0.03)


def test_no_row_at_all_takes_no_time(plan):
    """
    An empty file is no error.
    """
    code, out, _ = plan([], "--limits=5/min")
    assert (code, out) == (0, "0 rows in at most 0.0 s.\n")


def test_the_limits_may_stand_in_a_file(plan, tmp_path, monkeypatch):
    """
    Found as by every command; then its store tells what is left.
    """
    store = f"memory://plan-{uuid.uuid4().hex[:8]}"
    limits = 'limits = ["100/h"]'
    text = f'store = "{store}"\n[scopes.team-a]\nkey_env = "KEY_OF_A"\n{limits}\n'
    (tmp_path / "paceline.toml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY_OF_A", "sk-a-1")
    with RateLimiter(store, limits=["100/h"]) as limiter:
        limiter.acquire(Key("sk-a-1", "gpt-4o"), 30)
        code, out, _ = plan(rows(3), "--scope=team-a", "--json")
    assert code == 0
    assert json.loads(out)["models"][0]["limits"][0]["remaining"] == 70
