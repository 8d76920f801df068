"""
Read a field of the hash without its server, and without being told its limits.

The Python twin of ``lua/lib/field.lua``; ``_standing`` is that of the limits' files. A
tag tells kind, unit and period of a limit, and the field its capacity as whoever
wrote last took it. A test holds these modules and the scripts together on random
histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._bounds import period_name
from ._errors import ConfigError
from ._format import format_limit
from ._limits import (
    MOST_BUCKET,
    SECOND_US,
    CalendarWindow,
    Concurrency,
    Limit,
    SlidingWindow,
    TokenBucket,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD, _SECTION = 113, 53
_MOVED, _BY_CLOCK = "wb", "wbc"  # kinds whose moments, and whose ends, follow a clock
GHOSTS = "g"  # the tag of lib/ghost's list
UNIT = 1_000_000  # a bucket's debts are in millionths of a unit


@dataclass(frozen=True, slots=True)
class Section:
    """One limit's part of a field, as the script wrote it; moments are moved."""

    tag: str
    capacity: int
    at: int
    stop: int
    body: str
    live: bool

    def number(self, start: int, width: int) -> int:
        """Read *width* digits of the body."""
        return int(self.body[start : start + width])

    def digits(self, start: int) -> int:
        """Read a number of the body as ``lua/lib/digits.lua`` writes it."""
        number = 0
        for character in self.body[start : start + 7]:
            number = number * 95 + ord(character) - 32
        return number


@dataclass(frozen=True, slots=True)
class Field:
    """
    One account: what a model of a key, or all of them together, have used.

    Attributes:
        epoch: Names this life of the account.

        seq: How many scripts wrote it.

        shift: By how much its clock stepped back in all (us).

        cool_us: Until its cool-down ends.

        sections: Its limits.
    """

    epoch: str
    seq: int
    shift: int
    cool_us: int
    sections: tuple[Section, ...]


def read_field(value: str, now: int) -> Field:
    """
    Read a field of the hash at the server's moment *now*, in microseconds.

    Raises:
        ValueError: If it is no field of this version.
    """
    if len(value) < _HEAD:
        raise ValueError("too short for a field")
    seq = int(value[20:33])
    last, shift, cool = (int(value[at : at + 16]) for at in (33, 49, 65))
    # The clock stepped back: the next script will move every moment by as much.
    back = max(0, last - now)
    sections = tuple(_sections(value, max(last, now), back))
    cool_us = max(0, cool - back - now)
    return Field(value[:20], seq, shift + back, cool_us, sections)


def _sections(value: str, moment: int, back: int) -> Iterable[Section]:
    start = _HEAD
    while start < len(value):
        tag_bytes, body_bytes = int(value[start : start + 2]), value[start + 2 :][:6]
        numbers = value[start + 8 : start + _SECTION]
        at, capacity, stop = int(numbers[:16]), int(numbers[16:29]), int(numbers[29:])
        tag_from = start + _SECTION
        body_from = tag_from + tag_bytes
        end = body_from + int(body_bytes)
        if end > len(value):
            raise ValueError("a field that ends too soon")
        tag = value[tag_from:body_from]
        # What was healed is no limit: it is booked in those that are.
        if tag != GHOSTS:
            yield Section(
                tag,
                capacity,
                at - back if tag[0] in _MOVED else at,
                stop - back if tag[0] in _BY_CLOCK else stop,
                value[body_from:end],
                live=stop > moment,
            )
        start = end


def limit_of(section: Section) -> Limit:
    """
    Make the limit that a section is of, as whoever wrote last took it.

    Raises:
        ValueError: If it is of a kind that this release does not know.
    """
    kind, *parts = section.tag.split("/", 3)
    try:
        if kind == "w":
            unit, per, slots = parts
            return SlidingWindow(
                section.capacity, int(per) / SECOND_US, int(slots), unit
            )
        if kind == "b":
            unit, per = parts
            rate = _rate(section, int(per)) if section.live else section.capacity
            seconds = int(per) / SECOND_US
            return TokenBucket(rate, seconds, section.capacity, unit)
        if kind == "d":
            unit, period, zone = parts
            # The constructor refuses any other period.
            return CalendarWindow(section.capacity, period, zone, unit)  # type: ignore[arg-type]
        if kind == "c" and not parts:
            return Concurrency(section.capacity)
    except ConfigError as error:
        raise ValueError(error.message) from None
    raise ValueError(f"no kind of limit is known as {section.tag}")


def _rate(section: Section, per_us: int) -> int:
    """Work out a bucket's rate: it ends when its debt, as of a moment, is paid."""
    debt, moment = owed(section)
    drain = max(1, section.stop - moment)
    rate = (2 * debt * per_us + UNIT * drain) // (2 * UNIT * drain)
    return min(MOST_BUCKET, max(1, rate))


def text_of(section: Section, limit: Limit) -> str:
    """Write a limit as people do."""
    if isinstance(limit, TokenBucket) and not section.live:
        # Nothing is owed, so nothing tells the rate.
        return f"{limit.unit}/{period_name(limit.per)} burst {limit.capacity:,}"
    return format_limit(limit)


def owed(section: Section) -> tuple[int, int]:
    """Return a bucket's debt when all who wait have acted, and that moment."""
    return section.number(58, 16), section.at + section.number(74, 13)
