"""
Refusals, as errors of the SDK and of paceline alike.

* openai.RateLimitError
  + LimitExceeded     the turn would come too late (also a RateLimitExceeded)
  + RequestTooLarge   no waiting would help (also a CostTooLarge)
  + QuotaExhausted    billing, spend or usage limits: a person must act

What handles openai.RateLimitError handles these. The SDK retries none of them.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from paceline._decision import Decision
from paceline._errors import (
    CostTooLarge,
    MisuseError,
    PacelineError,
    RateLimitExceeded,
)

if TYPE_CHECKING:
    from openai import RateLimitError

    from paceline._provider.classify import Refusal
else:
    try:
        from openai import RateLimitError
    except ModuleNotFoundError:
        # Other SDKs and bare HTTP clients do without it.
        class RateLimitError(Exception):
            """Stands for the SDK's where there is none."""


_TOO_MANY = 429
_UNAVAILABLE = 503
_NO_RETRY = "x-should-retry"


class Refused(RateLimitError, PacelineError):  # noqa: N818 -- as its kinds
    """A refusal that the SDK's handlers know; see the classes below."""

    # The bases' own __init__ do not know of each other, so none of them is called.
    def __init__(
        self,
        message: str,
        *,
        response: Any,
        code: str,
        hint: str,
        retry_after: float,
        body: object = None,
    ) -> None:
        Exception.__init__(self, message)
        self.message: str = message
        self.code: str = code
        self.hint: str = hint
        self.retry_after: float = retry_after
        fields = body if isinstance(body, dict) else {}
        vars(self).update(
            response=response,
            request=response.request,
            status_code=response.status_code,
            request_id=response.headers.get("x-request-id"),
            body=body,
            param=fields.get("param"),
            type=fields.get("type"),
        )


class LimitExceeded(Refused, RateLimitExceeded):
    """
    The turn of this call would come later than the caller is willing to wait.

    Raised before anything was sent, after one attempt.

    Attributes:
        retry_after: Seconds until this call could be made.

        decision: What the limiter said.
    """

    decision: Decision


class RequestTooLarge(Refused, CostTooLarge):
    """
    A request larger than a limit: no waiting would help, it must be made smaller.

    Raised before sending if the limiter's own limit could never hold it (code P303),
    or after the provider said so (P402).
    """


class QuotaExhausted(Refused):
    """
    The provider wants a bill paid or a limit raised: a person must act.

    ``code`` is the provider's own word, such as ``"insufficient_quota"``; the text
    starts with P401. For half a minute the calls of this process under the same scope
    are refused without being sent.
    """

    def __str__(self) -> str:
        return f"[P401] {self.message}\n  {self.hint}"


def translate(error: Exception, request: Any) -> Exception:
    """Turn what the limiter says into what the SDK's handlers know."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, CostTooLarge):
        return too_large(error, request)
    if isinstance(error, RateLimitExceeded):
        return limit_exceeded(error, request)
    if isinstance(error, MisuseError) and error.code == "P501":
        return MisuseError(
            "this OpenAI client would block the running event loop while it waits",
            code="P501",
            hint="Use AsyncOpenAI in async code.",
        )
    return error


def limit_exceeded(refused: RateLimitExceeded, request: Any) -> LimitExceeded:
    """Translate a turn that comes too late."""
    wait = refused.decision.retry_after
    response = _answer(
        request,
        _TOO_MANY,
        "local_rate_limit",
        refused.message,
        {"retry-after": f"{wait:.3f}"},
    )
    error = LimitExceeded(
        refused.message,
        response=response,
        code=refused.code,
        hint=refused.hint,
        retry_after=wait,
    )
    error.decision = refused.decision
    return error


def too_late(wait: float, timeout: float, request: Any) -> LimitExceeded:
    """Refuse a call that would have to let others go first for too long."""
    message = (
        f"after a refusal by the provider, calls go one by one; the turn of this one "
        f"comes in {wait:.3f} s; the caller allowed {timeout:g} s"
    )
    refused = RateLimitExceeded(
        message,
        decision=Decision(
            allowed=False, retry_after=wait, limit="cool-down", statuses=()
        ),
        hint="Wait longer (timeout=).",
    )
    return limit_exceeded(refused, request)


def too_large(refused: CostTooLarge, request: Any) -> RequestTooLarge:
    """Translate a cost that a limit could never hold."""
    return RequestTooLarge(
        refused.message,
        response=_answer(request, _TOO_MANY, "request_too_large", refused.message),
        code=refused.code,
        hint=f"{refused.hint} max_tokens counts in full.".strip(),
        retry_after=0.0,
    )


def too_large_upstream(refusal: Refusal, response: Any) -> RequestTooLarge:
    """Say that the provider will never take this request."""
    return RequestTooLarge(
        refusal.message or "the provider says that the request is too large",
        response=response,
        code="P402",
        hint="Lower max_tokens or shorten the request: retrying cannot help.",
        retry_after=0.0,
        body={"code": refusal.code, "message": refusal.message},
    )


def quota_exhausted(code: str, message: str, response: Any) -> QuotaExhausted:
    """Say that a person must act."""
    return QuotaExhausted(
        message or "the provider's quota is used up",
        response=response,
        code=code or "insufficient_quota",
        hint="Look at billing, spend and usage limits of this organisation and "
        "project: retrying cannot help.",
        retry_after=0.0,
        body={"code": code, "message": message},
    )


def quota_answer(request: Any, code: str, message: str) -> Any:
    """Make the answer that a provider without quota would give, without asking it."""
    return _answer(request, _TOO_MANY, code, message)


def refuse(request: Any, error: Exception) -> Any:
    """
    Return a response that raises *error*, once, from the SDK's call.

    Older SDKs retry whatever ``send`` raises, and wrap it in an APIConnectionError. All
    of them let through what ``raise_for_status`` raises, unless it is a status error.
    """
    local = isinstance(error, RateLimitError)
    status = _TOO_MANY if local else _UNAVAILABLE
    wait = getattr(error, "retry_after", 0.0)
    headers = {"retry-after": f"{wait:.3f}"} if wait else {}
    response = _answer(request, status, getattr(error, "code", ""), str(error), headers)
    return raising(response, error)


def raising(response: Any, error: Exception) -> Any:
    """Let *response* raise *error* when the SDK looks at its status."""
    response.headers[_NO_RETRY] = "false"
    response.raise_for_status = partial(_raise, error)
    return response


def _raise(error: Exception) -> None:
    raise error


def _answer(
    request: Any,
    status: int,
    code: str,
    message: str,
    headers: dict[str, str] | None = None,
) -> Any:
    # httpx or httpx2, whichever made the request: mixing them fails in odd ways.
    library = sys.modules[type(request).__module__.partition(".")[0]]
    return library.Response(
        status,
        request=request,
        headers={_NO_RETRY: "false", **(headers or {})},
        json={"error": {"message": message, "type": "paceline", "code": code}},
    )
