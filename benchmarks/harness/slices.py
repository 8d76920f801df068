"""
One slice of a contender: as many calls as fit, and what they cost whom.

``client_us`` is this process's CPU and ``server_us`` the server's, both in
microseconds per call: of all numbers the least sensitive to neighbours.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .measure import Sample
    from .server import BenchServer

# So many calls between two looks at the clock.
_CALLS = 10


class Meter:
    """Reads three clocks: the wall's, this process's and the server's."""

    def __init__(self, server: BenchServer) -> None:
        self._server = server
        self._began = self._read()

    def _read(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), self._server.cpu_seconds()

    def sample(self, calls: int) -> Sample:
        """Tell what *calls* calls took since the meter was made."""
        wall, client, server = (
            now - then for now, then in zip(self._read(), self._began, strict=True)
        )
        return {
            "per_second": calls / wall,
            "client_us": client / calls * 1e6,
            "server_us": server / calls * 1e6,
        }


def one_thread(
    server: BenchServer, seconds: float, call: Callable[[], object]
) -> Sample:
    """Repeat *call* for so long."""
    meter = Meter(server)
    return meter.sample(_repeat(call, time.perf_counter() + seconds))


def _repeat(call: Callable[[], object], end: float) -> int:
    calls = 0
    while not calls or time.perf_counter() < end:
        for _ in range(_CALLS):
            call()
        calls += _CALLS
    return calls


def threads(
    server: BenchServer, seconds: float, call: Callable[[], object], number: int
) -> Sample:
    """Let so many threads repeat *call*."""
    calls: list[int] = []
    barrier = threading.Barrier(number + 1)

    def work() -> None:
        barrier.wait()
        calls.append(_repeat(call, time.perf_counter() + seconds))

    crew = [threading.Thread(target=work) for _ in range(number)]
    for thread in crew:
        thread.start()
    meter = Meter(server)
    barrier.wait()
    for thread in crew:
        thread.join()
    if len(calls) < number:
        raise RuntimeError("a thread failed: see its traceback above")
    return meter.sample(sum(calls))


async def tasks(
    server: BenchServer,
    seconds: float,
    call: Callable[[], Awaitable[object]],
    number: int,
) -> Sample:
    """Let so many tasks repeat *call* on the running event loop."""
    meter = Meter(server)
    end = time.perf_counter() + seconds

    async def work() -> int:
        await call()  # once even on a machine that stands still
        calls = 1
        while time.perf_counter() < end:
            await call()
            calls += 1
        return calls

    return meter.sample(sum(await asyncio.gather(*(work() for _ in range(number)))))


async def open_loop(
    call: Callable[[], Awaitable[object]], arrivals: Iterator[float]
) -> list[float]:
    """
    Begin a call at each of the *arrivals* and return the latencies, in seconds.

    Whether the earlier calls have ended does not matter, as with real arrivals, and a
    latency counts from the moment at which the call was due: a contender that holds the
    loop up is not forgiven.

    Args:
        arrivals: Seconds after the start, ascending.
    """
    latencies: list[float] = []
    started: set[asyncio.Task[None]] = set()
    start = time.perf_counter()

    async def one(due: float) -> None:
        await call()
        latencies.append(time.perf_counter() - due)

    for arrival in arrivals:
        due = start + arrival
        await asyncio.sleep(due - time.perf_counter())
        task = asyncio.ensure_future(one(due))
        started.add(task)
        task.add_done_callback(started.discard)
    await asyncio.gather(*started)
    return latencies
