"""Processes that start together, do their work, and hand back what they saw."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ._errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import SpawnProcess
    from multiprocessing.synchronize import Barrier

R = TypeVar("R")

_END_SECONDS = 5.0
_LOOK_SECONDS = 0.25


def run_fleet(
    work: Callable[..., R],
    jobs: Sequence[tuple[Any, ...]],
    look: Callable[[], None],
    *,
    whose: str,
    seconds: float,
) -> list[R]:
    """
    Run ``work(barrier, *job)`` per job, each in a process of its own.

    Args:
        work: A function of a module. It waits at the barrier, which has a place for
            each process, when it is ready to start.

        jobs: The arguments of each process.

        look: Is called now and then meanwhile.

        whose: The command, for the words of an error.

        seconds: How long it may take at most.

    Raises:
        PacelineError: If a process fails (P154); the text is what it said.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(jobs))
    ends: Any = context.Queue()
    processes = [
        context.Process(
            target=_process, args=(work, job, number, barrier, ends), daemon=True
        )
        for number, job in enumerate(jobs)
    ]
    _start(processes)
    try:
        return _wait(ends, processes, look, whose, seconds)
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        ends.close()


def _start(processes: list[SpawnProcess]) -> None:
    """Start them deaf to Ctrl-C, which a terminal sends to all: the parent hears it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for process in processes:
            process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def _wait(
    ends: Any,
    processes: list[SpawnProcess],
    look: Callable[[], None],
    whose: str,
    seconds: float,
) -> list[Any]:
    deadline = time.monotonic() + seconds
    results: dict[int, Any] = {}
    while len(results) < len(processes):
        try:
            number, failure, result = ends.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            failure = _died(processes)
            if not failure and time.monotonic() > deadline:
                failure = f"it did not end within {seconds:g} seconds"
        else:
            results[number] = result
        if failure:
            what = f"a process of the {whose} failed: {failure}"
            raise PacelineError(what, code="P154")
        look()
    return [results[number] for number in range(len(processes))]


def _died(processes: list[SpawnProcess]) -> str:
    """Tell of a process that ended without a word, as one does that is killed."""
    codes = [process.exitcode for process in processes if process.exitcode]
    return f"it ended with exit code {codes[0]}" if codes else ""


def _process(
    work: Callable[..., object],
    job: tuple[Any, ...],
    number: int,
    barrier: Barrier,
    ends: Any,
) -> None:
    failure, result = "", None
    try:
        result = work(barrier, *job)
    except Exception as error:  # noqa: BLE001 -- the parent reports it
        failure = str(error) or type(error).__name__
    ends.put((number, failure, result))
