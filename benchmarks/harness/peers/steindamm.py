"""steindamm: a token bucket that gives out slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
from steindamm import AsyncTokenBucket, MaxSleepExceededError, SyncTokenBucket

from .peer import KEY, LONG, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait

_NOT_AT_ALL = 1e-6  # seconds; 0 would mean to sleep for ever


def _arguments(limit: int, per: int, longest: float) -> dict[str, Any]:
    return {
        "name": KEY,
        "capacity": limit,
        "refill_amount": 1,
        "refill_frequency": per / limit,
        "max_sleep": longest,
    }


def _trying(url: str, limit: int, per: int) -> Try:
    rest = _arguments(limit, per, _NOT_AT_ALL)
    bucket = SyncTokenBucket.create(connection=redis.Redis.from_url(url), **rest)

    def call() -> bool:
        try:
            with bucket:
                return True
        except MaxSleepExceededError:
            return False

    return call


def _aio(url: str, limit: int, per: int, longest: float) -> Any:
    client = redis.asyncio.Redis.from_url(url)
    return AsyncTokenBucket.create(connection=client, **_arguments(limit, per, longest))


async def _trying_async(url: str, limit: int, per: int) -> TryAsync:
    bucket = _aio(url, limit, per, _NOT_AT_ALL)

    async def call() -> bool:
        try:
            async with bucket:
                return True
        except MaxSleepExceededError:
            return False

    return call


async def _waiting(url: str, limit: int, per: int) -> Wait:
    bucket = _aio(url, limit, per, LONG)

    async def call() -> None:
        async with bucket:
            pass

    return call


PEERS = (Peer("steindamm token-bucket", "bucket", _trying, _trying_async, _waiting),)
