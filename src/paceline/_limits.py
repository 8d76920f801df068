"""
The limits a caller can ask for. Values only: no state, no I/O, no clock.

Every limit has a ``capacity`` (the largest cost it could ever hold), a ``unit``, a
``name``, and a ``tag``: the identity of its state in the store. The tag says kind, unit
and period, never the capacity, so that a changed capacity keeps the history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ._bounds import (
    LONGEST,
    MOST_BUCKET,
    MOST_CONCURRENT,
    MOST_SLOTS,
    MOST_WINDOW,
    SECOND_US,
    SHORTEST,
    check_count,
    check_period,
    check_unit,
    period_name,
    refuse,
)
from ._concurrency import Concurrency

__all__ = [
    "LONGEST",
    "MOST_BUCKET",
    "MOST_CONCURRENT",
    "MOST_WINDOW",
    "SECOND_US",
    "SHORTEST",
    "CalendarWindow",
    "Concurrency",
    "Limit",
    "Period",
    "SlidingWindow",
    "TokenBucket",
]

Period: TypeAlias = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """
    Never more than *limit* units in any *per* seconds, wherever they begin.

    A log of acts, coalesced into *slots*: memory is bounded, no window is ever
    exceeded, and sustained use reaches at least ``slots / (slots + 1)`` of the limit.

    Args:
        limit: Units per window. 1 to 90 billion.

        per: Length of the window, in seconds. 0.001 to 31 days.

        slots: How finely the window is kept. 2 to 1000.

        unit: What is counted: ``"requests"``, ``"tokens"``, or any name.

        name: Shown in decisions and errors. Defaults to e.g. ``"requests/min"``.

        configured: What *limit* was before :meth:`RateLimiter.correct` changed it. None
            if nobody did.

    Raises:
        ConfigError: If an argument is out of its range (P102).
    """

    limit: int
    per: float
    slots: int = 60
    unit: str = "requests"
    name: str = ""
    configured: int | None = field(
        default=None, kw_only=True, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        check_count("limit", self.limit, MOST_WINDOW, self)
        check_count("slots", self.slots, MOST_SLOTS, self, least=2)
        check_period(self.per, self)
        check_unit(self.unit, self)
        if not self.name:
            object.__setattr__(self, "name", f"{self.unit}/{period_name(self.per)}")

    @classmethod
    def per_second(cls, limit: int, *, unit: str = "requests") -> Self:
        """At most *limit* units in any second."""
        return cls(limit, 1.0, unit=unit)

    @classmethod
    def per_minute(cls, limit: int, *, unit: str = "requests") -> Self:
        """At most *limit* units in any 60 seconds."""
        return cls(limit, 60.0, unit=unit)

    @classmethod
    def per_hour(cls, limit: int, *, unit: str = "requests") -> Self:
        """At most *limit* units in any 3600 seconds."""
        return cls(limit, 3600.0, unit=unit)

    @classmethod
    def per_day(cls, limit: int, *, unit: str = "requests") -> Self:
        """At most *limit* units in any 24 hours."""
        return cls(limit, 86_400.0, unit=unit)

    @property
    def capacity(self) -> int:
        """Units it can hold at once."""
        return self.limit

    @property
    def per_us(self) -> int:
        """The window in microseconds."""
        return round(self.per * SECOND_US)

    @property
    def tag(self) -> str:
        """The identity of its state."""
        return f"w/{self.unit}/{self.per_us}/{self.slots}"


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """
    *rate* units per *per* seconds on average, and up to *burst* at once.

    Over any interval of w seconds at most ``burst + rate * w / per`` units. When the
    provider counts in windows, prefer :class:`SlidingWindow`: a full bucket plus its
    refill is up to twice the rate within one window.

    Args:
        rate: Units refilled every *per* seconds. 1 to 4 billion.

        per: Length of the refill period, in seconds. 0.001 to 31 days.

        burst: Capacity, in units. Defaults to *rate*.

        unit: What is counted: ``"requests"``, ``"tokens"``, or any name.

        name: Shown in decisions and errors. Defaults to e.g. ``"requests/min burst"``.

        configured: What *rate* was before :meth:`RateLimiter.correct` changed it.

    Raises:
        ConfigError: If an argument is out of its range (P102).
    """

    rate: int
    per: float
    burst: int | None = None
    unit: str = "requests"
    name: str = ""
    configured: int | None = field(
        default=None, kw_only=True, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        check_count("rate", self.rate, MOST_BUCKET, self)
        if self.burst is None:
            object.__setattr__(self, "burst", self.rate)
        check_count("burst", self.capacity, MOST_BUCKET, self)
        check_period(self.per, self)
        check_unit(self.unit, self)
        if not self.name:
            name = f"{self.unit}/{period_name(self.per)} burst"
            object.__setattr__(self, "name", name)

    @classmethod
    def per_second(
        cls, rate: int, *, burst: int | None = None, unit: str = "requests"
    ) -> Self:
        """*rate* units per second, up to *burst* at once."""
        return cls(rate, 1.0, burst, unit)

    @classmethod
    def per_minute(
        cls, rate: int, *, burst: int | None = None, unit: str = "requests"
    ) -> Self:
        """*rate* units per 60 seconds, up to *burst* at once."""
        return cls(rate, 60.0, burst, unit)

    @classmethod
    def per_hour(
        cls, rate: int, *, burst: int | None = None, unit: str = "requests"
    ) -> Self:
        """*rate* units per 3600 seconds, up to *burst* at once."""
        return cls(rate, 3600.0, burst, unit)

    @classmethod
    def per_day(
        cls, rate: int, *, burst: int | None = None, unit: str = "requests"
    ) -> Self:
        """*rate* units per 24 hours, up to *burst* at once."""
        return cls(rate, 86_400.0, burst, unit)

    @property
    def capacity(self) -> int:
        """Units it can hold at once."""
        return self.rate if self.burst is None else self.burst

    @property
    def per_us(self) -> int:
        """The refill period in microseconds."""
        return round(self.per * SECOND_US)

    @property
    def tag(self) -> str:
        """The identity of its state."""
        return f"b/{self.unit}/{self.per_us}"


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """
    At most *limit* units per calendar day, week (from Monday) or month.

    The count starts anew at midnight in *tz*, daylight saving included. Around a
    boundary up to twice the limit can pass in a short time: that is what a calendar
    quota is. For "never more than N in any 24 hours" use :class:`SlidingWindow`.

    Args:
        limit: Units per period. 1 to 90 billion.

        period: ``"day"``, ``"week"`` or ``"month"``.

        tz: An IANA time zone, e.g. ``"Europe/Paris"``.

        unit: What is counted: ``"requests"``, ``"tokens"``, or any name.

        name: Shown in decisions and errors. Defaults to e.g. ``"tokens/day calendar"``.

        configured: What *limit* was before :meth:`RateLimiter.correct` changed it.

    Raises:
        ConfigError: If an argument is out of its range, or the zone unknown (P102).
    """

    limit: int
    period: Period
    tz: str = "UTC"
    unit: str = "requests"
    name: str = ""
    configured: int | None = field(
        default=None, kw_only=True, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        check_count("limit", self.limit, MOST_WINDOW, self)
        if self.period not in ("day", "week", "month"):
            raise refuse(
                self, f"period is {self.period!r}", 'Use "day", "week", "month".'
            )
        check_unit(self.unit, self)
        try:
            ZoneInfo(self.tz)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            hint = 'Use an IANA name such as "Europe/Paris"; on Windows install tzdata.'
            raise refuse(self, f"no time zone {self.tz!r}", hint) from error
        if not self.name:
            name = f"{self.unit}/{self.period} calendar"
            object.__setattr__(self, "name", name)

    @property
    def capacity(self) -> int:
        """Units it can hold at once."""
        return self.limit

    @property
    def tag(self) -> str:
        """The identity of its state."""
        return f"d/{self.unit}/{self.period}/{self.tz}"


Limit: TypeAlias = SlidingWindow | TokenBucket | CalendarWindow | Concurrency
