"""Many processes share one API quota: no 429s, and full use of what you pay for."""

from __future__ import annotations

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

# Tracebacks, reprs and docs name the public path, not the private module.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
