"""
What do waiting callers cost with other limiters, and in which order do they go?

The job of ``waiting`` with exact costs, for every limiter that waits: fifty callers in
two processes on 20 a second. The measures are explained there. limits has no verb that
waits; the loop is the one its users write. A bucket lets a second burst through in its
first second: ``most_in_1_s`` up to 40 is its promise, not its defect.
Needs ``pip install -e '.[bench]'``; what is missing is left out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .harness import single
from .harness.crew import Start
from .harness.peers import find, installed, missing
from .waiting import RATE, Turn, keep_waiting, measure

if TYPE_CHECKING:
    from .harness import Row, Run

PLOTS = {
    "round_trips": "Round trips per admission, 50 callers on 20 a second",
    "wait_max_s": "Longest wait, where 2.5 s is fair",
}
PROCESSES = 2


def ask(run: Run) -> list[Row]:
    """Measure every limiter that waits."""
    rows = []
    for peer in installed(run.peers):
        if peer.waiting is not None:
            run.tick(peer.name)
            try:
                sample = measure(run, wait, PROCESSES, RATE, peer.name)
            except RuntimeError as error:  # of a child; the others go on
                rows.append(single(peer.label, {}, f"{peer.kind}; {error}"))
            else:
                rows.append(single(peer.label, sample, peer.kind))
    return [*rows, *missing(run.peers)]


def wait(start: Start, url: str, callers: int, seconds: float, name: str) -> list[Turn]:
    """Keep so many tasks waiting with the peer of that name."""

    async def work() -> list[Turn]:
        peer = find(name)
        if peer.waiting is None:
            raise ValueError(f"{name} does not wait")
        turn = await peer.waiting(url, RATE, 1)
        return await keep_waiting(start, callers, seconds, turn)

    return asyncio.run(work())
