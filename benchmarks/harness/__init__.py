"""
What every question shares: rounds, servers, processes, results.

A question is a module with a docstring (what it asks, how to read the answer) and a
function ``ask(run)`` that returns rows. Most of them look like this::

    def ask(run: Run) -> list[Row]:
        contenders = {"INCR": lambda: run.slice(incr), "paceline": ...}
        return run.rounds(contenders, base="INCR")
"""

from .measure import Row, Sample, Spread, interleave, single, spread
from .run import Run

__all__ = ["Row", "Run", "Sample", "Spread", "interleave", "single", "spread"]
