"""What ``paceline bench`` says while it measures."""

from __future__ import annotations

import sys
import time
from typing import TypeAlias

import click


class PlainWatcher:
    """Says a line at the beginning and the end of each part."""

    def __init__(self) -> None:
        self._part = ""

    def begin(self, part: str, seconds: float) -> None:
        """Say what begins."""
        self._part = part
        click.echo(f"{part}: {seconds:g} seconds", err=True)

    def look(self) -> None:
        """Between the two nothing is said."""

    def end(self, told: str) -> None:
        """Say what came of it."""
        click.echo(f"{self._part}: {told}", err=True)

    def close(self) -> None:
        """Nothing to leave as it was."""


class LiveWatcher:
    """Shows a bar per part on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 -- only on a terminal
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", visible=False, told="")
        self._began = 0.0

    def begin(self, part: str, seconds: float) -> None:
        """Show a bar that so many seconds fill."""
        self._task = self._progress.add_task(part, total=seconds, told="")
        self._began = time.monotonic()
        self._progress.start()

    def look(self) -> None:
        """Let the bar grow."""
        self._progress.update(self._task, completed=time.monotonic() - self._began)

    def end(self, told: str) -> None:
        """Fill the bar and say what came of it."""
        total = self._progress.tasks[-1].total
        self._progress.update(self._task, completed=total, told=told)

    def close(self) -> None:
        """Give the terminal its cursor back."""
        self._progress.stop()


Watcher: TypeAlias = PlainWatcher | LiveWatcher


def watch() -> Watcher:
    """Show a bar on a terminal, and lines elsewhere."""
    return LiveWatcher() if sys.stderr.isatty() else PlainWatcher()
