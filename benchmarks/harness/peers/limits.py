"""
limits: windows only, and no verb that waits.

How to wait is the loop that its users write: until the window is said to be reset.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from limits import RateLimitItemPerSecond, storage, strategies
from limits.aio import storage as aio_storage, strategies as aio_strategies

from .peer import KEY, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait


def _peer(name: str, kind: str, strategy: str) -> Peer:
    key = f"{KEY}-{strategy}"  # the library's own does not say the strategy

    def trying(url: str, limit: int, per: int) -> Try:
        limiter = getattr(strategies, strategy)(storage.storage_from_string(url))
        item = RateLimitItemPerSecond(limit, per)
        return lambda: limiter.hit(item, key)

    def aio(url: str) -> Any:
        store = aio_storage.RedisStorage(f"async+{url}", implementation="redispy")
        return getattr(aio_strategies, strategy)(store)

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        limiter, item = aio(url), RateLimitItemPerSecond(limit, per)
        return lambda: limiter.hit(item, key)

    async def waiting(url: str, limit: int, per: int) -> Wait:
        limiter, item = aio(url), RateLimitItemPerSecond(limit, per)

        async def call() -> None:
            while not await limiter.hit(item, key):
                stats = await limiter.get_window_stats(item, key)
                await asyncio.sleep(max(0.001, stats.reset_time - time.time()))

        return call

    return Peer(name, kind, trying, trying_async, waiting)


PEERS = (
    _peer("limits moving-window", "strict window", "MovingWindowRateLimiter"),
    _peer(
        "limits sliding-counter",
        "approximate window",
        "SlidingWindowCounterRateLimiter",
    ),
    _peer("limits fixed-window", "fixed window", "FixedWindowRateLimiter"),
)
