"""How our own commands call the pretend server: plain HTTP, no SDK, no retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

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

    return httpx.Client(**_options(base_url, connections))


def async_client(base_url: str, connections: int) -> httpx.AsyncClient:
    """Return a client with so many connections at most, for asyncio."""
    import httpx  # noqa: PLC0415 -- as above

    return httpx.AsyncClient(**_options(base_url, connections))


def _options(base_url: str, connections: int) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 -- as above

    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections
    )
    return {
        "base_url": base_url,
        "headers": {"authorization": "Bearer pretend"},
        "limits": limits,
        "timeout": _TIMEOUT,
        "trust_env": False,
    }
