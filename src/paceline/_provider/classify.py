"""
What a refusal means: wait, slow down, never again. Pure.

Providers answer 429 to what waiting cures and to what it does not, sometimes under one
code; then the text and its numbers tell. The grammar of OpenAI's text is

    ... on (requests|tokens|...) per (min|day) (RPM): Limit L, Used U, Requested R.
    Please try again in D.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .feedback import duration, retry_after

TOO_MANY = 429
# 529 is Anthropic's word for an overload.
OVERLOADED = (503, 529)

_NO_QUOTA = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
    }
)
_UNAVAILABLE = frozenset({"resource_unavailable", "server_is_overloaded"})
_NO_QUOTA_WORDS = re.compile(
    r"billing|spend limit|credit balance|usage limit", re.IGNORECASE
)
_WHERE = re.compile(r"\bon ([a-z-]+) per (sec|min|hour|day)", re.IGNORECASE)
_NUMBERS = re.compile(r"\b(Limit|Used|Requested):? ([\d,]*\d)")
_AGAIN = re.compile(
    r"try again in ((?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|us|ns))+)", re.IGNORECASE
)
# Azure's words.
_AFTER = re.compile(r"retry after (\d+(?:\.\d+)?) seconds?\b", re.IGNORECASE)
_PERIODS = {"sec": 1.0, "min": 60.0, "hour": 3600.0, "day": 86_400.0}


class Kind(Enum):
    """What to do about a refusal."""

    RATE = "too many; come back later"
    SLOW_DOWN = "too steep a rise; come back slower"
    BUSY = "no room at the provider; come back soon"
    NO_QUOTA = "no money or quota left; a person must act"
    TOO_LARGE = "more than the limit holds; never"


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A refusal, understood.

    Attributes:
        kind: What to do about it.

        wait: Seconds to wait at least. None if not said.

        unit: What ran out, e.g. ``"tokens"``. None if not said.

        per: Seconds of that limit's window. None if not said.

        limit: That limit, in units. None if not said.

        requested: Units that the request asked for. None if not said.

        code: The provider's code. May be empty.

        message: The provider's text. May be empty.

        status: The answer's.
    """

    kind: Kind
    wait: float | None = None
    unit: str | None = None
    per: float | None = None
    limit: int | None = None
    requested: int | None = None
    code: str = ""
    message: str = ""
    status: int = TOO_MANY

    @property
    def final(self) -> bool:
        """Whether no retry can help."""
        return self.kind in {Kind.NO_QUOTA, Kind.TOO_LARGE}

    @property
    def refill(self) -> float:
        """Seconds in which the provider refills one such request; 0.0 if unknown."""
        if not self.limit or not self.per or self.requested is None:
            return 0.0
        return min(1.0, self.requested / self.limit) * self.per


def classify(
    status: int, headers: Mapping[str, str], body: bytes, now: float
) -> Refusal | None:
    """
    Tell what a refusal means; None if the status is none.

    Args:
        body: The answer's, of which the ``error`` is read.

        now: Seconds since the epoch.
    """
    if status != TOO_MANY and status not in OVERLOADED:
        return None
    error = _error(body)
    code, message = _text(error, "code"), _text(error, "message")
    words = {code, _text(error, "type")}
    numbers = {
        name.lower(): int(digits.replace(",", ""))
        for name, digits in _NUMBERS.findall(message)
    }
    asked = _AGAIN.search(message)
    after = _AFTER.search(message)
    waits = (
        retry_after(headers, now),
        duration(asked[1]) if asked else None,
        float(after[1]) if after else None,
    )
    wait = max((each for each in waits if each is not None), default=None)
    where = _WHERE.search(message)
    limit, requested = numbers.get("limit"), numbers.get("requested")
    return Refusal(
        _kind(status, words, message, limit, requested, wait),
        wait,
        where[1].lower().replace("-", "_") if where else None,
        _PERIODS[where[2].lower()] if where else None,
        limit,
        requested,
        code,
        message,
        status,
    )


def _kind(
    status: int,
    words: set[str],
    message: str,
    limit: int | None,
    requested: int | None,
    wait: float | None,
) -> Kind:
    if words & _NO_QUOTA:
        return Kind.NO_QUOTA
    if "slow_down" in words:
        return Kind.SLOW_DOWN
    said = message.lower()
    unavailable = said.startswith("resource unavailable") or words & _UNAVAILABLE
    if unavailable or status in OVERLOADED:
        return Kind.BUSY
    larger = limit is not None and requested is not None and requested > limit
    if larger or said.startswith("request too large"):
        return Kind.TOO_LARGE
    # Words alone, only where the provider gave neither a code nor a time: some say
    # "quota" of what comes back within the minute.
    if wait is None and limit is None and words == {""}:
        return Kind.NO_QUOTA if _NO_QUOTA_WORDS.search(message) else Kind.RATE
    return Kind.RATE


def _error(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(answer, list) and answer:
        answer = answer[0]  # Google's way to answer
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _text(error: Mapping[str, object], name: str) -> str:
    value = error.get(name)
    return value if isinstance(value, str) else ""
