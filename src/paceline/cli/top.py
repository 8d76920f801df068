"""``paceline top``: the accounts, live."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from .options import Duration, json_option, known_limits, limits_option, store_option
from .tables import HEAD, Rates, as_json as document, rows, table

if TYPE_CHECKING:
    from rich.table import Table

    from paceline.ops.accounts import Look, Reader

_LEAST = 0.1  # seconds between two looks
_FULL, _NEARLY = 0.95, 0.75

Pause = Callable[[float], bool]


@click.command(
    epilog="""
\b
Examples:
  paceline top
  paceline top --interval 5s --store redis://localhost:6379/0
  paceline top --once --json
"""
)
@store_option
@click.option(
    "--interval",
    type=Duration(),
    default="1s",
    show_default=True,
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Two looks, one table, and done.")
@limits_option
@json_option
def command(
    *,
    store: str | None,
    interval: float,
    once: bool,
    limits: tuple[str, ...],
    as_json: bool,
) -> int:
    """
    Watch the accounts, the fullest first, with the rates at which they are used.

    On a terminal the table stays in place until q or Ctrl-C; elsewhere there is a
    table, or with --json a line of JSON, per interval.
    """
    from paceline.ops.accounts import Reader  # noqa: PLC0415 -- not for help

    if interval < _LEAST:
        raise click.UsageError(f"--interval is at least {_LEAST} seconds.")
    with closing(Reader(store, known_limits(limits))) as reader:
        if once or as_json or not sys.stdout.isatty():
            _print(reader, interval, once=once, as_json=as_json)
        else:
            _live(reader, interval)
    return 0


def _looks(
    reader: Reader, interval: float, pause: Pause
) -> Iterator[tuple[Look, Rates]]:
    """Yield looks, the fullest accounts first, with the rates since the one before."""
    from paceline.ops.rates import rates  # noqa: PLC0415 -- not for help

    before = reader.look()
    while not pause(interval):
        after = reader.look()
        yield _fullest_first(after), rates(before, after)
        before = after


def _fullest_first(look: Look) -> Look:
    # A scope with several models falls apart: each account has a place of its own.
    alone = [
        replace(scope, accounts=(account,))
        for scope in look.scopes
        for account in scope.accounts
    ]
    alone.sort(key=lambda scope: -scope.accounts[0].fullness)
    return replace(look, scopes=tuple(alone))


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _print(reader: Reader, interval: float, *, once: bool, as_json: bool) -> None:
    for look, found in _looks(reader, interval, _sleep):
        if as_json:
            told = document(look, reader.where, found)
            click.echo(json.dumps(told))
        else:
            click.echo(f"{_title(look, reader.where)}\n{_table(look, found)}\n")
        sys.stdout.flush()
        if once:
            return


def _title(look: Look, where: str) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(look.now_us / 1_000_000))
    scopes = len({scope.tag for scope in look.scopes})
    accounts = len(look.scopes)
    what = "1 scope" if scopes == 1 else f"{scopes} scopes"
    whose = "1 account" if accounts == 1 else f"{accounts} accounts"
    return f"{where}   {clock}   {what}, {whose}"


def _table(look: Look, found: Rates) -> str:
    return table((*HEAD, "rate"), rows(look, found))


def _live(reader: Reader, interval: float) -> None:
    from rich.console import Console  # noqa: PLC0415 -- only on a terminal
    from rich.live import Live  # noqa: PLC0415

    console = Console()
    first = "Looking..."
    with (
        _keys() as pause,
        Live(first, console=console, screen=True, auto_refresh=False) as live,
    ):
        for look, found in _looks(reader, interval, pause):
            live.update(_screen(look, found, reader.where, console.height))
            live.refresh()


def _screen(look: Look, found: Rates, where: str, height: int) -> Table:
    from rich.table import Table  # noqa: PLC0415 -- only on a terminal

    # Title, head, its rule, caption, and a line to spare.
    room = max(1, height - 6)
    lines = rows(look, found)
    caption = "q ends"
    if len(lines) > room:
        caption = f"{len(lines) - room} more lines below   {caption}"
    grid = Table(
        title=_title(look, where), caption=caption, box=None, title_justify="left"
    )
    for number, name in enumerate((*HEAD, "rate")):
        grid.add_column(
            name, justify="left" if number < HEAD.index("used") else "right"
        )
    standings = [s for scope in look.scopes for s in scope.accounts[0].standings]
    for line, each in list(zip(lines, standings, strict=True))[:room]:
        style = "red" if each.fullness >= _FULL else "yellow"
        grid.add_row(*line, style=style if each.fullness >= _NEARLY else "")
    return grid


@contextmanager
def _keys() -> Iterator[Pause]:
    """Let a pause end at the key q, where the terminal can do that."""
    try:
        import select  # noqa: PLC0415
        import termios  # noqa: PLC0415 -- not on Windows
        import tty  # noqa: PLC0415
    except ImportError:
        yield _sleep
        return
    if not sys.stdin.isatty():
        yield _sleep
        return
    stream = sys.stdin.fileno()
    saved = termios.tcgetattr(stream)

    def pause(seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([stream], [], [], left)
            if ready and sys.stdin.read(1).lower() == "q":
                return True
        return False

    try:
        tty.setcbreak(stream)
        yield pause
    finally:
        with suppress(termios.error):
            termios.tcsetattr(stream, termios.TCSADRAIN, saved)
