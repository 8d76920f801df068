"""How our own commands call the pretend server: plain HTTP, no SDK, no retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from paceline._http import Clients

# The spread of the pretend network's delay is 20 ms; the rest is for a busy host, where
# several processes and two servers share the processors.
GUARD = 0.15

PATH = "/chat/completions"
OK = 200
TOO_MANY = 429

_TIMEOUT = 30.0


def body(model: str, tokens: int) -> dict[str, Any]:
    """Return a request that is charged so many *tokens*, 1 at least."""
    messages = [{"role": "user", "content": "Hi?"}]
    return {"model": model, "messages": messages, "max_tokens": max(1, tokens)}


def client(base_url: str, connections: int) -> httpx.Client:
    """Return a client with so many connections at most."""
    import httpx  # noqa: PLC0415 -- an extra, and only callers need it

    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections
    )
    return httpx.Client(limits=limits, **_options(base_url))


def async_clients(base_url: str) -> Clients:
    """Return clients for asyncio, a connection each."""
    from paceline._http import Clients  # noqa: PLC0415 -- as above

    return Clients(**_options(base_url))


def _options(base_url: str) -> dict[str, Any]:
    return {
        "base_url": base_url,
        "headers": {"authorization": "Bearer pretend"},
        "timeout": _TIMEOUT,
        "trust_env": False,
    }
