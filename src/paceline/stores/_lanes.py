"""
Numbers for calls, so that one that is sent again changes nothing.

The twin of ``lua/lib/lane.lua``. A lane hands out numbers in order, none more than
seven ahead of one that is still unanswered; each call says which is the oldest of
those, and the store keeps the answers from there on. As in the session slots of NFS 4.1
(RFC 8881, 2.10.6), memory is bounded by what is under way and not by what was.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from itertools import count
from math import inf

from .._calls import Place

# The most answers that the store keeps per lane.
_KEPT = 8

# A lane that is full for so many seconds is left alone: no call takes that long.
_STUCK = 3600.0


class _Process:
    """Names the lanes of a process: by the front of it the store counts processes."""

    def __init__(self) -> None:
        self._pid = 0
        self._name = ""
        self._numbers = count(1)

    def next(self) -> str:
        """Return a name for lanes that no others have (``lua/clients.lua``)."""
        if self._pid != os.getpid():  # a fork is another process
            self._pid, self._name = os.getpid(), secrets.token_hex(6)
        return f"{self._name}-{next(self._numbers):x}"


_process = _Process()


class Lanes:
    """The lanes of one client; used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name = _process.next()
        self._made = 0
        # Which may have a number, and which had none when one was asked for.
        self._lanes: dict[str, _Lane] = {}
        self._full: dict[str, _Lane] = {}

    def take(self) -> Place:
        """Return a place on a lane whose number was never used."""
        with self._lock:
            while self._lanes:
                name, lane = next(iter(self._lanes.items()))
                number = lane.take()
                if number:
                    return Place(name, number, lane.oldest)
                self._full[name] = self._lanes.pop(name)
            for name, lane in self._full.items():
                if lane.stuck():
                    del self._full[name]
                    break
            name = self._new()
            self._lanes[name] = lane = _Lane()
            return Place(name, lane.take(), lane.oldest)

    def name(self) -> str:
        """Return the name of a lane that its owner numbers."""
        with self._lock:
            return self._new()

    def _new(self) -> str:
        self._made += 1
        return f"{self._name}-{self._made:x}"

    def give(self, place: Place) -> None:
        """Note that a number is answered."""
        with self._lock:
            if place.lane in self._full:
                self._lanes[place.lane] = self._full.pop(place.lane)
            if place.lane in self._lanes:
                self._lanes[place.lane].give(place.number)

    def retire(self, place: Place) -> None:
        """Note that a number may never be answered: its lane takes no more calls."""
        with self._lock:
            self._lanes.pop(place.lane, None)
            self._full.pop(place.lane, None)


class _Lane:
    __slots__ = ("full_since", "newest", "waiting")

    def __init__(self) -> None:
        self.newest = 0
        self.full_since = inf
        self.waiting: set[int] = set()

    @property
    def oldest(self) -> int:
        return min(self.waiting)

    def take(self) -> int:
        """Return the next number; 0 if it would be too far ahead."""
        if self.waiting and self.newest + 1 >= self.oldest + _KEPT:
            self.full_since = min(self.full_since, time.monotonic())
            return 0
        self.newest += 1
        self.waiting.add(self.newest)
        return self.newest

    def give(self, number: int) -> None:
        self.waiting.discard(number)
        self.full_since = inf

    def stuck(self) -> bool:
        """Tell whether a number will never come back: its taker was interrupted."""
        return time.monotonic() - self.full_since > _STUCK
