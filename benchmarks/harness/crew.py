"""Processes that begin together, work for a while and hand back what they saw."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

R = TypeVar("R")
# Waits until everybody is there, and returns the moment to begin at.
Start: TypeAlias = "Callable[[], float]"

_PATIENCE = 120.0
# From "all are ready" to the start: long enough for the word to reach everybody.
_LEAD = 0.05


def together(
    work: Callable[..., R],
    jobs: Sequence[tuple[Any, ...]],
    meanwhile: Callable[[float], object] = lambda _: None,
    lead: float = _LEAD,
) -> list[R]:
    """
    Run ``work(start, *job)`` per job, each in a process of its own.

    Each imports and connects as it likes, then calls ``start()``: that waits for the
    others and returns the moment at which all begin, on the monotonic clock that the
    processes of a host share.

    Args:
        meanwhile: Runs here while they work, and is given that moment too.

        lead: Seconds to it from the moment at which all are there.

    Raises:
        RuntimeError: If a process failed; the text is what it said.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(jobs) + 1)
    begin = context.Value("d", 0.0)
    lines = [context.Pipe(duplex=False) for _ in jobs]
    processes = [
        context.Process(target=_process, args=(work, job, barrier, begin, line))
        for job, (_, line) in zip(jobs, lines, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        with suppress(BrokenBarrierError):  # who broke it says why, below
            barrier.wait(_PATIENCE)
            begin.value = time.monotonic() + lead
            barrier.wait(_PATIENCE)
            meanwhile(begin.value)
        return [_result(heard) for heard, _ in lines]
    finally:
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


def _result(heard: Connection) -> Any:
    if not heard.poll(_PATIENCE):
        raise RuntimeError(f"a process was not done within {_PATIENCE:g} seconds")
    failure, result = heard.recv()
    if failure:
        raise RuntimeError(f"a process failed: {failure}")
    return result


def _process(
    work: Callable[..., object],
    job: tuple[Any, ...],
    barrier: Any,
    begin: Any,
    line: Connection,
) -> None:
    def start() -> float:
        barrier.wait(_PATIENCE)
        barrier.wait(_PATIENCE)  # by then begin is set
        return float(begin.value)

    try:
        line.send(("", work(start, *job)))
    except BaseException as error:
        barrier.abort()
        line.send((f"{type(error).__name__}: {error}", None))
        raise
