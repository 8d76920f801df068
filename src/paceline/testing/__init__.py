"""
Stand-ins for tests of programs that use paceline.

Each is a RateLimiter, with all of its verbs, and refuses the keys and costs that a real
one refuses. None reaches a server or really waits.
"""

from __future__ import annotations

from ._clock import Clock
from ._clocked import ClockedLimiter
from ._pretend import InstantLimiter, RefusingLimiter
from ._recording import Recorded, RecordingLimiter

__all__ = [
    "Clock",
    "ClockedLimiter",
    "InstantLimiter",
    "Recorded",
    "RecordingLimiter",
    "RefusingLimiter",
]

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
