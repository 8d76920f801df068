"""
Limits as people write them, read into values.

    count [unit] ("/" | "per") [number] period ["burst" count | "calendar" [zone]]
    count "concurrent"

A refusal points at the offending part, and says what may have been meant.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from math import gcd
from zoneinfo import available_timezones

from ._concurrency import LEARNING
from ._errors import ConfigError
from ._format import format_limit
from ._limits import (
    LONGEST,
    MOST_BUCKET,
    MOST_CONCURRENT,
    MOST_WINDOW,
    SHORTEST,
    CalendarWindow,
    Concurrency,
    Limit,
    Period,
    SlidingWindow,
    TokenBucket,
)
from ._suggest import LONGEST_TEXT, Refused, closest, marked, mend

_HOW = (
    'Write it like "500/min", "30k tokens/min", "1 per 200ms", "500/min burst 50", '
    '"10k/day calendar" or "32 concurrent".'
)
_LONGEST_UNIT = 32

_SPACE = re.compile(r"\s*")
_DIGITS = re.compile(r"[0-9](?:[0-9_,]*[0-9])?(?:\.[0-9_,]*)?")
# Groups of exactly three: a decimal comma must not be read as a thousand times more.
_GROUPED = re.compile(
    r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?:_[0-9]{3})+)(?:\.([0-9]+))?"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SCALE = re.compile(r"[kKmMgGbB](?![A-Za-z0-9_])")
_DIVIDER = re.compile(r"/|[pP][eE][rR](?![A-Za-z0-9_])")
_SHORTHAND = re.compile("[rt]p[smhd]")
_PIECE = re.compile(rf"{_DIGITS.pattern}|{_WORD.pattern}|\S|")
_REST = re.compile(r"\S.*", re.DOTALL)

_SCALES = {"k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
_UNITS: dict[str, str] = {}
_UNITS |= dict.fromkeys(("request", "requests", "req", "reqs"), "requests")
_UNITS |= dict.fromkeys(("token", "tokens", "tok", "toks"), "tokens")
_NO_UNITS = {"", "per", "burst", "calendar", "a", "an", "each", "every", "in"}
_CONCURRENT = ("concurrent", "concurrently", "concurrency")

_PERIODS: dict[str, int] = {"ms": 1}  # in milliseconds
_PERIODS |= dict.fromkeys(("s", "sec", "second", "seconds"), 1_000)
_PERIODS |= dict.fromkeys(("min", "minute", "minutes"), 60_000)
_PERIODS |= dict.fromkeys(("h", "hr", "hour", "hours"), 3_600_000)
_PERIODS |= dict.fromkeys(("d", "day", "days"), 86_400_000)
_PERIODS |= dict.fromkeys(("week", "weeks"), 604_800_000)
_PERIODS |= dict.fromkeys(("month", "months"), 0)  # of the calendar only
_CALENDAR: dict[str, Period] = {"d": "day", "day": "day", "days": "day"}
_CALENDAR |= {"week": "week", "weeks": "week", "month": "month", "months": "month"}


# For limits that the provider's answers will tell.
LEARNT = "learnt"


def parse_limit(text: str) -> Limit:
    """
    Read one limit, e.g. ``"30k tokens/min"``; ``"learnt"`` are those to be learnt.

    Raises:
        ConfigError: If the text is no limit (P103): where, and what may be meant.
    """
    if not isinstance(text, str):
        what = f"a limit is written as a text, not as {type(text).__name__}"
        raise ConfigError(what, code="P103", hint=_HOW)
    if not text.strip() or len(text) > LONGEST_TEXT:
        what = f"{text[:40]!r}, a text of {len(text):,} characters, is no limit"
        raise ConfigError(what, code="P103", hint=_HOW)
    if text.strip() == LEARNT:
        return LEARNING
    try:
        return _read(text)
    except Refused as error:
        refused = error  # answered below, so that no traceback shows this one
    mended = mend(text, refused, _read)
    hint = f'Did you mean "{mended}"?\n  {_HOW}' if mended else _HOW
    raise ConfigError(
        f"cannot read a limit: {refused.what}",
        code="P103",
        hint=hint,
        column=refused.start + 1,
        caret=marked(text, refused.start, refused.end),
        suggestion=mended or None,
    )


@dataclass(frozen=True, slots=True)
class _Number:
    """*digits* / *tenths*, exactly, and where it stands."""

    digits: int
    tenths: int
    start: int
    end: int

    def refuse(self, what: str, *repairs: str) -> Refused:
        return Refused(what, self.start, self.end, repairs)

    def whole(self, most: int) -> int:
        if self.digits % self.tenths:
            raise self.refuse("a count is a whole number")
        if not 1 <= self.digits // self.tenths <= most:
            raise self.refuse(f"a count is 1 to {most:,}")
        return self.digits // self.tenths


class _Scan:
    """A text, how far it has been read, and where its last part stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start = self.end = 0

    def take(self, pattern: re.Pattern[str]) -> str:
        """Read what *pattern* matches after white space. Empty if nothing does."""
        space = _SPACE.match(self.text, self.end)
        match = pattern.match(self.text, space.end() if space else self.end)
        if match is None:
            return ""
        self.start, self.end = match.span()
        return match[0]

    def refuse(self, what: str, *repairs: str) -> Refused:
        """Refuse the part that was read last."""
        return Refused(what, self.start, self.end, repairs)

    def number(self) -> _Number:
        if not (digits := self.take(_DIGITS)):
            self.take(_PIECE)
            raise self.refuse("expected a number")
        if not (match := _GROUPED.fullmatch(digits)):
            raise self.refuse('thousands are groups of three digits, as in "1,000"')
        part = match[2] or ""
        whole = match[1].replace(",", "").replace("_", "")
        return _Number(int(whole + part), 10 ** len(part), self.start, self.end)

    def count(self) -> _Number:
        number = self.number()
        if scale := self.take(_SCALE):
            if scale == "m":
                raise self.refuse('"m" is ambiguous: M is a million, "/min" a minute')
            digits = number.digits * _SCALES[scale.lower()]
            return _Number(digits, number.tenths, number.start, self.end)
        if word := _WORD.match(self.text, number.end):
            what = f'"{word[0]}" is no multiple (k, M, G); a unit has a space before it'
            raise Refused(what, word.start(), word.end())
        return number

    def unit(self) -> str:
        before = self.start, self.end
        word = self.take(_WORD).lower()
        if word in _NO_UNITS:
            self.start, self.end = before
            return "requests"
        if len(word) > _LONGEST_UNIT or word in _SCALES:
            raise self.refuse("a unit is a word of at most 32 characters, not k, M, G")
        return _UNITS.get(word, word)

    def concurrent(self) -> bool:
        """Read the word that makes a limit one of calls at a time, if it comes."""
        before = self.start, self.end
        if self.take(_WORD).lower() in _CONCURRENT:
            return True
        self.start, self.end = before
        return False

    def divider(self) -> None:
        """Read the ``/`` or ``per`` between what is counted and the period."""
        before = self.start, self.end
        if self.take(_DIVIDER):
            return
        piece = self.take(_PIECE).lower()
        what = 'expected "/" or "per", then a period'
        last = self.text[slice(*before)].lower()
        if not piece and (last in _PERIODS or _SHORTHAND.fullmatch(last)):
            raise Refused(what, *before)  # "500 min", "500 rpm": not the end is wrong
        joined = f"{self.text[: before[1]]}_{self.text[self.start :]}"
        words = _WORD.fullmatch(last) and _WORD.fullmatch(piece)
        raise self.refuse(what, *([joined] if words else []))

    def period(self) -> tuple[_Number, str]:
        """Read a period: how many, and of what."""
        before = self.end
        number = None
        if self.take(_DIGITS):
            self.end = before
            number = self.number()
        word = self.take(_WORD).lower()
        if not word:
            self.take(_PIECE)
            raise self.refuse("expected a period")
        if word not in _PERIODS:
            raise self.refuse("no such period; there are ms, s, min, h, day, week")
        return number or _Number(1, 1, self.start, self.end), word


