"""
What OpenAI says, word for word as far as programs depend on it.

Durations, rate limit headers and the bodies of errors. The texts of a 429 follow the
grammar that clients parse: limit, used, requested and the time to try again.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from .quota import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .meter import Refusal, Standing
    from .quota import Quota

ErrorBody: TypeAlias = dict[str, dict[str, str | None]]

ORGANIZATION = "org-mock"
SERVER_ERROR = (
    "The server had an error while processing your request. Sorry about that!"
)
STYLES = ("all", "none", "unknown", "project")
_LIMIT = "x-ratelimit-"
_MS_NS = 1_000_000
_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_GO = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,9})?)|"
    r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?"
    r"(?:([0-9]{1,9})ms)?"
)
_PERIODS = {
    1: ("sec", "S"),
    60: ("min", "M"),
    3600: ("hour", "H"),
    86_400: ("day", "D"),
}
_MORE = "Visit https://platform.openai.com/account/rate-limits to learn more."


def duration(nanoseconds: int) -> str:
    """
    Write a duration as Go does: ``17ms``, ``1.2s``, ``6m0s``.

    Parts of a millisecond are rounded up, so that who waits that long is not early.
    """
    ms = -(-nanoseconds // _MS_NS)
    if 0 < ms < _SECOND_MS:
        return f"{ms}ms"
    minutes, ms = divmod(ms, _MINUTE_MS)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{ms / _SECOND_MS:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def read_duration(text: str) -> int | None:
    """Read a duration as Go writes it, or a number of seconds; None if it is none."""
    match = _GO.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    whole, hours, minutes, seconds, ms = (
        Fraction(part or 0) for part in match.groups()
    )
    total = whole + 3600 * hours + 60 * minutes + seconds + ms / _SECOND_MS
    return round(total * SECOND_NS)


def limit_headers(
    standings: Iterable[Standing], write: Callable[[int], str] = duration
) -> dict[str, str]:
    """
    Tell how each unit stands; of several limits on it, the one nearest its end.

    Args:
        standings: Each limit.

        write: Writes a number of nanoseconds down.
    """
    nearest: dict[str, Standing] = {}
    for standing in standings:
        seen = nearest.setdefault(standing.quota.unit, standing)
        if standing.remaining < seen.remaining:
            nearest[standing.quota.unit] = standing
    headers = {}
    for unit, standing in nearest.items():
        headers[f"x-ratelimit-limit-{unit}"] = str(standing.quota.limit)
        headers[f"x-ratelimit-remaining-{unit}"] = str(standing.remaining)
        headers[f"x-ratelimit-reset-{unit}"] = write(standing.reset_ns)
    return headers


def told_as(style: str, headers: Mapping[str, str]) -> dict[str, str]:
    """
    Tell limits in one of the ``STYLES`` that have been seen.

    Args:
        style:
            ``"all"``: as they are. ``"none"``: not at all, as some endpoints do.
            ``"unknown"``: as -1, as Azure's Responses API has done. ``"project"``: the
            project's tokens too, as OpenAI does since June 2026.

        headers: All headers of an answer.
    """
    told = {}
    for name, value in headers.items():
        if not name.startswith(_LIMIT) or style == "all":
            told[name] = value
        elif style == "unknown":
            told[name] = "0" if name.startswith(f"{_LIMIT}reset-") else "-1"
        elif style == "project":
            told[name] = value
            if name.endswith("-tokens"):
                told[name.replace("-tokens", "-project-tokens")] = value
    return told


def retry_headers(refusal: Refusal) -> dict[str, str]:
    """Tell when to come back, rounded up; nothing if no waiting would help."""
    return {} if refusal.wait_ns is None else wait_headers(refusal.wait_ns)


def wait_headers(wait_ns: int) -> dict[str, str]:
    """Tell to come back in *wait_ns*, rounded up."""
    return {
        "retry-after": whole_seconds(wait_ns),
        "retry-after-ms": str(-(-wait_ns // _MS_NS)),
    }


def whole_seconds(nanoseconds: int) -> str:
    """Write a duration as Azure does, rounded up."""
    return str(-(-nanoseconds // SECOND_NS))


def rate_limited(model: str, refusal: Refusal) -> ErrorBody:
    """Refuse as OpenAI does, in the words that clients parse."""
    quota = refusal.quota
    where = f"for {model} in organization {ORGANIZATION} on {_dimension(quota)}"
    if refusal.wait_ns is None:
        # Above what the bucket holds: the one 429 that no waiting cures.
        text = (
            f"Request too large {where}: Limit {quota.burst}, Requested "
            f"{refusal.requested}. The input or output tokens must be reduced in order "
            f"to run successfully. {_MORE}"
        )
    else:
        text = (
            f"Rate limit reached {where}: Limit {quota.limit}, Used {refusal.used}, "
            f"Requested {refusal.requested}. Please try again in "
            f"{duration(refusal.wait_ns)}. {_MORE}"
        )
    return error(text, kind=quota.unit, code="rate_limit_exceeded")


def error(
    text: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> ErrorBody:
    """Shape any error as OpenAI does."""
    return {"error": {"message": text, "type": kind, "param": param, "code": code}}


def _dimension(quota: Quota) -> str:
    seconds = quota.per_ns / SECOND_NS
    if seconds in _PERIODS:
        name, letter = _PERIODS[int(seconds)]
        return f"{quota.unit} per {name} ({quota.unit[0].upper()}P{letter})"
    return f"{quota.unit} per {duration(quota.per_ns)}"
