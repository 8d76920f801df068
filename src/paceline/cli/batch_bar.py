"""What ``paceline batch`` shows on its way: a bar on a terminal, else lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from .quota import in_words

if TYPE_CHECKING:
    from paceline.batch import LimitUse, Progress

_PLAIN_SECONDS = 10.0
_MOST_LIMITS = 6


class Watcher(Protocol):
    """Sees how far a run is."""

    done: int

    def look(self, progress: Progress) -> None:
        """Take note, and show it."""


@contextmanager
def watcher() -> Iterator[Watcher]:
    """Give what suits stderr, for as long as a block lasts."""
    if not sys.stderr.isatty():
        yield _Plain()
        return
    live = _Live()
    try:
        yield live
    finally:
        live.close()


class _Plain:
    """Says now and then how far it is, a line each."""

    def __init__(self) -> None:
        self.done = 0
        self._said = 0.0

    def look(self, progress: Progress) -> None:
        self.done = progress.done
        if progress.seconds - self._said >= _PLAIN_SECONDS:
            self._said = progress.seconds
            click.echo(_counts(progress), err=True)


class _Live:
    """Shows a bar, and the use of each limit below it."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 -- only on a terminal
        from rich.live import Live  # noqa: PLC0415
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        self.done = 0
        self._grid, self._bar, self._text = Table.grid, ProgressBar, Text
        self._live = Live(console=Console(stderr=True), auto_refresh=False)
        self._live.start()

    def look(self, progress: Progress) -> None:
        self.done = progress.done
        over = progress.already_done + progress.done + progress.failed
        grid = self._grid(expand=True)
        grid.add_row(self._bar(total=max(1, progress.rows), completed=over))
        grid.add_row(self._text(_counts(progress)))
        for use in progress.limits[:_MOST_LIMITS]:
            grid.add_row(self._text(_use(use)))
        self._live.update(grid, refresh=True)

    def close(self) -> None:
        self._live.stop()


def _counts(progress: Progress) -> str:
    over = progress.already_done + progress.done + progress.failed
    eta = "" if progress.eta is None else f", {in_words(progress.eta)} to go"
    return (
        f"{over:,} of {progress.rows:,} rows ({progress.failed:,} failed), "
        f"{progress.rate:.1f}/s{eta}; in flight {progress.in_flight:,}, repeated "
        f"{progress.retried:,}, told to wait {progress.refused:,}"
    )


def _use(use: LimitUse) -> str:
    status = use.status
    used, capacity = status.capacity - status.remaining, status.capacity
    of = f"{used:,} of {capacity:,} used ({used / capacity:.0%})"
    return f"  {use.model}  {status.name}: {of}"
