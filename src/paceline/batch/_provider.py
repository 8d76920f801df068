"""
What the batch runner asks about the provider: costs, usage, refusals. Pure.

The answers are those of ``paceline._provider``; here they get the shape that a run
needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paceline._provider.classify import TOO_MANY, Kind, classify
from paceline._provider.cost import counted, price
from paceline._provider.estimate import measure
from paceline._provider.feedback import retry_after
from paceline._provider.request import Ask
from paceline._provider.usage import from_body

_ENDPOINTS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/embeddings": "embeddings",
}
URLS = tuple(_ENDPOINTS)

# More in one call is a mistake of somebody's.
_MOST_TOKENS = 1_000_000_000
_UNAUTHORIZED = 401
_PASSING = (408, 409, TOO_MANY)
_FAILED = 500


def cost_of(
    url: str, body: Mapping[str, object], units: Iterable[str]
) -> dict[str, int]:
    """
    Return what to reserve for a request: one request, and tokens by OpenAI's rule.

    That rule is the larger of the longest answer that it allows and an estimate of its
    text, a quarter of its UTF-8 bytes.

    Args:
        url: One of URLS.

        body: The request's.

        units: What the limits count; others are left out.
    """
    ask = Ask(_ENDPOINTS[url], None, body)
    # How long answers are is not known yet, so each may be as long as it is allowed to.
    longest = float(ask.max_output or 0)
    return counted(price("openai", ask, measure(ask).tokens(1.0), longest), units)


def usage_of(body: bytes) -> dict[str, int] | None:
    """Return the tokens that an answer says it used, by unit; None if it is silent."""
    usage = from_body(body)
    if usage is None or usage.total > _MOST_TOKENS:
        return None
    return {
        "tokens": usage.total,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
    }


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
    told = classify(status, headers, body, now)
    stops = status == _UNAUTHORIZED or (told is not None and told.kind is Kind.NO_QUOTA)
    final = stops or (told is not None and told.final) or not _passing(status)
    asked = headers.get("x-should-retry")
    if asked in {"true", "false"} and not stops:
        final = asked == "false"
    return Refusal(
        error.get("code") or error.get("type") or "",
        error.get("message") or "",
        retry_after(headers, now) if told is None else told.wait,
        told is not None,
        final,
        stops,
    )


def _passing(status: int) -> bool:
    return status in _PASSING or status >= _FAILED


def _error(body: bytes) -> dict[str, str]:
    """Return the texts in an answer's error."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        return {"message": error}
    fields = error.items() if isinstance(error, dict) else ()
    return {name: text for name, text in fields if isinstance(text, str)}
