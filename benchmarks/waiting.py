"""
What do waiting callers cost, in which order do they go, and how much is used?

Fifty callers in one and in four processes wait for turns on 20 requests a second, and
ask again as soon as they went. "exact" costs are known (``acquire``). "estimated" ones
are half as much again as what is used in the end, which is posted 0.1 s later
(``reserve`` and ``settle``): one round trip more is the least.

* ``round_trips``: per admission, as the server counts them; 1.0 (2.0 with a
  settlement) is the least.
* ``used``: of what the limit granted in whole seconds. An estimate that is posted
  late costs capacity whoever keeps the account: 0.98 / (1 + 0.5 * 0.1 s / 1 s) = 0.93.
* ``overtaken``: the share of admissions that were passed by somebody who came more than
  20 ms later and left more than 20 ms earlier.
* ``wait_p50_s``, ``wait_max_s``: fair is 50 / 20 = 2.5 s for everybody.
* ``most_in_1_s``: admissions in any second, as the callers saw them; 20 and what a
  busy machine releases late.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from paceline import RateLimiter, SlidingWindow

from .harness import single
from .harness.crew import Start, together
from .harness.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .harness import Row, Run, Sample

PLOTS = {"round_trips": "Round trips per admission, 50 callers on 20 a second"}
RATE = 20
CALLERS = 50
PROCESSES = (1, 4)
# Units of an estimate, what of them is used, and after how long that is known.
ESTIMATE, TRUTH, LATENCY = 150, 100, 0.1
_SLACK = 0.02
_END = 5.0  # seconds for those who are called off


@dataclass(frozen=True, slots=True)
class Turn:
    """One admission: when its caller came and went, on the host's monotonic clock."""

    came: float
    left: float


def ask(run: Run) -> list[Row]:
    """Measure exact and estimated costs in so many processes."""
    rows = []
    for work, kind in ((exact, "exact"), (estimated, "estimated")):
        for processes in PROCESSES:
            run.tick(f"{kind}, {processes} processes")
            sample = measure(run, work, processes, RATE)
            who = "1 process" if processes == 1 else f"{processes} processes"
            rows.append(single(f"paceline, {kind} costs, {who}", sample))
    return rows


def measure(
    run: Run,
    work: Callable[..., list[Turn]],
    processes: int,
    rate: int,
    *rest: object,
) -> Sample:
    """Let *work* wait in so many processes and tell what the server and callers saw."""
    run.server.clear()
    # Half a window more: the last burst has passed when it ends.
    seconds = run.pick(5.5, 2.5)
    shares = [
        CALLERS // processes + (number < CALLERS % processes)
        for number in range(processes)
    ]
    reads: list[tuple[float, int]] = []

    def look(begin: float) -> None:
        # Between two bursts: connections are open and nobody has been called off yet.
        for moment in (begin + 1.5, begin + seconds):
            time.sleep(max(0.0, moment - time.monotonic()))
            reads.append((time.monotonic(), run.server.reads()))

    jobs = [(run.server.url, share, seconds, *rest) for share in shares]
    turns = [turn for part in together(work, jobs, look, lead=0.3) for turn in part]
    (start, before), (end, after) = reads
    steady = sum(start < turn.left <= end for turn in turns)
    # One of the reads between the two is the second question itself.
    trips = (after - before - 1) / steady if steady else 0.0
    return {"round_trips": trips, **summary(turns, rate)}


def summary(turns: Sequence[Turn], rate: int) -> Sample:
    """Tell what *turns* show, on a limit of *rate* a second."""
    if not turns:
        return {"used": 0.0}
    turns = sorted(turns, key=lambda turn: turn.left)
    moments = [turn.left for turn in turns]
    waits = [turn.left - turn.came for turn in turns]
    return {
        "used": used(moments, rate),
        "overtaken": sum(_overtaken(turn, turns) for turn in turns) / len(turns),
        "wait_p50_s": median(waits),
        "wait_max_s": max(waits),
        "most_in_1_s": most_in_window(moments, 1.0),
    }


