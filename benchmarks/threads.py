"""
What do eight threads get out of one limiter, against eight threads of INCR?

``ratio`` is decisions per second over INCRs per second, in the same round. All threads
share one limiter, as they share one redis-py client; on one hot key, and on a key each.
"one core" has client and server on one CPU (Linux), where a thread that wakes another
up cannot hide its cost on a second one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import redis

from paceline import RateLimiter

from .harness.limits import BUCKET, granted

if TYPE_CHECKING:
    from .harness import Row, Run

PLOTS = {"ratio": "Decisions of eight threads, against eight threads of INCR"}
THREADS = 8


def ask(run: Run) -> list[Row]:
    """Compare INCR with one limiter on one key and on many."""
    rows = _compare(run, "")
    if run.can_pin:
        with run.one_core():
            rows += _compare(run, ", one core")
    return rows


def _compare(run: Run, where: str) -> list[Row]:
    client = redis.Redis.from_url(run.server.url)
    with RateLimiter(run.server.url, limits=BUCKET) as limiter:

        def own() -> None:
            granted(limiter.try_acquire(f"key-{threading.get_ident()}"))

        calls = {
            "redis-py INCR": lambda: client.incr("n"),
            "paceline, one hot key": lambda: granted(limiter.try_acquire("hot")),
            "paceline, a key per thread": own,
        }
        contenders = {
            name + where: (lambda call=call: run.threads(call, THREADS))
            for name, call in calls.items()
        }
        rows = run.rounds(contenders, base=f"redis-py INCR{where}")
    client.close()
    return rows
