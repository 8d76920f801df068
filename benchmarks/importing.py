"""
What does ``import paceline`` cost, beyond a bare interpreter?

CPU milliseconds of a process that imports and ends, the bare interpreter's taken off in
the same round. What paceline shows is loaded when it is first named, which is a row of
its own (``paceline._public``). What the first call of a store loads (redis-py) is in
neither, so redis and asyncio are rows too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .harness import Row, Run, Sample

PLOTS = {"cpu_ms": "CPU of an import, beyond a bare interpreter"}
MODULES = ("paceline", "paceline._public", "asyncio", "redis", "redis.asyncio", "click")


def ask(run: Run) -> list[Row]:
    """Compare paceline with what it does not import."""
    return run.rounds(
        {f"import {module}": _import(module) for module in MODULES},
        repeats=run.pick(8, 2),
    )


def _import(module: str) -> Callable[[], Sample]:
    # The bare interpreter comes right before: both meet the same neighbours.
    return lambda: {"cpu_ms": -_cpu("pass") * 1e3 + _cpu(f"import {module}") * 1e3}


def _cpu(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} failed")
    return used.ru_utime + used.ru_stime
