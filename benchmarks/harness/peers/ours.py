"""paceline itself: strict windows and token buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline import RateLimiter, SlidingWindow, TokenBucket

from ..limits import PATIENCE
from .peer import KEY, Peer

if TYPE_CHECKING:
    from .peer import Try, TryAsync, Wait


def _peer(name: str, kind: str, made: type[SlidingWindow | TokenBucket]) -> Peer:
    def limiter(url: str, limit: int, per: int) -> RateLimiter:
        limits = made(limit, float(per))
        return RateLimiter(url, limits=limits, call_timeout=PATIENCE)

    def trying(url: str, limit: int, per: int) -> Try:
        ours = limiter(url, limit, per)
        return lambda: bool(ours.try_acquire(KEY))

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        ours = limiter(url, limit, per)

        async def call() -> bool:
            return bool(await ours.try_acquire_async(KEY))

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        ours = limiter(url, limit, per)
        return lambda: ours.acquire_async(KEY, timeout=None)

    return Peer(name, kind, trying, trying_async, waiting)


PEERS = (
    _peer("paceline window", "strict window", SlidingWindow),
    _peer("paceline bucket", "bucket", TokenBucket),
)
