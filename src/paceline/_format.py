"""Limits, printed as people write them."""

from __future__ import annotations

from ._concurrency import LEARNING
from ._limits import CalendarWindow, Concurrency, Limit, TokenBucket

_PRINTED = {"week": 604_800, "day": 86_400, "h": 3_600, "min": 60, "s": 1}


def format_limit(limit: Limit) -> str:
    """
    Print *limit* as ``parse_limit`` reads it, e.g. ``"30k tokens/min"``.

    A text has no place for a name, slots or a lease, and a few units mean something
    else in it (``req`` is ``requests``, ``k`` a thousand). All others read back.
    """
    if limit == LEARNING:
        return "learnt"
    if isinstance(limit, Concurrency):
        return f"{_short(limit.limit)} concurrent"
    if isinstance(limit, CalendarWindow):
        zone = "" if limit.tz == "UTC" else f" {limit.tz}"
        return f"{_amount(limit.limit, limit.unit)}/{limit.period} calendar{zone}"
    if isinstance(limit, TokenBucket):
        burst = _short(limit.capacity)
        return f"{_amount(limit.rate, limit.unit)}{_every(limit.per)} burst {burst}"
    return f"{_amount(limit.limit, limit.unit)}{_every(limit.per)}"


def _amount(count: int, unit: str) -> str:
    if count == 1 and unit in ("requests", "tokens"):
        unit = unit[:-1]
    return f"{_short(count)} {unit}"


def _short(count: int) -> str:
    for suffix, scale in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= scale:
            # 1.5k, but 1,234: a short form must not be longer to read.
            short = count % (scale // 10) == 0
            return f"{count / scale:.12g}{suffix}" if short else f"{count:,}"
    return str(count)


def _every(per: float) -> str:
    for word, seconds in _PRINTED.items():
        many, rest = divmod(per, seconds)
        if not rest and many:
            words = f" {word}s" if word in ("day", "week") else word
            return f"/{word}" if many == 1 else f" per {many:.0f}{words}"
    millis = round(per * 1_000)
    return f" per {millis}ms" if millis / 1_000 == per else f" per {per!r}s"
