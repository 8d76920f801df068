"""throttled-py: three of its five algorithms, the default (a token bucket) first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from throttled import Throttled, asyncio as aio, per_duration
from throttled.asyncio.store import RedisStore as AsyncRedisStore
from throttled.store import RedisStore

from .peer import KEY, LONG, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait


def _peer(algorithm: str, kind: str) -> Peer:
    def arguments(limit: int, per: int) -> dict[str, Any]:
        quota = per_duration(timedelta(seconds=per), limit)
        return {"key": KEY, "using": algorithm, "quota": quota}

    def trying(url: str, limit: int, per: int) -> Try:
        throttle = Throttled(store=RedisStore(server=url), **arguments(limit, per))
        return lambda: not throttle.limit().limited

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        store = AsyncRedisStore(server=url)
        throttle = aio.Throttled(store=store, **arguments(limit, per))

        async def call() -> bool:
            return not (await throttle.limit()).limited

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        store = AsyncRedisStore(server=url)
        rest = arguments(limit, per)
        return aio.Throttled(store=store, timeout=LONG, **rest).limit

    return Peer(f"throttled-py {algorithm}", kind, trying, trying_async, waiting)


PEERS = (
    _peer("token_bucket", "bucket"),
    _peer("gcra", "bucket"),
    _peer("sliding_window", "approximate window"),
)
