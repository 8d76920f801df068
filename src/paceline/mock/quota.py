"""The limits of the pretend provider: read like any limit, enforced as buckets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from paceline._errors import ConfigError
from paceline._limits import CalendarWindow, Concurrency, Limit, SlidingWindow
from paceline._parse import parse_limit

SECOND_NS = 1_000_000_000
UNITS = ("requests", "tokens")


@dataclass(frozen=True, slots=True)
class Quota:
    """
    One limit of the pretend provider.

    Attributes:
        unit: What it counts: ``"requests"`` or ``"tokens"``.

        limit: Units refilled every *per_ns*.

        per_ns: The period, in nanoseconds.

        burst: Units that can be taken at once.

        slice_ns:
            A shorter time, in nanoseconds, within which no more may be taken than is
            refilled in it: 60,000 a minute enforced as 1,000 a second. 0 if there is
            none.
    """

    unit: str
    limit: int
    per_ns: int
    burst: int
    slice_ns: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Read a limit such as ``"500 requests/min"`` or ``"500/min burst 50"``.

        Raises:
            ConfigError: If it is no limit (P103), or none the mock enforces (P151).
        """
        return cls.of(parse_limit(text))

    @classmethod
    def of(cls, limit: Limit) -> Self:
        """
        Make a bucket of *limit*: by itself, a window lets all of it go at once.

        Raises:
            ConfigError: If the mock cannot enforce it (P151).
        """
        if isinstance(limit, CalendarWindow | Concurrency):
            kind = "a calendar" if isinstance(limit, CalendarWindow) else "concurrency"
            raise ConfigError(
                f"the mock cannot enforce {limit.name!r}: it keeps buckets, and {kind} "
                "is none",
                code="P151",
                hint='Give it a rate, such as "10k requests/day".',
            )
        if limit.unit not in UNITS:
            raise ConfigError(
                f"the mock cannot enforce {limit.name!r}: it does not count "
                f"{limit.unit!r}",
                code="P151",
                hint='It counts "requests" and "tokens".',
            )
        per_ns = limit.per_us * 1_000
        if isinstance(limit, SlidingWindow):
            return cls(limit.unit, limit.limit, per_ns, limit.limit)
        return cls(limit.unit, limit.rate, per_ns, limit.capacity)

    def sliced(self, seconds: float | None) -> Self:
        """
        Enforce it in slices of *seconds*; None, or a slice as long as it, is none.

        Raises:
            ConfigError: If no whole unit is refilled in a slice (P151).
        """
        slice_ns = round((seconds or 0) * SECOND_NS)
        if not seconds or slice_ns >= self.per_ns:
            return self
        if self.limit * slice_ns < self.per_ns:
            raise ConfigError(
                f"the mock cannot enforce {self.limit} {self.unit} in slices of "
                f"{seconds:g} s: there is no whole one in a slice",
                code="P151",
                hint="Make the slices longer, or the limit larger.",
            )
        return replace(self, slice_ns=slice_ns)

    def nanoseconds(self, debt: int) -> int:
        """Tell how long a scaled *debt* takes to drain, rounded up."""
        return -(-debt // self.limit)
