"""
What the batch runner knows of the provider: costs, usage, refusals. Pure.

Three questions, each answered by one function, so that another source of answers can
take their place: what a request is charged on arrival, what an answer says it used, and
what a refusal means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

URLS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings")

# More in one call is a mistake of somebody's.
_MOST_TOKENS = 1_000_000_000
_TOO_MANY = 429
_OVERLOADED = (503, 529)
_UNAUTHORIZED = 401

# UTF-8 bytes of the text per token: 2 % off for English, 24 % for code.
_BYTES_PER_TOKEN = 4
_PER_MESSAGE = 4
# An image or a sound is charged by its size, never by its base64 text.
_PER_MEDIUM = 1_000
_MEDIA = frozenset(
    {"image", "image_url", "input_image", "input_audio", "file", "input_file"}
)
_READ = ("messages", "input", "instructions")
_SCHEMAS = ("tools", "functions", "response_format", "text")
_UNREAD = frozenset({"type", "role", "id", "call_id", "tool_call_id", "status"})
_LONGEST = ("max_completion_tokens", "max_output_tokens", "max_tokens")

_NO_QUOTA = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
_NUMBERS = re.compile(r"\b(Limit|Requested):? ([\d,]*\d)")
_AGAIN = re.compile(r"(?:try again|retry) (?:in|after) ([\d.]+ ?[a-zµ]+[\da-zµ.]*)")
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(h|ms|m|seconds|s|us|µs|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "seconds": 1.0, "ms": 1e-3}
_SECONDS |= {"us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def cost_of(body: Mapping[str, object], units: Iterable[str]) -> dict[str, int]:
    """
    Return what to reserve for a request: one request, and tokens by OpenAI's rule.

    That rule is the larger of the longest answer that it allows and an estimate of its
    text, a quarter of its UTF-8 bytes.

    Args:
        body: The request's.

        units: What the limits count; others are left out.
    """
    prompt = _tokens(body)
    asked = (_count(body.get(name)) for name in _LONGEST)
    longest = next((count for count in asked if count is not None), 0)
    cost = {
        "requests": 1,
        "tokens": max(prompt, longest),
        "input_tokens": prompt,
        "output_tokens": longest,
    }
    return {unit: cost[unit] for unit in units if unit in cost}


def usage_of(answer: object) -> dict[str, int] | None:
    """Return the tokens that an answer says it used, by unit; None if it is silent."""
    used = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(used, dict):
        return None
    read = _first(used, "input_tokens", "prompt_tokens")
    written = _first(used, "output_tokens", "completion_tokens")
    total = _first(used, "total_tokens") or read + written
    return {"tokens": total, "input_tokens": read, "output_tokens": written}


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    An answer that is an error, understood.

    Attributes:
        code: The provider's code, or its type. May be empty.

        message: The provider's text. May be empty.

        wait: Seconds to wait at least. None if not said.

        limited: Whether a limit or an overload refused; all callers should wait.

        final: Whether no retry can help this request.

        stops: Whether no other request would fare better: key or money.
    """

    code: str
    message: str
    wait: float | None
    limited: bool
    final: bool
    stops: bool


def refusal_of(
    status: int, headers: Mapping[str, str], body: bytes, now: float
) -> Refusal:
    """
    Tell what an error status means.

    Args:
        headers: Names in lower case.

        now: Seconds since the epoch, for a ``retry-after`` that is a date.
    """
    error = _error(body)
    code, kind = _text(error, "code"), _text(error, "type")
    message = _text(error, "message")
    waits = (_retry_after(headers, now), _in_words(message))
    wait = max((each for each in waits if each is not None), default=None)
    limited = status == _TOO_MANY or status in _OVERLOADED
    no_quota = limited and bool({code, kind} & _NO_QUOTA)
    stops = no_quota or status == _UNAUTHORIZED
    final = stops or _too_large(status, message) or not _passing(status)
    asked = headers.get("x-should-retry")
    if asked in {"true", "false"} and not stops:
        final = asked == "false"
    return Refusal(code or kind, message, wait, limited, final, stops)


def _passing(status: int) -> bool:
    return status in {408, 409, _TOO_MANY} or status >= 500  # noqa: PLR2004


def _too_large(status: int, message: str) -> bool:
    """Tell whether a limit could never hold the request: a 429 like any other."""
    if status != _TOO_MANY:
        return False
    said = {name: int(n.replace(",", "")) for name, n in _NUMBERS.findall(message)}
    more = "Requested" in said and said["Requested"] > said.get("Limit", 10**18)
    return more or message.lower().startswith("request too large")


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    millis = _number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return millis / 1_000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())


def _in_words(message: str) -> float | None:
    """Read "Please try again in 6m0s"."""
    found = _AGAIN.search(message)
    parts = _PART.findall(found[1]) if found else []
    return sum(float(n) * _SECONDS[unit] for n, unit in parts) if parts else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _error(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _text(error: Mapping[str, object], name: str) -> str:
    value = error.get(name)
    return value if isinstance(value, str) else ""


def _tokens(body: Mapping[str, object]) -> int:
    size, exact = 0, 0
    todo: list[object] = [body.get(name) for name in _READ]
    todo += [
        json.dumps(schema, ensure_ascii=False)
        for name in _SCHEMAS
        if (schema := body.get(name))
    ]
    while todo:  # without recursion: how deep it goes is the user's choice
        part = todo.pop()
        if isinstance(part, str):
            size += len(part.encode(errors="replace"))
        elif isinstance(part, list):
            if part and all(type(item) is int for item in part):
                exact += len(part)  # an embedding's input, as tokens
            else:
                todo += part
        elif isinstance(part, dict):
            if part.get("type") in _MEDIA:
                exact += _PER_MEDIUM
                continue
            exact += _PER_MESSAGE if "role" in part else 0
            todo += [value for name, value in part.items() if name not in _UNREAD]
    return max(1, -(-size // _BYTES_PER_TOKEN)) + exact


def _first(used: Mapping[str, object], *names: str) -> int:
    counts = (_count(used.get(name)) for name in names)
    return next((count for count in counts if count is not None), 0)


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None
