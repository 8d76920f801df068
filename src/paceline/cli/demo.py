"""``paceline demo``: the race between retries, static shares and paceline."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from .options import json_option
from .table import columns

if TYPE_CHECKING:
    from paceline.demo.rows import Row

_MOST_PROCESSES = 16
_PLAIN_SECONDS = 3.0
_NAMES = {
    "retries": "retries, no limiter",
    "static": "static 1/{processes} each",
    "paceline": "paceline",
}
_HEAD = ("client", "succeeded", "failed", "429s", "seconds", "quota used")


@click.command()
@click.option(
    "--store",
    metavar="URL",
    default="embedded://",
    show_default=True,
    help="Where paceline keeps the account, such as redis://localhost:6379/0.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, _MOST_PROCESSES),
    default=4,
    show_default=True,
    help="How many processes share the quota. The first has 70 % of the work.",
)
@click.option("--quick", is_flag=True, help="A third of the work: about 20 seconds.")
@json_option
def command(*, store: str, processes: int, quick: bool, as_json: bool) -> int:
    """
    Watch processes share one quota in three ways.

    A pretend OpenAI server on this machine enforces 40 requests and 24k tokens per
    second. Processes with uneven work call it with an SDK's retries and no limiter,
    with a static share of the limit each, and with paceline. All numbers are the
    server's counts. It takes less than a minute, and nothing leaves the machine.

    Exits with 1 if a paceline call failed or was refused with a 429.
    """
    import httpx  # noqa: F401, PLC0415 -- its lack has words before anything starts

    from paceline.demo.rows import LIMITS, run_rows  # noqa: PLC0415 -- not for help
    from paceline.demo.work import share_out  # noqa: PLC0415
    from paceline.mock import serve  # noqa: PLC0415

    work = share_out(processes, quick=quick)
    counts = ", ".join(str(len(part)) for part in work.costs)
    click.echo(
        f"A pretend OpenAI server allows {' and '.join(LIMITS)}.\n"
        f"{processes} processes have {work.calls} calls to make ({counts}).",
        err=True,
    )
    watcher = _watcher(processes)
    with closing(watcher), serve(limits=LIMITS) as mock:
        rows = list(run_rows(mock, store, work, watcher))
    if as_json:
        click.echo(json.dumps({"rows": [row.as_json() for row in rows]}))
    else:
        click.echo(_report(rows, processes))
    paced = rows[-1]
    return 1 if paced.failed or paced.upstream_429s else 0


def _name(client: str, processes: int) -> str:
    return _NAMES[client].format(processes=processes)


def _report(rows: list[Row], processes: int) -> str:
    cells = [
        (
            _name(row.client, processes),
            f"{row.succeeded:,}",
            f"{row.failed:,}",
            f"{row.upstream_429s:,}",
            f"{row.seconds:.1f}",
            f"{row.quota_used:.1%}",
        )
        for row in rows
    ]
    text = f"\n{columns(_HEAD, cells)}\n"
    return f"{text}\n{_sentences(rows)}\n\n{_NEXT}"


def _sentences(rows: list[Row]) -> str:
    retries, static, paced = rows
    return (
        f"Retries alone: {retries.upstream_429s:,} refusals on the wire, and "
        f"{retries.failed:,} calls were given up.\n"
        f"Static shares: {1 - static.quota_used:.0%} of the quota idle, "
        f"{static.seconds / max(paced.seconds, 0.1):.1f} times as long.\n"
        f"paceline: {paced.upstream_429s:,} refusals, {paced.failed:,} given up, "
        f"{paced.quota_used:.1%} of the quota used.\n"
        "(quota used: what was admitted beyond the first burst, of what the binding\n"
        "limit refilled while there was work; 429s: refusals the server counted)"
    )


_NEXT = """Try next:
  paceline demo --processes 8
  paceline demo --store redis://localhost:6379/0
  paceline mock --limits "500 requests/min" --limits "30k tokens/min"
Then, in your own code:
  from paceline import RateLimiter
  limiter = RateLimiter("embedded://", limits=["500 requests/min", "30k tokens/min"])
  permit = limiter.acquire("my-quota", {"tokens": 850})"""


def _watcher(processes: int) -> _PlainWatcher | _LiveWatcher:
    if sys.stderr.isatty():
        return _LiveWatcher(processes)
    return _PlainWatcher(processes)


class _PlainWatcher:
    """Says now and then how far it is, a line each."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._name = ""
        self._calls = 0
        self._said = 0.0

    def begin(self, client: str, calls: int) -> None:
        self._name, self._calls = _name(client, self._processes), calls
        self._said = time.monotonic()
        click.echo(f"{self._name}: starting", err=True)

    def look(self, succeeded: int, refused: int) -> None:
        if time.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = time.monotonic()
            line = f"{self._name}: {succeeded} of {self._calls} done, {refused} 429s"
            click.echo(line, err=True)

    def end(self, row: Row) -> None:
        line = f"{self._name}: {row.succeeded} done in {row.seconds:.1f} s"
        click.echo(f"{line}, {row.upstream_429s} 429s", err=True)

    def close(self) -> None:
        """Nothing to leave as it was."""


class _LiveWatcher:
    """Shows a bar per row on a terminal."""

    def __init__(self, processes: int) -> None:
        from rich.console import Console  # noqa: PLC0415 -- only on a terminal
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._processes = processes
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[refused]:>5} 429s"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", visible=False, refused=0)

    def begin(self, client: str, calls: int) -> None:
        name = _name(client, self._processes)
        self._task = self._progress.add_task(name, total=calls, refused=0)
        self._progress.start()

    def look(self, succeeded: int, refused: int) -> None:
        self._progress.update(self._task, completed=succeeded, refused=refused)

    def end(self, row: Row) -> None:
        self.look(row.succeeded, row.upstream_429s)
        self._progress.stop_task(self._task)

    def close(self) -> None:
        """Give the terminal its cursor back."""
        self._progress.stop()
