"""What the package shows, in one place, so that it is loaded at once and late."""

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
