"""
HTTP clients of one connection each, for many requests at a time.

A pool of httpcore looks at all of its connections, with a system call for each, when a
request begins and when it ends: with 64 under way a call takes some 13 ms of CPU, and
1.4 ms if each has a pool of its own (httpx 0.28, httpcore 1.0). Requests that have had
their turn would be late.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class Clients:
    """
    As many clients as there are requests under way; an async context manager.

    Args:
        options: As httpx.AsyncClient takes them.
    """

    def __init__(self, **options: Any) -> None:
        # To read the certificates takes 20 ms or more: once is enough.
        self._options = {"verify": httpx.create_ssl_context()} | options
        self._idle: list[httpx.AsyncClient] = []
        self._all: list[httpx.AsyncClient] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        made, self._all, self._idle = self._all, [], []
        await asyncio.gather(*(client.aclose() for client in made))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncClient]:
        """Lend a client that nobody else uses now, the one that was used last."""
        if self._idle:
            client = self._idle.pop()
        else:
            client = httpx.AsyncClient(limits=_ONE, **self._options)
            self._all.append(client)
        try:
            yield client
        finally:
            self._idle.append(client)

    async def post(self, url: str, **options: Any) -> httpx.Response:
        """Post as httpx.AsyncClient does."""
        async with self.one() as client:
            return await client.post(url, **options)

    async def get(self, url: str, **options: Any) -> httpx.Response:
        """Get as httpx.AsyncClient does."""
        async with self.one() as client:
            return await client.get(url, **options)
