"""The page of benchmarks: it says what the committed run says, and nothing else."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import render
from benchmarks.harness import Row, single, spread
from benchmarks.harness.pages import about, merged
from benchmarks.harness.result import Result
from benchmarks.harness.table import number
from benchmarks.targets import TARGETS

ABOUT = {
    "cpu": "A CPU",
    "cores": 2,
    "load": [0.2, 0.1, 0.1],
    "system": "Linux x86_64",
    "python": "3.11.7",
    "python_optimised": True,
    "server": "valkey 9.1.2",
    "packages": {"paceline": "0.1.0"},
    "commit": "abc",
}
SETTINGS = {"quick": False, "took_s": 90.0}
COMMITTED = render.read(render.RESULTS)


def result(question, rows, settings=(), known=()):
    return Result(
        question, "Q?", rows, {**SETTINGS, **dict(settings)}, {**ABOUT, **dict(known)}
    )


def page(results, *names):
    text = "".join(f"<!-- benchmarks: {name} -->\n<!-- end -->\n" for name in names)
    return render.render(text, results, Path("a/results"), Path("a/docs"))


SYNC = result(
    "sync",
    [
        Row("redis-py INCR", {"ratio": spread([1.0] * 3), "client_us": spread([30.0])}),
        Row(
            "paceline, a bucket",
            {"ratio": spread([1.5, 2.5, 3.5]), "client_us": spread([9.0])},
        ),
        Row(
            "paceline, three windows",
            {
                "ratio": spread([1.0, 1.25, 1.5]),
                "client_us": spread([12.0]),
                "server_us": spread([20.0]),
            },
        ),
    ],
)


def test_the_committed_page_is_what_the_committed_run_says(capsys):
    """
    Whoever changes one renders the other: python -m benchmarks render.
    """
    assert render.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("question", COMMITTED)
def test_the_committed_plots_show_the_committed_numbers(question):
    """
    Each row that has the measure stands there by name, with its median.
    """
    plots = import_module(f"benchmarks.{question}").PLOTS
    rows = COMMITTED[question].rows
    for measure, title in plots.items():
        text = (render.RESULTS / f"{question}-{measure}.svg").read_text("utf-8")
        drawn = [row for row in rows if measure in row.measures]
        assert title.replace("'", "&#39;").split("&")[0] in text
        for row in drawn:
            assert f">{row.name}</text>" in text
            assert f">{number(row.measures[measure].median)}</text>" in text


def test_the_committed_run_answers_every_aim():
    """
    An aim whose row was renamed would otherwise be forgotten.
    """
    unanswered = [each.what for each in TARGETS if each.measured(COMMITTED) is None]
    assert unanswered == []


def test_an_aim_is_met_or_missed_by_the_median():
    """
    With the quartiles beside it, and the command that measures it again.
    """
    lines = page({"sync": SYNC}, "targets").splitlines()
    bucket = next(line for line in lines if line.startswith("| one thread, one limit"))
    assert bucket == (
        "| one thread, one limit, against INCR | ≥ 2 x | 2.5 x [2..3] | met "
        "| `python -m benchmarks sync` |"
    )
    three = next(line for line in lines if line.startswith("| one thread, three"))
    assert "| **missed** |" in three
    assert any("| not measured |" in line for line in lines)


def test_what_is_missed_says_where_its_time_goes():
    """
    Beside the same of what it is held against; what is met needs no excuse.
    """
    text = page({"sync": SYNC}, "missed")
    assert "| one thread, three limits, against INCR | 12 | 30 | 20 |  |" in text
    assert "one limit," not in text
    met = result("sync", SYNC.rows[:2])
    assert "Nothing that CPU would tell." in page({"sync": met}, "missed")


def test_capacity_is_the_arithmetic_of_the_servers_cpu():
    """
    A core has a million microseconds a second, a cluster several cores.
    """
    text = page({"sync": SYNC}, "capacity")
    line = "| three windows, a call at a time | 20 | 50,000 | 150,000 | 500,000 |"
    assert line in text


def test_a_question_has_its_plots_its_table_and_its_command():
    """
    Links lead from the page to the results; a note stands in the last column.
    """
    rows = [*SYNC.rows, single("odd", {"ratio": 1.5}, "a | note")]
    text = page({"sync": result("sync", rows)}, "sync", "tasks")
    assert "](../results/sync-ratio.svg)" in text
    assert "| paceline, a bucket | 2.5 [2..3] | 9 |  |  |" in text
    assert "| odd | 1.5 |  |  | a \\| note |" in text
    assert "`python -m benchmarks sync`" in text
    assert "Not measured in this run." in text


def test_limiters_stand_in_one_table_with_speed_and_proof():
    """
    A row each, shares in percent, a dash where there is nothing.
    """
    results = {
        "peers_speed": result(
            "peers_speed",
            [
                single("redis-py INCR", {"ratio": 1.0}),
                single("paceline 1 window", {"ratio": 2.0}),
                single("paceline 1 window, 100 tasks", {"ratio": 20.0}),
                single("other 2 gcra", {"ratio": 0.5}),
                single("other 2 gcra, 100 tasks", {"ratio": 0.8}),
            ],
        ),
        "peers_proof": result(
            "peers_proof",
            [
                single("paceline 1 window", {"over_adverse": 0.0}, "strict window"),
                single("other 2 gcra", {"false_denials": 0.25}, "bucket; over: lost"),
            ],
        ),
    }
    lines = page(results, "peers").splitlines()
    ours = next(line for line in lines if line.startswith("| paceline"))
    assert ours.startswith("| paceline 1 window | strict window | 2 | 20 | - | 0 |")
    assert "| other 2 gcra | bucket | 0.5 | 0.8 | - | - | - | - | 25% |" in lines[5]
    assert "With one thread, paceline's slowest row here makes 4.0 times" in lines[7]
    assert "With 100 tasks, paceline's slowest row here makes 25.0 times" in lines[9]


def test_peers_that_were_measured_apart_join_the_others():
    """
    Without the base of their own run, and in place of the row that said why not.
    """
    one = result(
        "peers_speed",
        [single("redis-py INCR", {"ratio": 1.0}), Row("new", {}, "needs Python 3.12")],
    )
    rows = [
        single("redis-py INCR", {"ratio": 1.0}),
        single("new 1 gcra", {"ratio": 0.1}),
    ]
    apart = result("peers_speed", rows, {"peers": ["new"]}, {"python": "3.12.1"})
    for both in (merged(one, apart), merged(apart, one)):
        assert [(row.name, row.note) for row in both.rows] == [
            ("redis-py INCR", ""),
            ("new 1 gcra", "a run on Python 3.12.1"),
        ]
        assert both.settings == {"quick": False, "took_s": 180.0}
        assert both.about["python"] == "3.11.7"


def test_a_run_says_itself_that_it_is_not_to_be_quoted():
    """
    When it was quick, when the machine was busy, when the commits differ.
    """
    assert "Do not quote" not in about({"sync": SYNC})
    for other, words in (
        (result("tasks", [], {"quick": True}), "quick"),
        (result("tasks", [], known={"commit": "def"}), "several commits"),
    ):
        assert words in about({"sync": SYNC, "tasks": other})
    busy = result("sync", [], known={"load": [1.9, 1.0, 1.0]})
    assert "busy" in about({"sync": busy})


def test_a_block_that_nobody_writes_is_an_error():
    """
    A misspelt name must not leave old numbers on the page.
    """
    with pytest.raises(ValueError, match="'sinc'"):
        page({"sync": SYNC}, "sinc")


def test_a_page_is_checked_or_written(tmp_path, capsys, monkeypatch):
    """
    Prose stays as it is; a page that is up to date is left alone by a check.
    """
    SYNC.write(tmp_path)
    place = tmp_path / "page.md"
    place.write_text("Prose.\n<!-- benchmarks: about -->\nold\n<!-- end -->\nMore.\n")
    words = [f"--results={tmp_path}", f"--page={place}"]
    assert render.main([*words, "--check"]) == 1
    assert "render it" in capsys.readouterr().err
    monkeypatch.setattr(render, "can_draw", lambda: True)
    drawn = []
    monkeypatch.setattr(render, "draw", lambda result, _: drawn.append(result.question))
    assert render.main(words) == 0
    assert drawn == ["sync"]
    text = place.read_text()
    assert text.startswith("Prose.\n<!-- benchmarks: about -->\n\n* Machine: A CPU, 2")
    assert text.endswith("<!-- end -->\nMore.\n")
    assert render.main([*words, "--check"]) == 0
    assert render.main([f"--results={tmp_path / 'none'}", f"--page={place}"]) == 1