def _read(text: str) -> Limit:
    scan = _Scan(text)
    count, unit = scan.count(), scan.unit()
    if unit in _CONCURRENT or scan.concurrent():
        return _concurrency(scan, count, unit)
    scan.divider()
    number, word = scan.period()
    end, tail = scan.end, scan.take(_WORD).lower()
    if tail == "calendar":
        without = text[: scan.start].rstrip()
        if word not in _CALENDAR or number.digits != number.tenths:
            what = '"calendar" goes with one day, week or month'
            raise Refused(what, number.start, end, (without,))
        return _calendar(scan, count.whole(MOST_WINDOW), _CALENDAR[word], unit)
    if not _PERIODS[word]:
        what = 'a month has no fixed length: write "30 days", or add "calendar"'
        raise Refused(what, end - len(word), end)
    millis = _PERIODS[word] * number.digits
    per = millis / (1_000 * number.tenths)
    if not SHORTEST <= per <= LONGEST:
        raise Refused("a period is 1 ms to 31 days", number.start, end)
    burst = scan.count().whole(MOST_BUCKET) if tail == "burst" else None
    if (tail and burst is None) or scan.take(_PIECE):
        part = text[scan.start : scan.end]
        moved = f"{text[: count.end]} {part}{text[count.end : scan.start]}"
        raise scan.refuse("unexpected after a limit", moved + text[scan.end :])
    most = MOST_WINDOW if burst is None else MOST_BUCKET
    if over := count.digits % count.tenths:
        # "0.5/s" is said in whole numbers as "1 per 2s".
        parts = count.tenths // gcd(over, count.tenths)
        seconds = millis * parts / (1_000 * number.tenths)
        many = count.digits * parts // count.tenths
        if seconds <= LONGEST and many <= most:
            meant = format_limit(_limit(many, seconds, burst, unit))
            raise count.refuse("a count is a whole number", meant)
    return _limit(count.whole(most), per, burst, unit)


