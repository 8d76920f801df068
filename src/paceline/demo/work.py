"""What the demo's processes have to do, and how much of it: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

MODEL = "gpt-4o"
REQUESTS_PER_SECOND = 40
TOKENS_PER_SECOND = 24_000

# Requests bind most of the time; a run of long ones makes tokens bind.
_TOKENS = (400, 700)

# Real fleets are uneven: one busy process, and others that do little.
_BUSY_SHARE = 0.7

_LONG_SECONDS = 42.0
_QUICK_SECONDS = 16.4
# What starting one process more takes in each row, on two slow processors.
_START_SECONDS = 0.6
_LONGEST_ROW = 9.0
_LONGEST_QUICK_ROW = 2.75


@dataclass(frozen=True, slots=True)
class Work:
    """
    The calls of each process.

    Attributes:
        costs: For each process, the tokens of each of its calls.
    """

    costs: tuple[tuple[int, ...], ...]

    @property
    def calls(self) -> int:
        """How many calls there are in all."""
        return sum(len(part) for part in self.costs)


def share_out(processes: int, *, quick: bool, seed: int = 1) -> Work:
    """
    Size the work so that all rows together stay within their time.

    The row with a static share takes as long as its busiest process: 0.7 * processes
    times as long as the work would take with the whole quota.
    """
    budget = _QUICK_SECONDS if quick else _LONG_SECONDS
    longest = _LONGEST_QUICK_ROW if quick else _LONGEST_ROW
    busy = max(_BUSY_SHARE, 1 / processes)
    budget -= min(_START_SECONDS * processes, budget / 2)
    seconds = min(longest, budget / (2.3 + busy * processes))
    calls = round(REQUESTS_PER_SECOND * (1 + seconds))
    first = max(1, round(calls * busy))
    others = [0] * (processes - 1)
    for number in range(calls - first):
        if others:
            others[number % len(others)] += 1
    dice = Random(seed)  # noqa: S311 -- the same work for every row
    return Work(
        tuple(
            tuple(dice.randint(*_TOKENS) for _ in range(count))
            for count in (first, *others)
        )
    )
