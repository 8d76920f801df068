"""What a limit's numbers may be, and what is said of those that are not."""

from __future__ import annotations

import re

from ._errors import ConfigError

SECOND_US = 1_000_000
SHORTEST = 0.001
SHORTEST_LEASE = 0.1
LONGEST = 31 * 86_400.0
# The window keeps running sums of 12 digits, the bucket counts millionths of a
# unit in a double: both leave room for one more capacity on top of a full one.
MOST_WINDOW = 90_000_000_000
MOST_BUCKET = 4_000_000_000
MOST_SLOTS = 1_000
MOST_CONCURRENT = 1_000_000

_UNIT = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PERIOD_NAMES = {1: "s", 60: "min", 3600: "h", 86_400: "day", 604_800: "week"}


def refuse(limit: object, what: str, hint: str) -> ConfigError:
    """Return the error for an argument of a limit."""
    return ConfigError(f"{type(limit).__name__}: {what}", code="P102", hint=hint)


def check_count(
    what: str, value: object, most: int, limit: object, *, least: int = 1
) -> None:
    """Refuse a count that is none, or out of range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(limit, f"{what} is {value!r}", "Give a whole number of units.")
    if not least <= value <= most:
        raise refuse(limit, f"{what} is {value:,}", f"Allowed: {least:,} to {most:,}.")


def check_period(
    per: object, limit: object, what: str = "per", least: float = SHORTEST
) -> None:
    """Refuse a length of time that is none, or out of range."""
    if not isinstance(per, int | float) or isinstance(per, bool):
        raise refuse(limit, f"{what} is {per!r}", "Give a number of seconds.")
    if not least <= per <= LONGEST:  # also refuses NaN
        hint = f"Allowed: {least} seconds ({least * 1000:.0f} ms) to 2678400 seconds "
        raise refuse(limit, f"{what} is {per!r} seconds", f"{hint}(31 days).")


def check_unit(unit: object, limit: object) -> None:
    """Refuse a unit that is no word."""
    if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
        hint = "A unit is a lower-case word such as requests, tokens or input_tokens."
        raise refuse(limit, f"unit is {unit!r}", hint)


def period_name(per: float) -> str:
    """Return how people say a length of time: "min", "30s"."""
    if per in _PERIOD_NAMES:
        return _PERIOD_NAMES[int(per)]
    for length, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if per % length == 0:
            return f"{per // length:.0f}{name}"
    return f"{per:.12g}s" if per >= 1 else f"{per * 1000:.12g}ms"
