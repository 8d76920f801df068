"""pyrate-limiter: its log of every call (the default bucket) and GCRA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
from pyrate_limiter import (
    GCRA,
    Limiter,
    Rate,
    RedisBucket,
    RedisStateStore,
    StateBucket,
)

from .peer import KEY, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait


def _log(client: Any, limit: int, per: int) -> Any:
    return RedisBucket.init([Rate(limit, per * 1000)], client, f"{KEY}-log")


def _gcra(client: Any, limit: int, per: int) -> Any:
    store = RedisStateStore(client, f"{KEY}-gcra")
    return StateBucket([Rate(limit, per * 1000)], GCRA(), store)


def _peer(name: str, kind: str, bucket: Any) -> Peer:
    def trying(url: str, limit: int, per: int) -> Try:
        limiter = Limiter(bucket(redis.Redis.from_url(url), limit, per))
        return lambda: limiter.try_acquire(KEY, blocking=False)

    async def aio(url: str, limit: int, per: int) -> Any:
        made = bucket(redis.asyncio.Redis.from_url(url), limit, per)
        return Limiter(await made if hasattr(made, "__await__") else made)

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        limiter = await aio(url, limit, per)
        return lambda: limiter.try_acquire_async(KEY, blocking=False)

    async def waiting(url: str, limit: int, per: int) -> Wait:
        limiter = await aio(url, limit, per)
        return lambda: limiter.try_acquire_async(KEY)

    return Peer(name, kind, trying, trying_async, waiting)


PEERS = (
    _peer("pyrate-limiter log", "strict window", _log),
    _peer("pyrate-limiter gcra", "bucket", _gcra),
)
