"""
How OpenAI and Azure differ: where the key is, how limits are told, how they refuse.

Azure has the names of OpenAI's headers but plain numbers of seconds in them, and its
errors carry the status as their code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .answers import (
    ErrorBody,
    error,
    limit_headers,
    rate_limited,
    retry_headers,
    wait_headers,
    whole_seconds,
)
from .quota import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from .meter import Refusal, Standing
    from .request import ModelRequest

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an "
    "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_NO_SUBSCRIPTION = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
    "provide a valid key for an active subscription and use a correct regional API "
    "endpoint for your resource."
)
_OPERATIONS = {
    "chat": "ChatCompletions_Create",
    "responses": "Responses_Create",
    "embeddings": "Embeddings_Create",
}


@dataclass(frozen=True, slots=True)
class Target:
    """
    What a request was sent to.

    Attributes:
        endpoint: ``"chat"``, ``"responses"`` or ``"embeddings"``.

        model: The model, or the deployment.

        version: Azure's version of the API.
    """

    endpoint: str
    model: str
    version: str


class OpenAI:
    """What api.openai.com says."""

    azure = False

    def api_key(self, request: web.Request) -> str | None:
        """Find the key of a request."""
        return _bearer(request)

    def no_key(self) -> ErrorBody:
        """Refuse a request without a key."""
        return error(_NO_KEY)

    def costs(self, asked: ModelRequest) -> dict[str, int]:
        """Tell what a request is charged on arrival."""
        return asked.costs

    def limits(self, standings: Iterable[Standing]) -> dict[str, str]:
        """Tell how the limits stand."""
        return limit_headers(standings)

    def error(
        self, text: str, *, status: int, kind: str, code: str | None = None
    ) -> ErrorBody:
        """Shape an error."""
        del status  # the answer's first line has it
        return error(text, kind=kind, code=code)

    def refuse(
        self, refusal: Refusal, target: Target
    ) -> tuple[ErrorBody, dict[str, str]]:
        """Refuse a request that is over a limit; return body and headers."""
        return rate_limited(target.model, refusal), retry_headers(refusal)

    def unknown(self, request: web.Request) -> ErrorBody:
        """Refuse a path that is none."""
        return error(f"Invalid URL ({request.method} {request.path})")


class Azure(OpenAI):
    """What a resource of Azure OpenAI says."""

    azure = True

    def api_key(self, request: web.Request) -> str | None:
        """Find the key of a request, or the token of Entra ID."""
        return request.headers.get("api-key", "").strip() or _bearer(request)

    def no_key(self) -> ErrorBody:
        """Refuse a request without a key."""
        return azure_error("401", _NO_SUBSCRIPTION)

    def costs(self, asked: ModelRequest) -> dict[str, int]:
        """Tell what a request is charged on arrival."""
        return asked.azure_costs

    def limits(self, standings: Iterable[Standing]) -> dict[str, str]:
        """Tell how the limits stand, in whole seconds, rounded up."""
        return limit_headers(standings, whole_seconds)

    def error(
        self, text: str, *, status: int, kind: str, code: str | None = None
    ) -> ErrorBody:
        """Shape an error: what has no code has its status as one."""
        del kind  # Azure has none
        return azure_error(code or str(status), text)

    def refuse(
        self, refusal: Refusal, target: Target
    ) -> tuple[ErrorBody, dict[str, str]]:
        """Refuse a request that is over a limit; return body and headers."""
        # What can never fit is told to wait for a day, and nothing else.
        wait = 86_400 * SECOND_NS if refusal.wait_ns is None else refusal.wait_ns
        what = "token" if refusal.quota.unit == "tokens" else "call"
        operation, seconds = _OPERATIONS[target.endpoint], whole_seconds(wait)
        text = (
            f"Requests to the {operation} Operation under Azure OpenAI API version "
            f"{target.version} have exceeded {what} rate limit of your current OpenAI "
            f"S0 pricing tier. Please retry after {seconds} seconds. Please go here: "
            "https://aka.ms/oai/quotaincrease if you would like to further increase "
            "the default rate limit."
        )
        return azure_error("429", text), wait_headers(wait)

    def unknown(self, request: web.Request) -> ErrorBody:
        """Refuse a path that is none."""
        del request  # whatever it was: the answer says nothing of it
        return azure_error("404", "Resource not found")


OPENAI = OpenAI()
AZURE = Azure()


def azure_error(code: str, text: str) -> ErrorBody:
    """Shape an error as Azure does."""
    return {"error": {"code": code, "message": text}}


def _bearer(request: web.Request) -> str | None:
    scheme, _, api_key = request.headers.get("Authorization", "").partition(" ")
    return api_key.strip() or None if scheme.lower() == "bearer" else None
