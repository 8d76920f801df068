"""
What a provider says of its limits in the headers of an answer. Pure.

OpenAI and Azure (``x-ratelimit-*``), Anthropic (``anthropic-ratelimit-*``) and the IETF
draft (``RateLimit``, ``RateLimit-Policy`` and their older forms) come out as the same
values. Whatever is absent, negative or unreadable is None: unknown, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import inf, isfinite
from typing import TypeAlias

# Go's time.Duration, as OpenAI writes a reset: "6m0s", "17.28s", "20ms".
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|μs|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "ns": 1e-9}
_SECONDS |= dict.fromkeys(("us", "µs", "μs"), 1e-6)

# A limit by its unit, and whether it is a project's; a header by what it tells of it.
_Limit: TypeAlias = tuple[str, bool]
_Meaning: TypeAlias = tuple[str, _Limit]

_COMMON = "ratelimit"
# Stands for a header that is to be read with the others.
_ALL: _Meaning = ("", ("", False))
_OPENAI = re.compile(r"x-ratelimit-(limit|remaining|reset)-([a-z-]+)")
_ANTHROPIC = re.compile(r"anthropic-ratelimit-([a-z-]+)-(limit|remaining|reset)")
_PLAIN = re.compile(r"(?:x-)?ratelimit-(limit|remaining|reset)")
_MEMBER = re.compile(r'"?([\w-]*)"?((?:\s*;\s*[a-z]+=(?:"[^"]*"|[^;,\s]+))+)')
_PARAMETER = re.compile(r';\s*([a-z]+)=("[^"]*"|[^;,\s]+)')
_PAIR = re.compile(r"(limit|remaining|reset)=(\d+)")

# The windows providers are known to use. A reset is rounded, so what it implies is
# near one of them, never at it.
_NEAR = 1.6
_WINDOWS = tuple(
    (window / _NEAR, window, window * _NEAR) for window in (1.0, 60.0, 3600.0, 86_400.0)
)
# What so many digits make is a whole number, and not too large for anything.
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Reading:
    """
    How one limit stands, in the provider's words.

    Attributes:
        unit: What it counts: ``"requests"``, ``"tokens"``, ``"input_tokens"`` ...

        limit: Units per window. None if not said.

        remaining: Units left. None if not said.

        reset: Seconds until all of it is back. None if not said.

        per: Seconds of the window. None if neither said nor implied.

        project: Whether it is the project's limit, beside the one of its organisation.
    """

    unit: str
    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    per: float | None = None
    project: bool = False

    def later(self, seconds: float) -> int | None:
        """
        Return the most that can remain *seconds* later, if nobody calls meanwhile.

        The refill is continuous, as that of OpenAI and Anthropic is seen to be.
        """
        if self.remaining is None or self.limit is None:
            return self.remaining
        refilled = self.limit / (self.per or 60.0) * max(0.0, seconds)
        return min(self.limit, self.remaining + int(refilled) + 1)


def duration(text: str) -> float | None:
    """Read a Go duration or a plain number of seconds; None if it is neither."""
    text = text.strip()
    if one := _PART.fullmatch(text):
        return float(one[1]) * _SECONDS[one[2]]
    if (plain := _number(text)) is not None:
        return plain if plain >= 0 else None
    at, seconds = 0, 0.0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        seconds += float(part[1]) * _SECONDS[part[2]]
        at = part.end()
    return seconds if at else None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Return the seconds for which the server asks not to be called.

    Args:
        headers: Names in any case, if the mapping does not care, else in lower case.

        now: Seconds since the epoch, for a date.
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None and seconds >= 0:
            return seconds / scale
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now)


def readings(headers: Mapping[str, str], now: float) -> tuple[Reading, ...]:
    """
    Return what the headers say of each limit; *now* is in seconds of the epoch.

    An answer from a cache, which has an age, says nothing of now.
    """
    said: dict[_Limit, dict[str, str]] = {}
    ietf = False
    for raw, value in headers.items():
        name = raw.lower()
        if _COMMON not in name:
            if name == "age":
                return ()
            continue
        ietf = ietf or name == _COMMON
        if (meant := _meaning(name)) is not None:
            what, limit = meant
            said.setdefault(limit, {})[what] = value
    return _told(said, now, _ietf(headers) if ietf else ())


def raw_readings(
    headers: Iterable[tuple[bytes, bytes]], now: float
) -> tuple[Reading, ...]:
    """Do as :func:`readings` does with pairs of bytes, making texts of few of them."""
    said: dict[_Limit, dict[str, str]] = {}
    for name, value in headers:
        if (meant := _raw_meaning(name)) is None:
            continue
        if meant is _ALL:
            return readings(_texts(headers), now)
        what, limit = meant
        words, text = said.setdefault(limit, {}), value.decode("latin-1")
        words[what] = f"{words[what]}, {text}" if what in words else text
    return _told(said, now)


def _told(
    said: Mapping[_Limit, Mapping[str, str]], now: float, more: Iterable[Reading] = ()
) -> tuple[Reading, ...]:
    found = [
        _reading(unit, words, now, project=project)
        for (unit, project), words in said.items()
    ]
    found += more
    return tuple(
        [each for each in found if each.limit is not None or each.remaining is not None]
    )


# A provider names its headers alike in every answer.
@lru_cache(maxsize=256)
def _meaning(name: str) -> _Meaning | None:
    """Return what a header tells of which limit: its unit, and whether a project's."""
    if found := _OPENAI.fullmatch(name):
        what, unit = found.groups()
    elif found := _ANTHROPIC.fullmatch(name):
        unit, what = found.groups()
    elif found := _PLAIN.fullmatch(name):
        what, unit = found[1], "requests"
    else:
        return None
    project = unit.startswith("project-")
    return what, (unit.removeprefix("project-").replace("-", "_"), project)


