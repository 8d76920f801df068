"""
The command line. What a command needs is imported when that command runs.

Data goes to stdout and talk to stderr. The exit code tells what happened:

====  ============================================
0     all is well
1     something unexpected
2     a wrong command line, or a missing extra
3     limits or options that make no sense
4     the store
5     no quota in time
6     rows failed
130   interrupted
====  ============================================
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .failure import missing_extra, report

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """
    Run a command line and return its exit code.

    Args:
        args: Without the program's name. None takes the process's own.
    """
    words = list(sys.argv[1:] if args is None else args)
    try:
        import click  # noqa: F401, PLC0415 -- asked for, so that its lack has words
    except ModuleNotFoundError as error:
        return report(missing_extra(error, "paceline"), as_json="--json" in words)
    from .app import run  # noqa: PLC0415 -- it needs click

    return run(words)
