"""How a request reaches the provider: HTTP clients, and the API key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

import httpx

from paceline._errors import ConfigError
from paceline._http import Clients

from ._verdict import Answer, Lost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_CONNECT_SECONDS = 20.0
# The request did not leave.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


class Sender:
    """
    Sends bodies and brings answers; an async context manager.

    Args:
        base_url: As the SDKs take it, e.g. ``"https://api.openai.com/v1"``.

        api_key: Sent as a bearer token. None sends none.

        timeout: Seconds for an answer.

    Raises:
        ConfigError: If the URL cannot be used (P706).
    """

    def __init__(self, base_url: str, api_key: str | None, *, timeout: float) -> None:
        headers = {"content-type": "application/json", "user-agent": "paceline-batch"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        self._base_url = base_url.rstrip("/")
        try:
            url = httpx.URL(self._base_url)
        except httpx.InvalidURL as error:
            raise _no_url(base_url, str(error)) from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise _no_url(base_url, "it has no http:// or no host")
        self._clients = Clients(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._clients.__aexit__(kind, error, trace)

    async def send(self, url: str, body: Mapping[str, object]) -> Answer | Lost:
        """
        Send a body to a place such as ``"/v1/responses"``; return what came.

        The base URL already ends where the API begins, as the SDKs have it.
        """
        target = self._base_url + url.removeprefix("/v1")
        try:
            answer = await self._clients.post(target, content=json.dumps(body))
        except httpx.TimeoutException as error:
            sent = not isinstance(error, _NEVER_SENT)
            return Lost("timeout", _words(error), sent)
        except httpx.HTTPError as error:
            sent = not isinstance(error, _NEVER_SENT)
            return Lost("connection_error", _words(error), sent)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, answer.content)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _no_url(base_url: str, why: str) -> ConfigError:
    shown = base_url if "@" not in base_url else f"...@{base_url.rpartition('@')[2]}"
    return ConfigError(
        f"base URL {shown!r} cannot be used: {why}",
        code="P706",
        hint=f"Give one such as {DEFAULT_BASE_URL}.",
    )