def _limit(count: int, per: float, burst: int | None, unit: str) -> Limit:
    if burst is None:
        return SlidingWindow(count, per, unit=unit)
    return TokenBucket(count, per, burst, unit)


def _concurrency(scan: _Scan, count: _Number, unit: str) -> Limit:
    if unit not in (*_CONCURRENT, "requests", "calls"):
        raise scan.refuse("only calls are concurrent", f"{_text(count)} concurrent")
    many = count.whole(MOST_CONCURRENT)
    if scan.take(_WORD).lower() not in ("", "calls", "requests") or scan.take(_PIECE):
        raise scan.refuse("unexpected after a limit", f"{_text(count)} concurrent")
    return Concurrency(many)


def _text(count: _Number) -> str:
    return str(count.digits // count.tenths)


def _calendar(scan: _Scan, limit: int, period: Period, unit: str) -> CalendarWindow:
    zone = scan.take(_REST).rstrip() or "UTC"
    # Without capitals it is no zone's name, though some file systems would find it,
    # and two spellings of a zone would be two accounts.
    if zone != zone.lower():
        with suppress(ConfigError):
            return CalendarWindow(limit, period, zone, unit)
    known = {name.casefold(): name for name in available_timezones()}
    if zone.casefold() in known:
        return CalendarWindow(limit, period, known[zone.casefold()], unit)
    near = closest(zone.replace(" ", "_"), known.values())
    before = scan.text[: scan.start]
    raise scan.refuse("no such time zone", *([before + near] if near else []))
