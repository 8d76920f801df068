"""The harness of the benchmarks: what it makes of its measurements."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import QUESTIONS, _for_newer, _options, main
from benchmarks.compare import side_by_side
from benchmarks.harness import Row, Run, interleave, single, spread
from benchmarks.harness.crew import together
from benchmarks.harness.limits import granted
from benchmarks.harness.peers import missing
from benchmarks.harness.plot import bars, can_draw
from benchmarks.harness.result import Result, rounded
from benchmarks.harness.table import number, table
from benchmarks.hot_path import _name
from benchmarks.peers_proof import most_provable
from benchmarks.waiting import Turn, most_in_window, summary, used

ROOT = Path(__file__).parents[2]


def test_a_spread_is_the_median_and_its_quartiles():
    """
    One round that a neighbour spoilt changes little.
    """
    seen = spread([1.0, 2.0, 3.0, 4.0, 1000.0])
    assert (seen.median, seen.low, seen.high, seen.rounds) == (3.0, 2.0, 4.0, 5)
    assert (spread([7.0]).low, spread([7.0]).high) == (7.0, 7.0)
    with pytest.raises(ValueError, match="no round"):
        spread([])


def test_contenders_take_turns_and_are_compared_within_a_round():
    """
    The order turns around each time, and the first round only warms up. A machine that
    is twice as slow in one round does not change a ratio.
    """
    order, speed = [], iter([9.0, 9.0, 1.0, 1.0, 2.0, 2.0])

    def contender(name, factor):
        def measure():
            order.append(name)
            return {"per_second": factor * next(speed)}

        return measure

    contenders = {"base": contender("base", 10), "fast": contender("fast", 30)}
    base, fast = interleave(contenders, 2, base="base")
    assert order == ["fast", "base", "base", "fast", "fast", "base"]
    assert fast.measures["ratio"] == spread([3.0, 3.0])
    assert base.measures["ratio"].median == 1.0
    assert fast.measures["per_second"].median == 45.0


def test_a_table_has_a_line_per_row_and_its_notes():
    """
    Quartiles only where they differ; what a row lacks is a dash.
    """
    rows = [Row("a", {"x": spread([1.0, 2.0, 4.0])}), single("b", {"y": 1234.5}, "odd")]
    lines = table(rows).splitlines()
    assert lines[0].split() == ["x", "y"]
    assert lines[2].split() == ["a", "2", "[1.5..3]", "-"]
    assert lines[3].split() == ["b", "-", "1,234"]
    assert lines[4] == "b: odd"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (999.6, "1000"), (12.345, "12.3"), (1e6, "1,000,000")],
)
def test_numbers_are_printed_with_the_digits_that_matter(value, text):
    """
    Three of them, and never an exponent.
    """
    assert number(value) == text


@pytest.mark.skipif(not can_draw(), reason="matplotlib comes with the extra bench")
def test_a_plot_is_an_svg_with_a_bar_per_row():
    """
    It says whether it is drawn to scale. The same rows make the same file; its words
    stay words, and its ground is there on a dark page too.
    """
    rows = [single("paceline <x>", {"m": 50.0}), single("b", {"m": 100.0})]
    picture = bars(rows, "m", "T")
    assert picture == bars(rows, "m", "T")
    words = [text.text for text in ET.fromstring(picture).iter() if text.text]
    for word in ("T", "paceline <x>", "b", "50", "100", "m"):
        assert word in words
    assert "fill: #ffffff" in picture
    assert "logarithmic" in bars([*rows, single("c", {"m": 0.01})], "m", "T")
    assert "none" in bars([single("none", {"m": 0.0})], "m", "T")
    with pytest.raises(ValueError, match="no row"):
        bars(rows, "n", "T")


def test_a_result_reads_back_as_it_was_written(tmp_path):
    """
    The format has a number; another one is refused.
    """
    rows = [Row("a", {"x": spread([1.0, 2.0, 4.0])}, "note")]
    result = Result("sync", "What?", rows, {"quick": True}, {"cores": 2})
    path = result.write(tmp_path)
    assert Result.read(path) == result
    some = replace(result, settings={"peers": ["limits"]})
    assert some.write(tmp_path).name == "sync.limits.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    with pytest.raises(ValueError, match=r"sync\.json"):
        Result.read(path)


def test_two_sides_are_compared_by_what_both_have():
    """
    Ratios are taken between neighbouring runs; what one side lacks is left out.
    """
    place, other = ("sync", "row", "ratio"), ("sync", "row", "server_us")
    before = [{place: spread([1.0]), other: spread([1.0])}, {place: spread([2.0])}]
    after = [{place: spread([3.0])}, {place: spread([6.0])}]
    (row,) = side_by_side(before, after)
    assert row.name == "sync: row: ratio"
    assert row.measures["after/before"] == spread([3.0, 3.0])
    assert side_by_side(before, after, only={("sync", "per_second")}) == []


def test_two_finished_runs_are_laid_side_by_side(tmp_path, capsys):
    """
    Each a directory of results; only the headlines, unless all is asked for.
    """
    for side, value in (("before", 2.0), ("after", 3.0)):
        rows = [single("a", {"ratio": value, "client_us": 10.0 / value})]
        Result("sync", "Q?", rows, {}, {}).write(tmp_path / side)
    words = ["compare", str(tmp_path / "before"), str(tmp_path / "after")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[2].split() == ["sync:", "a:", "ratio", "2", "3", "1.5"]
    assert "client_us" not in out
    assert main([*words, "--all"]) == 0
    assert "sync: a: client_us" in capsys.readouterr().out
    (tmp_path / "none").mkdir()
    assert main([*words[:2], str(tmp_path / "none")]) == 1


def test_only_calls_that_lie_within_a_window_prove_anything():
    """
    One that began before it, or ended after it, may have been admitted outside.
    """
    assert most_provable([(0.0, 0.1), (0.5, 0.6), (0.9, 1.1)], 1.0) == 2
    assert most_provable([(0.0, 0.1), (0.95, 0.96), (1.0, 1.05)], 1.0) == 2
    assert most_provable([], 1.0) == 0


def test_a_window_is_half_open():
    """
    Admissions exactly a second apart are never in one second.
    """
    assert most_in_window([0.0, 0.5, 1.0, 1.4], 1.0) == 3
    assert most_in_window([0.0, 1.0, 2.0], 1.0) == 1


def test_use_counts_whole_seconds_and_no_saved_up_burst():
    """
    Twenty a second is all of it, ten is half, and forty at once are twenty.
    """
    full = [float(second) for second in range(4) for _ in range(20)]
    assert used(full, 20) == 1.0
    assert used(full[::2], 20) == 0.5
    assert used([0.0] * 40 + [1.0], 20) == 1.0
    assert used([0.0] * 20, 20) == 0.0


def test_who_came_later_and_left_earlier_has_overtaken():
    """
    By more than 20 ms at both ends: less is the lag of a machine.
    """
    turns = [Turn(0.0, 2.0), Turn(0.5, 1.0), Turn(1.99, 2.01)]
    assert summary(turns, 20)["overtaken"] == pytest.approx(1 / 3)
    assert summary([Turn(0.0, 1.01), Turn(0.01, 1.0)], 20)["overtaken"] == 0.0


def test_a_denial_is_not_measured_as_if_it_were_a_grant():
    """
    It is cheaper, and would flatter.
    """
    granted(decision=True)
    with pytest.raises(RuntimeError, match="never reached"):
        granted(decision=False)


def _wait(start, number):
    early = start() > time.monotonic()
    return number, early


def _fail(start, number):
    raise ValueError(number)


def test_processes_begin_together_and_answer_in_order():
    """
    Whoever is there first has the start still ahead.
    """
    begins = []
    heard = together(_wait, [(0,), (1,)], begins.append, lead=5.0)
    assert heard == [(0, True), (1, True)]
    assert len(begins) == 1


def test_a_process_that_fails_is_heard(capfd):
    """
    Its error is in the text, and nobody waits for it.
    """
    with pytest.raises(RuntimeError, match="ValueError: 3"):
        together(_fail, [(3,)])
    assert "ValueError" in capfd.readouterr().err


def test_digits_that_are_noise_are_not_kept():
    """
    Six of them, however long the number is.
    """
    rows = [Row("a", {"x": spread([123456.789, 0.000123456789])})]
    (row,) = rounded(Result("q", "Q?", rows, {}, {})).rows
    assert (row.measures["x"].low, row.measures["x"].high) == (0.000123457, 123457.0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_one_core_is_one_core_for_client_and_server_and_only_meanwhile():
    """
    Threads that are there and threads to come stay on it; afterwards all may roam.
    """
    before = os.sched_getaffinity(0)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as p:
        run = Run(SimpleNamespace(pid=p.pid), None)
        with run.one_core():
            inside = [os.sched_getaffinity(pid) for pid in (0, p.pid)]
        after = [os.sched_getaffinity(pid) for pid in (0, p.pid)]
    assert inside == [{max(before)}] * 2
    assert after == [before] * 2


def test_a_limiter_that_cannot_be_measured_is_named_with_the_reason(monkeypatch):
    """
    It is too new for this Python, or not installed.
    """
    monkeypatch.setattr("benchmarks.harness.peers.version", lambda _: "")
    monkeypatch.setattr("benchmarks.harness.peers.sys.version_info", (3, 11, 7))
    notes = {row.name: row.note for row in missing()}
    assert notes["token-throttle"].endswith("needs Python 3.12, this is 3.11")
    assert "pip install" in notes["limits"]
    assert [row.name for row in missing({"steindamm"})] == ["steindamm"]


def test_another_python_is_asked_only_for_what_is_missing(monkeypatch, tmp_path):
    """
    Of the questions that were asked, those on other limiters.
    """
    rows = [Row("token-throttle", {}, "not measured")]
    monkeypatch.setattr("benchmarks.__main__.missing", lambda _: rows)
    words = ["sync", "peers_speed", "--quick", "--newer=py", f"--out={tmp_path}"]
    assert _for_newer(_options(words))[3:] == [
        "peers_speed",
        f"--out={tmp_path}",
        "--quick",
        "--peer=token-throttle",
    ]
    assert _for_newer(_options(["sync", "--newer=py"])) == []


def test_a_profile_names_functions_without_paths():
    """
    Ours from the package on, others by their file.
    """
    assert _name(("/x/src/paceline/stores/redis.py", 3, "f")) == "stores/redis.py: f"
    assert _name(("/usr/lib/asyncio/events.py", 3, "run")) == "events.py: run"
    assert _name(("~", 0, "<built-in method len>")) == "built-in method len"


@pytest.mark.parametrize("name", [n for n in QUESTIONS if not n.startswith("peers")])
def test_every_question_says_what_it_asks(name):
    """
    Its first line ends with a question mark, and it names what is plotted.
    """
    module = import_module(f"benchmarks.{name}")
    first, _, rest = module.__doc__.strip().partition("\n")
    assert first.endswith("?")
    assert len(rest.strip()) > 100
    assert all(isinstance(title, str) for title in module.PLOTS.values())
    assert callable(module.ask)


def test_a_question_is_asked_from_the_command_line(tmp_path):
    """
    It prints a table, and leaves JSON and a picture; no path and no host is in them.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "sync", "--quick", f"--out={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "paceline, three windows" in done.stdout
    result = Result.read(tmp_path / "sync.json")
    assert {row.name for row in result.rows} >= {"redis-py INCR", "paceline, a bucket"}
    assert all("ratio" in row.measures for row in result.rows)
    assert str(ROOT) not in (tmp_path / "sync.json").read_text()
    assert (tmp_path / "sync-ratio.svg").exists() == can_draw()
