"""The demo: its work, its clients, its fleet, and once the whole of it in short."""

import asyncio
import json
import multiprocessing
import subprocess
import sys

import httpx
import pytest

from paceline import PacelineError
from paceline.cli import main
from paceline.cli.demo import _PlainWatcher, _report
from paceline.demo.clients import Retrying, Sharing, _pause
from paceline.demo.fleet import Order, run_fleet
from paceline.demo.rows import KINDS, LIMITS, Row, _row
from paceline.demo.work import REQUESTS_PER_SECOND, TOKENS_PER_SECOND, Work, share_out
from paceline.mock import serve
from paceline.mock.quota import SECOND_NS, Quota

ROWS = [
    Row("retries", 300, 20, 400, 5.0, 0.99),
    Row("static", 320, 0, 3, 21.0, 0.33),
    Row("paceline", 320, 0, 0, 7.0, 0.985),
]


def test_work_is_spread_unevenly_as_in_real_fleets():
    """
    One process has seven tenths of it, the others the rest in equal parts.
    """
    work = share_out(4, quick=False)
    shares = [len(part) / work.calls for part in work.costs]
    assert shares == pytest.approx([0.7, 0.1, 0.1, 0.1], abs=0.01)
    assert all(400 <= cost <= 700 for part in work.costs for cost in part)


def test_every_row_has_the_same_work():
    """
    The costs are drawn alike each time.
    """
    assert share_out(4, quick=True) == share_out(4, quick=True)


@pytest.mark.parametrize("processes", range(1, 17))
@pytest.mark.parametrize(("quick", "most"), [(False, 50), (True, 20)])
def test_however_many_processes_the_race_stays_short(processes, quick, most):
    """
    The static row takes longest: its busiest process has a small share of the rate.
    """
    work = share_out(processes, quick=quick)
    static = len(work.costs[0]) * processes / REQUESTS_PER_SECOND - 1
    paced = work.calls / REQUESTS_PER_SECOND - 1
    assert paced > 0
    assert static + 2 * paced < most
    assert len(work.costs) == processes
    assert all(work.costs)


def answer(status=429, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=headers)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "120"}, 120.0),
    ],
)
def test_the_servers_hint_is_kept_to_the_letter(headers, seconds):
    """
    As the SDK does: milliseconds before seconds, up to two minutes, no jitter.
    """
    assert _pause(answer(**headers), 0) == seconds


@pytest.mark.parametrize("headers", [{}, {"retry_after": "0"}, {"retry_after": "121"}])
@pytest.mark.parametrize(("attempt", "most"), [(0, 0.5), (1, 1.0), (4, 8.0), (9, 8.0)])
def test_without_a_usable_hint_the_backoff_doubles(headers, attempt, most):
    """
    Half a second, doubled each time up to eight, less up to a quarter.
    """
    assert 0.75 * most <= _pause(answer(**headers), attempt) <= most


class Answers:
    """Stands for an HTTP client: gives prepared answers, counts the questions."""

    def __init__(self, *statuses):
        self.statuses, self.asked = list(statuses), 0

    async def post(self, _url, *, json):  # noqa: ARG002 -- httpx's name
        self.asked += 1
        return answer(self.statuses.pop(0), retry_after_ms="1")


@pytest.mark.parametrize(
    ("statuses", "succeeded", "asked"),
    [
        ((200,), True, 1),
        ((429, 200), True, 2),
        ((429, 429, 200), True, 3),
        ((429, 429, 429, 200), False, 3),
        ((500, 200), False, 1),
    ],
)
def test_the_sdk_gives_up_after_two_retries(statuses, succeeded, asked):
    """
    Three refusals are a failure.
    """
    http = Answers(*statuses)
    assert asyncio.run(Retrying(http).call(100)) is succeeded
    assert http.asked == asked


def test_a_static_share_holds_a_second_of_it(monkeypatch):
    """
    Four processes have ten requests and 6,000 tokens a second each: the fifteenth
    request has its turn half a second later, and 6,000 tokens more a second after it.
    """
    waits, now = [], 100.0

    async def sleep(seconds):
        waits.append(round(seconds, 6))

    monkeypatch.setattr("paceline.demo.clients.asyncio.sleep", sleep)
    monkeypatch.setattr("paceline.demo.clients.time.monotonic", lambda: now)
    share = Sharing(Answers(*[200] * 16), 4)

    async def calls():
        for _ in range(15):
            await share.call(0)
        await share.call(12_000)

    asyncio.run(calls())
    assert waits == [0.0] * 10 + [0.1, 0.2, 0.3, 0.4, 0.5, 1.0]


