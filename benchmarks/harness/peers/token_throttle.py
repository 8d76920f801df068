"""token-throttle: a bucket per metric behind a distributed lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
import redis.asyncio
from token_throttle import (
    PerModelConfig,
    Quota,
    RateLimiter,
    RedisBackendBuilder,
    SyncRateLimiter,
    SyncRedisBackendBuilder,
    UsageQuotas,
)

from .peer import KEY, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait

_ONE = {"requests": 1}


def _config(limit: int, per: int) -> PerModelConfig:
    quota = Quota(metric="requests", limit=limit, per_seconds=per)
    return PerModelConfig(quotas=UsageQuotas([quota]))


def _trying(url: str, limit: int, per: int) -> Try:
    backend = SyncRedisBackendBuilder(redis.Redis.from_url(url), key_prefix=KEY)
    limiter = SyncRateLimiter(_config(limit, per), backend=backend)

    def call() -> bool:
        try:
            limiter.acquire_capacity(_ONE, KEY, timeout=0)
        except TimeoutError:
            return False
        return True

    return call


def _aio(url: str, limit: int, per: int) -> RateLimiter:
    backend = RedisBackendBuilder(redis.asyncio.Redis.from_url(url), key_prefix=KEY)
    return RateLimiter(_config(limit, per), backend=backend)


async def _trying_async(url: str, limit: int, per: int) -> TryAsync:
    limiter = _aio(url, limit, per)

    async def call() -> bool:
        try:
            await limiter.acquire_capacity(_ONE, KEY, timeout=0)
        except TimeoutError:
            return False
        return True

    return call


async def _waiting(url: str, limit: int, per: int) -> Wait:
    limiter = _aio(url, limit, per)
    return lambda: limiter.acquire_capacity(_ONE, KEY)


PEERS = (Peer("token-throttle bucket", "bucket", _trying, _trying_async, _waiting),)
