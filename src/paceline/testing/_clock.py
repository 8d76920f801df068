"""Time that a test moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from itertools import count
from math import ceil

from .._limits import SECOND_US

_START = datetime(2030, 1, 1, 12, tzinfo=UTC)
# Turns of an event loop in which nobody did anything: then all of its tasks wait.
_QUIET = 5


class Clock:
    """
    A clock that stands still until it is told to move, or somebody waits for it.

    Who waits moves it: in blocking code at once, on an event loop when all that use
    this clock wait, by the shortest of the waits. It knows of no other sleeps.

    Args:
        start: Where it begins, for limits per day or month. Default: noon of a day.

    Raises:
        ValueError: If *start* has no time zone.
    """

    def __init__(self, start: datetime = _START) -> None:
        if start.tzinfo is None:
            raise ValueError("start has no time zone; add tzinfo=UTC")
        self._start_us = round(start.timestamp() * SECOND_US)
        self._now_us = self._start_us
        self._lock = threading.Lock()
        self._busy = 0
        self._line: list[tuple[int, int]] = []
        self._numbers = count()

    @property
    def now(self) -> datetime:
        """What it shows."""
        return datetime.fromtimestamp(self._now_us / SECOND_US, UTC)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return (self._now_us - self._start_us) / SECOND_US

    @property
    def now_us(self) -> int:
        """What it shows, as a server would: microseconds since 1970."""
        return self._now_us

    def advance(self, seconds: float) -> None:
        """
        Let so many seconds pass.

        Raises:
            ValueError: If they are negative.
        """
        if not seconds >= 0:
            raise ValueError(f"a clock cannot go {seconds} seconds forward")
        with self._lock:
            self._now_us += round(seconds * SECOND_US)

    def after(self, seconds: float) -> int:
        """Return the moment so many seconds from now, in microseconds."""
        return self._now_us + ceil(seconds * SECOND_US)

    def move_to(self, moment_us: int) -> None:
        """Move on to a moment; one that is past changes nothing."""
        with self._lock:
            self._now_us = max(self._now_us, moment_us)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let no waiter move the clock while the block runs."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def turns(self, moment_us: int) -> Iterator[None]:
        """
        Yield until a moment has come, a turn of the event loop each.

        The first in line moves the clock once the others have nothing left to do.
        """
        place = (moment_us, next(self._numbers))
        heappush(self._line, place)
        quiet = 0
        try:
            while self._now_us < moment_us:
                before = self._now_us, len(self._line)
                yield
                same = before == (self._now_us, len(self._line))
                quiet = quiet + 1 if same and not self._busy else 0
                if quiet >= _QUIET and self._line[0] == place:
                    self.move_to(moment_us)
        finally:
            if self._line[0] == place:
                heappop(self._line)
            else:
                self._line.remove(place)
                heapify(self._line)
