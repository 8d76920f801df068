"""
Many processes share one API quota: no 429s, and full use of what you pay for.

What is named here is loaded when the first of it is used: importing the package alone,
as a program does that limits nothing in this run, costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs more to import than this package
if TYPE_CHECKING:
    from ._decision import Decision, LimitStatus
    from ._decorator import current_permit
    from ._errors import (
        ConfigError,
        CostError,
        CostTooLarge,
        MisuseError,
        PacelineError,
        RateLimitExceeded,
        StoreError,
        StoreUnavailable,
    )
    from ._key import Key, KeyTemplate
    from ._limiter import RateLimiter
    from ._limits import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
    from ._permit import Permit
    from ._reservation import Reservation

__version__ = "0.1.0"

__all__ = [
    "CalendarWindow",
    "Concurrency",
    "ConfigError",
    "CostError",
    "CostTooLarge",
    "Decision",
    "Key",
    "KeyTemplate",
    "LimitStatus",
    "MisuseError",
    "PacelineError",
    "Permit",
    "RateLimitExceeded",
    "RateLimiter",
    "Reservation",
    "SlidingWindow",
    "StoreError",
    "StoreUnavailable",
    "TokenBucket",
    "current_permit",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _public  # noqa: PLC0415 -- see above

    # Tracebacks, reprs and docs name the public path, not the private module.
    for each in __all__:
        found = getattr(_public, each)
        found.__module__ = __name__
        globals()[each] = found
    return globals()[name]


def __dir__() -> list[str]:
    return [*globals(), *(name for name in __all__ if name not in globals())]
