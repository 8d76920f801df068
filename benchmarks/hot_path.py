"""
Where does the time of a decision go, function by function?

cProfile of this process while it decides: one thread with one limit, and 100 asyncio
tasks on one hot key. ``own_us`` is a function's own time per decision, with the
profiler's weight on it (small functions look larger than they are); ``share`` is its
part of all. What waits for the server's answer (``select``, ``poll``, ``recv``) is time
in which the server works, or nobody. The server's part is in ``scripts``.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
from pathlib import PurePath
from typing import TYPE_CHECKING

from paceline import RateLimiter

from .harness import single
from .harness.limits import BUCKET, granted
from .tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .harness import Row, Run

PLOTS: dict[str, str] = {}
_MOST = 10


def ask(run: Run) -> list[Row]:
    """Profile one thread, then 100 tasks."""
    return [*_one_thread(run), *_tasks(run)]


def _one_thread(run: Run) -> list[Row]:
    with RateLimiter(run.server.url, limits=BUCKET) as limiter:
        number = run.pick(5_000, 200)
        granted(limiter.try_acquire("one"))

        def work() -> None:
            for _ in range(number):
                limiter.try_acquire("one")

        return _profiled("one thread", work, number)


def _tasks(run: Run) -> list[Row]:
    limiter = RateLimiter(run.server.url, limits=BUCKET)
    each = run.pick(200, 10)

    async def task() -> None:
        for _ in range(each):
            await limiter.try_acquire_async("hot")

    async def all_() -> None:
        await asyncio.gather(*(task() for _ in range(TASKS)))

    run.wait(all_())
    rows = _profiled(f"{TASKS} tasks", lambda: run.wait(all_()), each * TASKS)
    run.wait(limiter.aclose())
    return rows


def _profiled(who: str, work: Callable[[], object], number: int) -> list[Row]:
    profile = cProfile.Profile()
    profile.runcall(work)
    stats = pstats.Stats(profile)
    own = {_name(where): 0.0 for where in stats.stats}
    for where, (_, _, seconds, _, _) in stats.stats.items():
        own[_name(where)] += seconds
    whole = sum(own.values())
    first = sorted(own.items(), key=lambda item: -item[1])[:_MOST]
    return [
        single(
            f"{who}: {name}",
            {"share": seconds / whole, "own_us": seconds / number * 1e6},
        )
        for name, seconds in first
    ]


def _name(where: tuple[str, int, str]) -> str:
    """Name a function by its module and itself: no path of this machine."""
    file, _, function = where
    if file == "~":
        return function.strip("<>")
    path = PurePath(file)
    _, inside, rest = path.as_posix().rpartition("/paceline/")
    return f"{rest if inside else path.name}: {function}"
