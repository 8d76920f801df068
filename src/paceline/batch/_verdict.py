"""
What follows from how an attempt ended: done, try again, or failed. Pure.

Only what waiting can cure is tried again. What a limit refused, all processes that
share the quota wait for; what went wrong on the way concerns this row alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ._provider import refusal_of, usage_of

Refund: TypeAlias = Literal["never", "always"]

_OK = range(200, 300)
_TOO_MANY = 429
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
# A wait that was asked for is a minimum. All who were refused would come back at its
# end together, so each adds up to a tenth, and no more than some seconds.
_SPREAD, _MOST_SPREAD = 0.1, 5.0
_LONGEST_COOL_DOWN = 31 * 86_400.0
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class How:
    """
    How to run.

    Attributes:
        timeout: Seconds that a row may wait for its turn. None is no bound.

        retries: Attempts of a row after its first.

        refund: Whether the provider gives back what was reserved and not used.
    """

    timeout: float | None
    retries: int
    refund: Refund


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the headers' names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """
    No answer came.

    Attributes:
        code: ``"timeout"`` or ``"connection_error"``.

        message: What went wrong.

        sent: Whether the request may have arrived.
    """

    code: str
    message: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What to do after an attempt.

    Attributes:
        kind: ``"done"``, ``"retry"`` or ``"failed"``.

        spent: The true cost to post, by unit. Empty leaves what was reserved.

        response: The answer, as the output shows it. None if there was none.

        error: Its code and message, unless done.

        pause: Seconds until the next attempt of this row.

        cool_down: Seconds for which nobody should use the limits of this model.

        refused: Whether a 429 asked for that.

        stops: Whether no other row would fare better.

        usage: Tokens that were used, by unit.
    """

    kind: Literal["done", "retry", "failed"]
    spent: Mapping[str, int]
    response: Mapping[str, object] | None = None
    error: Mapping[str, str] | None = None
    pause: float = 0.0
    cool_down: float = 0.0
    refused: bool = False
    stops: bool = False
    usage: Mapping[str, int] | None = None


def judge(
    came: Answer | Lost,
    cost: Mapping[str, int],
    attempt: int,
    *,
    retries: int,
    refund: Refund,
    now: float,
    chance: float,
) -> Verdict:
    """
    Judge how an attempt ended.

    Args:
        cost: What was reserved, by unit.

        attempt: Which it was, from 1.

        retries: How many more there may be after the first.

        refund: Whether the provider gives back what was reserved and not used. If it
            never does, no less is posted than was reserved; more is in any case.

        now: Seconds since the epoch.

        chance: A random number from 0 to 1, which sets callers apart.
    """
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))
    pause *= 1 - chance / 2
    again = attempt <= retries
    kind: Literal["retry", "failed"] = "retry" if again else "failed"
    if isinstance(came, Lost):
        error = {"code": came.code, "message": came.message}
        spent = {} if came.sent else dict.fromkeys(cost, 0)
        return Verdict(kind, spent, error=error, pause=pause)
    if came.status in _OK:
        return _answered(came, cost, refund, pause, again=again)
    refusal = refusal_of(came.status, came.headers, came.body, now)
    error = {
        "code": refusal.code or f"http_{came.status}",
        "message": refusal.message[:_MOST_TEXT] or f"status {came.status}",
    }
    # A request that was refused counts as one, and costs no tokens. One that failed
    # after it had been let in may have been charged.
    admitted = came.status >= 500 and not refusal.limited and refund == "never"  # noqa: PLR2004
    spent = {} if admitted else {unit: 0 for unit in cost if unit != "requests"}
    response = _response(came)
    if refusal.final:
        return Verdict("failed", spent, response, error, stops=refusal.stops)
    wait = refusal.wait or 0.0
    if not refusal.limited:
        return Verdict(kind, spent, response, error, max(wait, pause))
    cool_down = min(wait or pause, _LONGEST_COOL_DOWN)
    pause = cool_down + chance * min(_MOST_SPREAD, _SPREAD * cool_down)
    refused = came.status == _TOO_MANY
    return Verdict(kind, spent, response, error, pause, cool_down, refused)


def _answered(
    came: Answer,
    cost: Mapping[str, int],
    refund: Refund,
    pause: float,
    *,
    again: bool,
) -> Verdict:
    response = _response(came)
    if not isinstance(response["body"], dict):
        error = {"code": "no_json", "message": "the answer is no object in JSON"}
        return Verdict("retry" if again else "failed", {}, response, error, pause)
    usage = usage_of(came.body)
    spent = {
        unit: used if refund == "always" else max(used, cost[unit])
        for unit, used in (usage or {}).items()
        if unit in cost
    }
    return Verdict("done", spent, response, usage=usage)


def _response(came: Answer) -> dict[str, Any]:
    try:
        body: object = json.loads(came.body)
    except (ValueError, RecursionError):
        body = came.body[:_MOST_TEXT].decode(errors="replace")
    return {
        "status_code": came.status,
        "request_id": came.headers.get("x-request-id", ""),
        "body": body,
    }