def test_the_mock_enforces_what_the_demo_says():
    """
    The limits in words are the limits in numbers.
    """
    assert [Quota.read(limit) for limit in LIMITS] == [
        Quota("requests", REQUESTS_PER_SECOND, SECOND_NS, REQUESTS_PER_SECOND),
        Quota("tokens", TOKENS_PER_SECOND, SECOND_NS, TOKENS_PER_SECOND),
    ]


def test_a_row_is_what_the_mock_counted():
    """
    Failed is what was not admitted; used is the share of the limit that binds.
    """
    work = Work(((400, 500), (600,)))
    account = {
        "succeeded": 2,
        "answers_429": 5,
        "first_arrival": 1.0,
        "last_admission": 3.5,
        "limits": [{"used": 0.5}, {"used": 0.75}],
    }
    assert Row("static", 2, 1, 5, 2.5, 0.75) == _row("static", work, account)
    assert Row("static", 0, 3, 0, 0.0, 0.0) == _row("static", work, {})


def test_the_report_has_a_table_what_it_means_and_what_to_try():
    """
    A line per row, in ASCII: it can be printed anywhere.
    """
    report = _report(ROWS, 4)
    assert report.isascii()
    table = report.splitlines()
    assert [line.split()[-6:] for line in table if line.startswith("paceline  ")] == [
        ["paceline", "320", "0", "0", "7.0", "98.5%"]
    ]
    assert "400 refusals on the wire, and 20 calls were given up" in report
    assert "67% of the quota idle, 3.0 times as long" in report
    assert "paceline demo --processes 8" in report


def test_progress_is_plain_lines_away_from_a_terminal(capsys):
    """
    On stderr: the begin and the end of a row, and not more often than it is asked.
    """
    watcher = _PlainWatcher(4)
    watcher.begin("static", 320)
    watcher.look(10, 0)
    watcher.end(ROWS[1])
    watcher.close()
    assert capsys.readouterr() == (
        "",
        "static 1/4 each: starting\nstatic 1/4 each: 320 done in 21.0 s, 3 429s\n",
    )


@pytest.mark.parametrize(
    ("paced", "code"),
    [
        (Row("paceline", 320, 0, 0, 7.0, 0.9), 0),
        (Row("paceline", 320, 0, 1, 7.0, 0.9), 1),
        (Row("paceline", 319, 1, 0, 7.0, 0.9), 1),
    ],
)
def test_the_exit_code_judges_the_paceline_row(monkeypatch, capsys, paced, code):
    """
    A 429 or a failure there is a failed demo; the table is printed all the same.
    """
    rows = [*ROWS[:2], paced]
    monkeypatch.setattr("paceline.demo.rows.run_rows", lambda *_: iter(rows))
    assert main(["demo", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "rows": [row.as_json() for row in rows]
    }


def test_a_store_that_is_not_there_is_told_as_such(monkeypatch, capsys, free_port):
    """
    Exit code 4 and JSON, whatever ran before.
    """
    monkeypatch.setattr("paceline.demo.rows.KINDS", ("paceline",))
    store = f"redis://127.0.0.1:{free_port}/0"
    assert main(["demo", "--json", "--store", store]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "P201"


def test_a_process_that_fails_ends_the_row(free_port):
    """
    The error has its own words, and no process is left.
    """
    order = Order("retries", f"http://127.0.0.1:{free_port}/v1", "", "", 2)
    with pytest.raises(PacelineError, match="connection attempts failed") as error:
        run_fleet(order, Work(((1,), (1,))), lambda: None)
    assert error.value.code == "P154"
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_ends_the_row():
    """
    It can say nothing any more, and nobody waits for it.
    """

    def kill():
        for child in multiprocessing.active_children():
            child.kill()

    with serve(service_time=600.0) as mock:
        order = Order("retries", mock.base_url, "", "", 1)
        with pytest.raises(PacelineError, match="exit code -9") as error:
            run_fleet(order, Work(((1,),)), kill)
    assert error.value.code == "P154"
    assert multiprocessing.active_children() == []


def test_the_whole_demo_in_short(tmp_path_factory):
    """
    With paceline every call succeeds and the wire has seen no 429. Takes 12 seconds.
    """
    store = f"embedded://{tmp_path_factory.mktemp('e')}"
    options = ["--quick", "--processes=2", "--json", f"--store={store}"]
    done = subprocess.run(
        [sys.executable, "-m", "paceline", "demo", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["client"] for row in rows] == list(KINDS)
    calls = share_out(2, quick=True).calls
    assert [row["succeeded"] + row["failed"] for row in rows] == [calls] * 3
    assert {"succeeded": calls, "failed": 0, "upstream_429s": 0}.items() <= (
        rows[2].items()
    )
    assert all(0 < row["quota_used"] <= 1 for row in rows)
    assert len(done.stderr.splitlines()) >= 8
