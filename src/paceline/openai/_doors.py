"""Doors for all that is not a client of the openai SDK: HTTP clients, transports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from . import _aio, _sync
from ._hook import install, is_async
from ._pooled import call
from ._terms import Terms, site_of

if TYPE_CHECKING:
    from types import TracebackType

    from paceline import RateLimiter

HttpClient = TypeVar("HttpClient")


def limit_http(
    client: HttpClient, limiter: RateLimiter, **terms: Unpack[Terms]
) -> HttpClient:
    """
    Let every call of an HTTP client wait for its turn. Changes it, and returns it.

    For SDKs that take one, or for itself. Proxies, redirects and authentication stay as
    they are. Refusals of paceline come as answers with status 429 and ``retry-after``,
    which SDKs turn into their own errors and do not retry; ``raise_for_status`` raises
    :class:`LimitExceeded`, :class:`RequestTooLarge` or :class:`QuotaExhausted`.
    :func:`unlimit` undoes it, :func:`learnt` tells what was found out.

    Args:
        client: A Client or AsyncClient of httpx or httpx2, or of a class made of these.

        limiter: Whose limits apply.

        terms: As for :func:`limit`. *scope* None takes the API key of each request:
            ``Authorization: Bearer``, ``x-api-key`` or ``api-key``.

    Raises:
        ConfigError: If the client or a setting makes no sense (P111, P113).
        MisuseError: If it is limited already, in another way (P506).
    """
    install(site_of(limiter, terms), client, is_async=is_async(client))
    return client


class LimitedTransport:
    """
    A transport of httpx or httpx2 whose every request waits for its turn.

    For clients that take a transport and no client. A client with a transport of its
    own ignores proxies, ``verify=`` and ``limits=``: give those to the inner one.
    Redirects and retries take a permit each. Refusals are as in :func:`limit_http`.

    Args:
        inner: The transport that sends, of the client's own library.

        limiter: Whose limits apply.

        terms: As for :func:`limit_http`.

    Raises:
        ConfigError: If a setting makes no sense (P111, P113).
    """

    def __init__(
        self, inner: Any, limiter: RateLimiter, **terms: Unpack[Terms]
    ) -> None:
        self._inner = inner
        self._site = site_of(limiter, terms)

    def handle_request(self, request: Any) -> Any:
        """Send a request when it is its turn."""
        return _sync.drive(call(self._site, request, {"stream": True}), self._send)

    def _send(self, request: Any, **_: Any) -> Any:
        response = self._inner.handle_request(request)
        response.request = request
        return response

    def close(self) -> None:
        """Close the inner one."""
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._inner.__exit__(kind, error, trace)


class AsyncLimitedTransport:
    """Does for an AsyncClient what :class:`LimitedTransport` does for a Client."""

    def __init__(
        self, inner: Any, limiter: RateLimiter, **terms: Unpack[Terms]
    ) -> None:
        self._inner = inner
        self._site = site_of(limiter, terms)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request when it is its turn."""
        plan = call(self._site, request, {"stream": True})
        return await _aio.drive(plan, self._send)

    async def _send(self, request: Any, **_: Any) -> Any:
        response = await self._inner.handle_async_request(request)
        response.request = request
        return response

    async def aclose(self) -> None:
        """Close the inner one."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)
