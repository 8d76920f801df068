"""
Numbers for calls, so that one that is sent again changes nothing.

The twin of ``lua/lib/lane.lua``. A lane hands out numbers in order, none more than
seven ahead of one that is still unanswered: the store keeps its last eight answers, so
it knows every number that may still come. As in the session slots of NFS 4.1 (RFC 8881,
2.10.6), memory is bounded by what is under way and not by what was.
"""

from __future__ import annotations

import secrets
import threading

# What the store keeps per lane.
_KEPT = 8


class Lanes:
    """The lanes of one client; used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name = secrets.token_hex(6)
        self._made = 0
        self._lanes: dict[str, _Lane] = {}

    def take(self) -> tuple[str, int]:
        """Return a lane and a number of it that was never used."""
        with self._lock:
            for name, lane in self._lanes.items():
                number = lane.take()
                if number:
                    return name, number
            self._made += 1
            name = f"{self._name}{self._made:x}"
            self._lanes[name] = lane = _Lane()
            return name, lane.take()

    def give(self, lane: tuple[str, int]) -> None:
        """Note that a number is answered."""
        with self._lock:
            name, number = lane
            if name in self._lanes:
                self._lanes[name].waiting.discard(number)

    def retire(self, lane: tuple[str, int]) -> None:
        """Note that a number may never be answered: its lane takes no more calls."""
        with self._lock:
            self._lanes.pop(lane[0], None)


class _Lane:
    __slots__ = ("newest", "waiting")

    def __init__(self) -> None:
        self.newest = 0
        self.waiting: set[int] = set()

    def take(self) -> int:
        """Return the next number; 0 if it would be too far ahead."""
        if self.waiting and self.newest + 1 >= min(self.waiting) + _KEPT:
            return 0
        self.newest += 1
        self.waiting.add(self.newest)
        return self.newest
