"""
What does a decision cost one thread, against a bare redis-py INCR?

``ratio`` is decisions per second over INCRs per second, in the same round: above 1 a
decision is cheaper than the least that redis-py can do. A bare EVALSHA of a script that
does nothing stands beside it: the least that any limiter built on redis-py can cost.
"one core" has client and server on one CPU (Linux): the calmest ratios, because they
compare work, and not how fast a sleeping CPU wakes up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from paceline import RateLimiter

from .harness.limits import BUCKET, THREE, THREE_COST, WINDOW, granted

if TYPE_CHECKING:
    from .harness import Row, Run

PLOTS = {"ratio": "Decisions of one thread, against redis-py's INCR"}


def ask(run: Run) -> list[Row]:
    """Compare INCR with one limit and with three, free to roam and on one core."""
    rows = _compare(run, "")
    if run.can_pin:
        with run.one_core():
            rows += _compare(run, ", one core")
    return rows


def _compare(run: Run, where: str) -> list[Row]:
    client = redis.Redis.from_url(run.server.url)
    nothing = client.script_load("return 1")
    with (
        RateLimiter(run.server.url, limits=BUCKET) as bucket,
        RateLimiter(run.server.url, limits=WINDOW) as window,
        RateLimiter(run.server.url, limits=THREE) as three,
    ):
        calls = {
            "redis-py INCR": lambda: client.incr("n"),
            "redis-py EVALSHA": lambda: client.evalsha(nothing, 1, "n"),
            "paceline, a bucket": lambda: granted(bucket.try_acquire("b")),
            "paceline, a window": lambda: granted(window.try_acquire("w")),
            "paceline, three windows": lambda: granted(
                three.try_acquire("t", THREE_COST)
            ),
        }
        contenders = {
            name + where: (lambda call=call: run.slice(call))
            for name, call in calls.items()
        }
        rows = run.rounds(contenders, base=f"redis-py INCR{where}")
    client.close()
    return rows
