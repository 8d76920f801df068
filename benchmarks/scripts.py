"""
What does a decision cost the server, per algorithm and batch size?

The server's own CPU time (INFO), in microseconds per *request*; commands are pipelined,
so that the script is most of it. ``ratio`` is against INCR, pipelined alike, in the
same round: it says how many decisions a server core makes. "a 100th of 100" means that
100 requests share one script call, with costs that differ; "equal" ones cost the same,
as most do where only requests are counted. Sliding windows are measured with their log
in use: a slot of theirs begins with each call. "on a lane" is as clients send it: with
a number, by which a call that is sent twice counts once; the others are sent without.
"""

from __future__ import annotations

import time
from itertools import count, cycle, islice, repeat
from typing import TYPE_CHECKING, Any

from paceline import CalendarWindow, SlidingWindow, TokenBucket

from .harness.scripts import NOON_US, SECOND_US, Scripted, on_lane, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paceline import Cost, Limit

    from .harness import Row, Run, Sample

PLOTS = {"ratio": "Server CPU per request, against INCR"}
_MUCH = 4_000_000_000
BATCHES = (1, 10, 50, 100)
PIPELINE = 100

LIMITS: dict[str, tuple[Limit, ...]] = {
    "bucket": (TokenBucket.per_minute(_MUCH),),
    "window": (SlidingWindow.per_minute(_MUCH),),
    "calendar": (CalendarWindow(_MUCH, "day"),),
    "RPM + TPM windows": (
        SlidingWindow.per_minute(_MUCH),
        SlidingWindow.per_minute(_MUCH, unit="tokens"),
    ),
    "RPM + TPM + RPD windows": (
        SlidingWindow.per_minute(_MUCH),
        SlidingWindow.per_minute(_MUCH, unit="tokens"),
        SlidingWindow.per_day(_MUCH),
    ),
}


def ask(run: Run) -> list[Row]:
    """Compare the algorithms in batches of several sizes."""
    prepare(run.server.client)
    contenders: dict[str, Callable[[], Sample]] = {"INCR": _incr(run)}
    for name, limits in LIMITS.items():
        for size in BATCHES:
            contenders[_named(name, size)] = _decisions(run, name, limits, size)
        on_a_lane = _named(name, 1) + ", on a lane"
        contenders[on_a_lane] = _decisions(run, name, limits, 1, lane="a")
        if len(limits) == 1:
            equal = _named(name, size) + " equal"
            contenders[equal] = _decisions(run, name, limits, size, equal=True)
    return run.rounds(contenders, base="INCR", of="server_us")


def _named(name: str, size: int) -> str:
    return f"paceline, {name}" + (f", a {size}th of {size}" if size > 1 else ", alone")


def _decisions(
    run: Run,
    name: str,
    limits: tuple[Limit, ...],
    size: int,
    *,
    equal: bool = False,
    lane: str = "",
) -> Callable[[], Sample]:
    scripted = Scripted(limits, f"paceline:1:{{{name} {size} {equal} {lane}}}")
    counted = {limit.unit for limit in limits} - {"requests"}
    # Costs that differ: nothing about a batch can be done once for all.
    costs: list[Cost] = [
        dict.fromkeys(counted, 800 + number) if counted else 1 + number % 3
        for number in range(size)
    ]
    if equal:
        costs = [1] * size
    # Each call is a second later than the last, so that a window of 60 slots keeps 60.
    moments = count(NOON_US, SECOND_US)
    numbers = count(1)

    def measure() -> Sample:
        calls = [scripted.acquire(costs, next(moments)) for _ in range(PIPELINE)]
        words = (
            on_lane(call, lane, next(numbers)) if lane else call
            for call in cycle(calls)
        )
        return _sent(run, words, size)

    return measure


def _incr(run: Run) -> Callable[[], Sample]:
    return lambda: _sent(run, repeat(("INCR", "n")), 1)


def _sent(run: Run, calls: Iterator[tuple[Any, ...]], size: int) -> Sample:
    """Send of *calls* as many as a slice holds, pipelined; read the server's CPU."""
    pipeline = run.server.client.pipeline(transaction=False)
    before, sent = run.server.cpu_seconds(), 0
    end = time.perf_counter() + run.seconds
    while not sent or time.perf_counter() < end:
        for call in islice(calls, PIPELINE):
            pipeline.execute_command(*call)
        pipeline.execute()
        sent += PIPELINE * size
    return {"server_us": (run.server.cpu_seconds() - before) / sent * 1e6}
