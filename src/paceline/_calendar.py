"""Where calendar periods begin and end, as moments. Pure: the day is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from ._limits import Period

_SECOND_US = 1_000_000
_DECEMBER = 12

# A moment of the year 9000: calendars end soon after.
_LATEST_US = 221_845_392_000_000_000


@lru_cache(maxsize=1024)
def boundaries(period: Period, tz: str, now_us: int) -> tuple[int, int, int]:
    """
    Return the start and end of the period that holds *now_us*, and the next one's end.

    All in microseconds since the epoch. A period begins at local midnight, so a day
    may have 23 or 25 hours.
    """
    zone = ZoneInfo(tz)
    now_us = min(max(now_us, 0), _LATEST_US)  # a server may say anything
    local = datetime.fromtimestamp(now_us // _SECOND_US, UTC).astimezone(zone)
    first = _floor(period, local)
    second = _following(period, first)
    third = _following(period, second)
    return _moment(first), _moment(second), _moment(third)


def _floor(period: Period, local: datetime) -> datetime:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "week":
        return midnight - timedelta(days=midnight.weekday())
    if period == "month":
        return midnight.replace(day=1)
    return midnight


def _following(period: Period, start: datetime) -> datetime:
    # Adding days to a zone-aware datetime moves its wall clock: midnight to midnight.
    if period == "day":
        return start + timedelta(days=1)
    if period == "week":
        return start + timedelta(days=7)
    if start.month == _DECEMBER:
        return start.replace(year=start.year + 1, month=1)
    return start.replace(month=start.month + 1)


def _moment(local: datetime) -> int:
    return int(local.timestamp()) * _SECOND_US
