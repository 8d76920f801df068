"""ratelimit-io: its exact sliding window and GCRA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from ratelimit_io import Limit, RateLimiter, RateLimitExceededError

from .peer import KEY, LONG, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait


def _client(made: Any, url: str) -> Any:
    # As in its documentation. Unlike from_url, this retries what got no answer.
    where = urlsplit(url)
    return made(host=where.hostname, port=where.port)


def _peer(algorithm: str, kind: str) -> Peer:
    def limiter(client: Any, limit: int, per: int, longest: float) -> RateLimiter:
        return RateLimiter(
            client,
            limit=Limit(limit, seconds=per),
            key=KEY,
            algorithm=algorithm,
            max_wait=longest,
        )

    def trying(url: str, limit: int, per: int) -> Try:
        theirs = limiter(_client(redis.Redis, url), limit, per, 0)

        def call() -> bool:
            try:
                theirs.acquire_sync()
            except RateLimitExceededError:
                return False
            return True

        return call

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        theirs = limiter(_client(redis.asyncio.Redis, url), limit, per, 0)

        async def call() -> bool:
            try:
                await theirs.acquire()
            except RateLimitExceededError:
                return False
            return True

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        return limiter(_client(redis.asyncio.Redis, url), limit, per, LONG).acquire

    return Peer(f"ratelimit-io {algorithm}", kind, trying, trying_async, waiting)


PEERS = (_peer("sliding_window", "strict window"), _peer("gcra", "bucket"))