def used(moments: Sequence[float], rate: int) -> float:
    """
    Tell how much of *rate* a second was used over the whole seconds of *moments*.

    What a bucket lets through at once was saved up before, and is left out: the first
    second counts for no more than *rate*.
    """
    first, whole = moments[0], int(moments[-1] - moments[0])
    if not whole:
        return 0.0
    early = sum(moment < first + 1.0 for moment in moments)
    later = sum(first + 1.0 <= moment < first + whole for moment in moments)
    return (min(early, rate) + later) / (rate * whole)


def _overtaken(turn: Turn, turns: Sequence[Turn]) -> bool:
    return any(
        other.came > turn.came + _SLACK and other.left < turn.left - _SLACK
        for other in turns
    )


def most_in_window(moments: Sequence[float], per: float) -> int:
    """Return the most of the ascending *moments* that lie within *per* seconds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - per:
            first += 1
        most = max(most, last - first + 1)
    return most


def exact(start: Start, url: str, callers: int, seconds: float) -> list[Turn]:
    """Keep so many tasks acquiring."""

    async def work() -> list[Turn]:
        limits = SlidingWindow(RATE, 1.0)
        async with RateLimiter(url, limits=limits, call_timeout=PATIENCE) as limiter:
            await limiter.peek_async("waiting")  # connect
            return await keep_waiting(
                start,
                callers,
                seconds,
                lambda: limiter.acquire_async("waiting", timeout=None),
            )

    return asyncio.run(work())


def estimated(start: Start, url: str, callers: int, seconds: float) -> list[Turn]:
    """Keep so many tasks reserving more than they use, and settling."""

    async def work() -> list[Turn]:
        # As many calls a second as with exact costs, when the truth is posted.
        limits = SlidingWindow(RATE * TRUTH, 1.0, unit="tokens")
        async with RateLimiter(url, limits=limits, call_timeout=PATIENCE) as limiter:

            async def settled(admitted: asyncio.Future[float]) -> None:
                reserving = limiter.reserve(
                    "waiting", {"tokens": ESTIMATE}, timeout=None
                )
                async with reserving as reservation:
                    admitted.set_result(time.monotonic())
                    await asyncio.sleep(LATENCY)
                    reservation.settle({"tokens": TRUTH})

            posting: set[asyncio.Task[None]] = set()

            async def turn() -> None:
                # The caller goes on when it is admitted; its call is posted meanwhile.
                admitted = asyncio.get_running_loop().create_future()
                task = asyncio.ensure_future(settled(admitted))
                posting.add(task)
                task.add_done_callback(posting.discard)
                try:
                    await asyncio.shield(admitted)
                except asyncio.CancelledError:
                    task.cancel()
                    raise

            await limiter.peek_async("waiting")  # connect
            turns = await keep_waiting(start, callers, seconds, turn)
            await asyncio.gather(*posting, return_exceptions=True)
            return turns

    return asyncio.run(work())


async def keep_waiting(
    start: Start, callers: int, seconds: float, turn: Callable[[], Awaitable[object]]
) -> list[Turn]:
    """Let so many tasks take turns, again and again."""
    turns: list[Turn] = []
    begin = await asyncio.to_thread(start)
    await asyncio.sleep(begin - time.monotonic())
    end = begin + seconds

    async def again() -> None:
        while time.monotonic() < end:  # some libraries swallow a cancellation
            came = time.monotonic()
            await turn()
            left = time.monotonic()
            turns.append(Turn(came, left))

    tasks = [asyncio.ensure_future(again()) for _ in range(callers)]
    done, _ = await asyncio.wait(
        tasks, timeout=end - time.monotonic(), return_when=asyncio.FIRST_EXCEPTION
    )
    for task in done:
        task.result()  # raises what made it end too early
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_END)
    return [turn for turn in turns if turn.left <= end]
