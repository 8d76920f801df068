"""
The errors that the mock can be told to answer with, in OpenAI's own words.

Six kinds of 429 are for waiting, and as many are not: money is used up, or the request
can never fit. Clients tell them apart by ``error.code`` and text alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from .answers import SERVER_ERROR
from .output import Ending
from .quota import SECOND_NS, Quota

_MINUTE_NS = 60 * SECOND_NS
_DAY_NS = 86_400 * SECOND_NS
_QUOTA = "insufficient_quota"
_READ = (
    "For more information on this error, read the docs: "
    "https://platform.openai.com/docs/guides/error-codes/api-errors."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of error.

    Attributes:
        status: The answer's status. 0 if there is none: the connection tells.

        text: The message, with ``{seconds}`` for the time to wait.

        type: What ``error.type`` says.

        code: What ``error.code`` says.

        wait: Seconds to be told to wait; None tells nothing.

        quota: The limit that refuses, if one does and the account has no such limit.

        ending: How an answer ends that begins well.
    """

    status: int = 0
    text: str = ""
    type: str = "invalid_request_error"
    code: str | None = None
    wait: float | None = None
    quota: Quota | None = None
    ending: Ending | None = None


def _limited(unit: str, limit: int, per_ns: int, wait: float | None) -> Kind:
    quota = Quota(unit, limit, per_ns, limit)
    return Kind(429, wait=wait, code="rate_limit_exceeded", quota=quota)


def _money(text: str, code: str) -> Kind:
    return Kind(429, text, _QUOTA, code)


def _overload(text: str, code: str | None, wait: float | None = None) -> Kind:
    return Kind(503, text, "service_unavailable_error", code, wait)


_TOO_FAST = (
    "Your request rate is increasing too quickly. Please reduce your request rate to "
    "its original level, maintain a consistent rate for at least 15 minutes, and then "
    "gradually increase it."
)

HANG = "hang"
HANG_UP = "hang_up"
TOO_LARGE = "request_too_large"
KINDS: dict[str, Kind] = {
    # A limit: come back later.
    "rate_limit_requests": _limited("requests", 500, _MINUTE_NS, 0.12),
    "rate_limit_tokens": _limited("tokens", 30_000, _MINUTE_NS, 6.0),
    "rate_limit_requests_day": _limited("requests", 10_000, _DAY_NS, 8.64),
    "rate_limit_tokens_day": _limited("tokens", 1_000_000, _DAY_NS, 360.0),
    # A limit: never.
    TOO_LARGE: _limited("tokens", 30_000, _MINUTE_NS, None),
    # Money: never, until somebody pays.
    "insufficient_quota": _money(
        f"You exceeded your current quota, please check your plan and billing details. "
        f"{_READ}",
        _QUOTA,
    ),
    "billing_hard_limit": _money(
        "Billing hard limit has been reached.", "billing_hard_limit_reached"
    ),
    "credit_balance_exhausted": _money(
        "Your credit balance is exhausted. Please add credits to continue.",
        "credit_balance_exhausted",
    ),
    "organization_spend_limit": _money(
        "Your organization has reached its spend limit.",
        "organization_spend_limit_exceeded",
    ),
    "project_spend_limit": _money(
        "Your project has reached its spend limit.", "project_spend_limit_exceeded"
    ),
    "organization_usage_limit": _money(
        "Your organization has reached its usage limit.",
        "organization_usage_limit_exceeded",
    ),
    # Load: come back later, and slower.
    "slow_down_429": Kind(429, _TOO_FAST, "rate_limit_error", "slow_down"),
    "slow_down_503": _overload(_TOO_FAST, "slow_down"),
    "server_overloaded": _overload(
        "Our servers are currently overloaded. Please try again later.",
        "server_is_overloaded",
        wait=2.0,
    ),
    "engine_overloaded": _overload(
        "The engine is currently overloaded, please try again later", None
    ),
    "resource_unavailable": Kind(
        429, "Resource Unavailable", "rate_limit_error", "resource_unavailable"
    ),
    "high_demand": Kind(
        429,
        "The system is currently experiencing high demand and cannot process your "
        "request. Your request exceeds the maximum usage size allowed during peak "
        "load. Please retry after {seconds} seconds. For improved latency reliability, "
        "consider switching to Provisioned Throughput.",
        "too_many_requests",
        "too_many_requests",
        wait=20.0,
    ),
    # What goes wrong.
    "server_error": Kind(500, SERVER_ERROR, "server_error"),
    "bad_gateway": Kind(502, "Bad gateway.", "server_error"),
    "timeout": Kind(408, "Request timed out.", "server_error", "timeout"),
    "conflict": Kind(409, "Request was aborted.", code="conflict"),
    "invalid_api_key": Kind(401, "Incorrect API key provided.", code="invalid_api_key"),
    "model_not_found": Kind(
        404,
        "The model does not exist or you do not have access to it.",
        code="model_not_found",
    ),
    # No answer at all.
    HANG: Kind(),
    HANG_UP: Kind(),
    # An answer that begins well.
    "answer_incomplete": Kind(200, ending=Ending.INCOMPLETE),
    "answer_failed": Kind(200, ending=Ending.FAILED),
    "answer_error": Kind(200, ending=Ending.ERROR),
    "answer_dropped": Kind(200, ending=Ending.DROPPED),
}