@lru_cache(maxsize=1024)
def _raw_meaning(raw: bytes) -> _Meaning | None:
    name = raw.decode("latin-1").lower()
    if name in {_COMMON, "age"}:
        return _ALL
    return _meaning(name) if _COMMON in name else None


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, value in headers:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _reading(
    unit: str, words: Mapping[str, str], now: float, *, project: bool
) -> Reading:
    # "100, 100;w=60" is how an older draft writes a limit with its window.
    limit = _count(words.get("limit", "").partition(",")[0])
    remaining, reset = _count(words.get("remaining", "")), words.get("reset", "")
    until = duration(reset) if reset else None
    if until is None and reset:
        until = _from_rfc3339(reset, now)
    if limit == 0 or (limit is None and words.get("limit")):
        # Azure's Responses API sends -1, -1 and 0: nothing is known.
        return Reading(unit, project=project)
    if limit is not None and remaining is not None and remaining > limit:
        remaining = limit
    return Reading(
        unit, limit, remaining, until, _window(limit, remaining, until), project
    )


def _window(
    limit: int | None, remaining: int | None, reset: float | None
) -> float | None:
    """
    Infer the window from what is missing and how long it takes to come back.

    With a continuous refill, reset = (limit - remaining) / limit * window. It tells
    requests per minute from requests per day, which OpenAI sends under one name.
    """
    if limit is None or remaining is None or not reset or remaining >= limit:
        return None
    implied = reset * limit / (limit - remaining)
    for least, window, most in _WINDOWS:
        if least < implied < most:
            return window
    return None


def _ietf(headers: Mapping[str, str]) -> Iterator[Reading]:
    """Read ``RateLimit: "name";r=1;t=2`` with the policies of the same names."""
    policies = dict(_members(headers.get("ratelimit-policy", "")))
    value = headers.get("ratelimit", "")
    for name, parameters in _members(value):
        policy = policies.get(name, {})
        yield Reading(
            policy.get("qu", "requests"),
            _count(policy.get("q", "")),
            _count(parameters.get("r", "")),
            duration(parameters.get("t", "")),
            duration(policy.get("w", "")),
        )
    if pairs := dict(_PAIR.findall(value)):
        yield _reading("requests", pairs, 0.0, project=False)


def _members(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    for member in _MEMBER.finditer(value):
        parameters = _PARAMETER.findall(member[2])
        yield member[1], {name: text.strip('"') for name, text in parameters}


def _from_rfc3339(text: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def _count(text: str) -> int | None:
    if text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    number = _number(text)
    return int(number) if number is not None and 0 <= number < inf else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
