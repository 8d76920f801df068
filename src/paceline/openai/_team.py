"""A pool on one HTTP client: how a request becomes that of a credential."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paceline._errors import ConfigError
from paceline._provider.cost import DEFAULT_REFUND

if TYPE_CHECKING:
    from ._credential import Credential
    from ._pool import Pool
    from ._site import Site

_IDENTITY = ("openai-organization", "openai-project")


@dataclass(frozen=True, slots=True)
class Team:
    """
    The pool of one HTTP client.

    Attributes:
        pool: Its credentials.

        sites: For each of them, the settings under which it calls.

        base_url: The client's own, with a slash at its end.

        header: Which one has the key: ``"authorization"`` or ``"api-key"``.
    """

    pool: Pool
    sites: tuple[Site, ...]
    base_url: str
    header: str

    def check(self, request: Any) -> None:
        """
        Keep the keys of the pool from any other place.

        Raises:
            ConfigError: If the request does not go to the client's base URL (P132).
        """
        if not str(request.url).startswith(self.base_url):
            raise ConfigError(
                "a request does not go to the client's base_url, where alone the keys "
                "of its pool may go",
                code="P132",
                hint="Give other places a client, and a pool, of their own.",
            )

    def place(self, number: int) -> str:
        """Return the base URL of a credential's calls."""
        url = self.pool.credentials[number].base_url
        return self.base_url if url is None else f"{url.rstrip('/')}/"

    def sign(self, request: Any, number: int) -> Any:
        """Return the same request as a credential sends it."""
        credential, secret = self.pool.credentials[number], self.pool.secret(number)
        headers = request.headers.copy()
        for name in ("host", "authorization", "api-key", *_IDENTITY):
            headers.pop(name, None)
        bearer = self.header == "authorization"
        headers[self.header] = f"Bearer {secret}" if bearer else secret
        identity = (credential.organization, credential.project)
        for name, value in zip(_IDENTITY, identity, strict=True):
            if value is not None:
                headers[name] = value
        url = self.place(number) + str(request.url).removeprefix(self.base_url)
        content = body(request)
        return type(request)(
            request.method,
            url,
            headers=headers,
            extensions=request.extensions,
            **({"stream": request.stream} if content is None else {"content": content}),
        )


def body(request: Any) -> bytes | None:
    """Return a request's body; None if it is a stream, which can be sent but once."""
    with suppress(RuntimeError):
        content: bytes = request.content
        return content
    return None


def team(site: Site, pool: Pool, base_url: str, *, azure: bool) -> Team:
    """Put a pool on the HTTP client that *site* is of."""
    sites = (_site_of(each, site) for each in pool.credentials)
    header = "api-key" if azure else "authorization"
    return Team(pool, tuple(sites), f"{base_url.rstrip('/')}/", header)


def _site_of(credential: Credential, site: Site) -> Site:
    cost, refund = credential.cost, credential.refund
    if refund is None and cost is not None:
        refund = DEFAULT_REFUND[cost if isinstance(cost, str) else "openai"]
    return replace(
        site,
        limiter=credential.limiter or site.limiter,
        scope=credential.scope,
        cost=site.cost if cost is None else cost,
        refund=refund or site.refund,
        tokens=credential.tokens or site.tokens,
    )
