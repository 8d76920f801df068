"""``paceline top``: the accounts, live."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from .failure import as_fields
from .options import Duration, json_option, known_limits, limits_option, store_option
from .tables import (
    HEAD,
    Rates,
    as_json as document,
    duration,
    fitting,
    grid,
    moment,
    rows,
    table,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from paceline.ops.accounts import Look, Reader
    from paceline.ops.watching import Absence, Sight

_LEAST = 0.1  # seconds between two looks
_FULL, _NEARLY = 0.95, 0.75
_PATIENCE = 0.05  # seconds that a look may take before the keys are heeded meanwhile

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
    table, or with --json a line of JSON, per interval. While the store is away it looks
    again; what no waiting cures ends it, and so does a first look that fails.
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
    from paceline.ops.watching import Sight, watch  # noqa: PLC0415 -- not for help

    away: Absence | None = None
    sights = watch(reader.look, lambda: _sleep(interval))
    next(sights)  # it has no rates
    for seen in sights:
        if not isinstance(seen, Sight):
            if once:
                raise seen.error
            _tell_absence(seen, reader.where, as_json=as_json, first=away is None)
            away = seen
            continue
        if away is not None:
            if not as_json:
                _say(f"the store is back after {_length(away.since, time.time())}.")
            away = None
        _tell_sight(seen, reader.where, as_json=as_json)
        if once:
            return


def _tell_sight(seen: Sight, where: str, *, as_json: bool) -> None:
    look, found = _fullest_first(seen.look), seen.rates or {}
    if as_json:
        click.echo(json.dumps(document(look, where, found)))
    else:
        click.echo(f"{_title(look, where)}\n{_table(look, found)}\n")
    sys.stdout.flush()


def _tell_absence(seen: Absence, where: str, *, as_json: bool, first: bool) -> None:
    if as_json:
        told = {
            "store": where,
            "at": moment(seen.at),
            "since": moment(seen.since),
            "error": as_fields(seen.error),
        }
        click.echo(json.dumps(told))
        sys.stdout.flush()
    elif first:
        _say(f"{seen.error.message}. Looking again.")


def _say(text: str) -> None:
    click.echo(f"{_clock(time.time())}  {text}", err=True)


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _length(since: float, until: float) -> str:
    return duration(max(0.1, until - since))  # this host's clock may be set meanwhile


def _title(look: Look, where: str) -> str:
    clock = _clock(look.now_us / 1_000_000)
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

    from paceline.ops.watching import Sight, watch  # noqa: PLC0415 -- not for help

    console, last = Console(), None
    with (
        _keys() as pause,
        Live("Looking...", console=console, screen=True, auto_refresh=False) as live,
    ):
        for seen in watch(lambda: _look(reader, pause), lambda: pause(interval)):
            if isinstance(seen, Sight):
                last = Sight(_fullest_first(seen.look), seen.rates)
            if last is not None:
                away = None if isinstance(seen, Sight) else seen
                live.update(_screen(last, away, reader.where, console))
                live.refresh()


def _look(reader: Reader, pause: Pause) -> Look | None:
    """Look; None if a key ended it meanwhile."""
    found: list[Look | Exception] = []

    def work() -> None:
        try:
            found.append(reader.look())
        except Exception as error:  # noqa: BLE001 -- it is raised again below
            found.append(error)

    # One that hangs must not keep the program: whoever presses q wants to leave.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    while thread.is_alive():
        if pause(_PATIENCE):
            return None
    (what,) = found
    if isinstance(what, Exception):
        raise what
    return what


def _screen(
    seen: Sight, away: Absence | None, where: str, console: Console
) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415 -- only on a terminal
    from rich.text import Text  # noqa: PLC0415

    look, found = seen.look, seen.rates or {}
    title, above = Text(_title(look, where), style="italic"), 1
    if away is not None:
        what = f"{away.error.message}. As it was at {_clock(look.now_us / 1_000_000)}."
        text = f"NOT THERE since {_clock(away.since)} ({_length(away.since, away.at)})"
        title = Text(f"{text}, looking again: {what}", style="bold red")
        above = len(title.wrap(console, console.width))
    # Head, its rule, caption, and two lines to spare.
    room = max(1, console.height - above - 5)
    # Beside each of its ends, too, the table has a space.
    head, lines = fitting((*HEAD, "rate"), rows(look, found), console.width - 2)
    caption = "q ends"
    if len(lines) > room:
        caption = f"{len(lines) - room} more lines below   {caption}"
    shown = grid(head, caption=caption)
    accounts = [scope.accounts[0] for scope in look.scopes]
    parts = [
        part
        for account in accounts
        for part in [each.fullness for each in account.standings] or [0.0]
    ]
    for line, part in list(zip(lines, parts, strict=True))[:room]:
        style = "red" if part >= _FULL else "yellow"
        shown.add_row(*line, style=style if part >= _NEARLY else "")
    return Group(title, shown)


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
