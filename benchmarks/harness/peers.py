"""
Other limiters on Redis behind one face, each built as its own documentation shows.

A peer is given a limit of so many requests per so many whole seconds. Its modules are
imported when it is built, in the process that uses it: whoever changes that process's
clock first changes the peer's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import redis
import redis.asyncio

from .result import version

if TYPE_CHECKING:
    from paceline import RateLimiter

Try: TypeAlias = Callable[[], bool]
TryAsync: TypeAlias = Callable[[], Awaitable[bool]]
Wait: TypeAlias = Callable[[], Awaitable[object]]

_KEY = "benchmark"
_LONG = 600.0  # seconds; longer than any run, for peers that want a number


@dataclass(frozen=True, slots=True)
class Peer:
    """
    A limiter with one of its algorithms.

    Attributes:
        name: Library and algorithm.

        package: The distribution that brings it.

        kind: What it promises: ``"strict window"`` (never more than N in any window),
            ``"approximate window"``, ``"fixed window"`` or ``"bucket"`` (up to twice N
            in a window, by design).

        trying: Builds a function that asks once and never waits, of (url, limit, per).

        trying_async: The same, for asyncio.

        waiting: Builds a coroutine function that waits for its turn. None if the
            library has none.
    """

    name: str
    package: str
    kind: str
    trying: Callable[[str, int, int], Try]
    trying_async: Callable[[str, int, int], Awaitable[TryAsync]]
    waiting: Callable[[str, int, int], Awaitable[Wait]] | None = None

    @property
    def label(self) -> str:
        """The name with the version."""
        library, _, algorithm = self.name.partition(" ")
        return f"{library} {version(self.package)} {algorithm}"


def installed() -> list[Peer]:
    """Return paceline and the peers that are installed."""
    return [peer for peer in PEERS if version(peer.package)]


def find(name: str) -> Peer:
    """Return the peer of that name, in whatever process."""
    return next(peer for peer in PEERS if peer.name == name)


# --- paceline -------------------------------------------------------------------------


def _paceline(kind: str) -> Peer:
    def limiter(url: str, limit: int, per: int) -> RateLimiter:
        from paceline import RateLimiter, SlidingWindow, TokenBucket

        made = SlidingWindow if kind == "window" else TokenBucket
        return RateLimiter(url, limits=made(limit, float(per)))

    def trying(url: str, limit: int, per: int) -> Try:
        ours = limiter(url, limit, per)
        return lambda: bool(ours.try_acquire(_KEY))

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        ours = limiter(url, limit, per)

        async def call() -> bool:
            return bool(await ours.try_acquire_async(_KEY))

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        ours = limiter(url, limit, per)
        return lambda: ours.acquire_async(_KEY, timeout=None)

    promise = "strict window" if kind == "window" else "bucket"
    return Peer(f"paceline {kind}", "paceline", promise, trying, trying_async, waiting)


# --- limits ---------------------------------------------------------------------------


def _limits(strategy: str, kind: str) -> Peer:
    own = f"{_KEY}-{strategy}"  # their keys do not say the algorithm

    def trying(url: str, limit: int, per: int) -> Try:
        from limits import RateLimitItemPerSecond, storage, strategies

        made = getattr(strategies, f"{strategy}RateLimiter")
        limiter = made(storage.storage_from_string(url))
        item = RateLimitItemPerSecond(limit, per)
        return lambda: limiter.hit(item, own)

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        limiter, item = _aio(url, limit, per)

        async def call() -> bool:
            return bool(await limiter.hit(item, own))

        return call

    def _aio(url: str, limit: int, per: int) -> tuple[Any, Any]:
        from limits import RateLimitItemPerSecond
        from limits.aio import storage, strategies

        made = getattr(strategies, f"{strategy}RateLimiter")
        store = storage.RedisStorage(f"async+{url}", implementation="redispy")
        return made(store), RateLimitItemPerSecond(limit, per)

    async def waiting(url: str, limit: int, per: int) -> Wait:
        limiter, item = _aio(url, limit, per)

        # It has no verb that waits. This is the loop that its users write.
        async def call() -> None:
            while not await limiter.hit(item, own):
                stats = await limiter.get_window_stats(item, own)
                await asyncio.sleep(max(0.001, stats.reset_time - time.time()))

        return call

    name = {
        "MovingWindow": "moving-window",
        "SlidingWindowCounter": "sliding-counter",
        "FixedWindow": "fixed-window",
    }[strategy]
    return Peer(f"limits {name}", "limits", kind, trying, trying_async, waiting)


# --- pyrate-limiter -------------------------------------------------------------------


def _pyrate(algorithm: str, kind: str) -> Peer:
    own = f"{_KEY}-{algorithm}"  # as above

    def state(client: Any, limit: int, per: int) -> Any:
        from pyrate_limiter import GCRA, Limiter, Rate, RedisStateStore, StateBucket

        store = RedisStateStore(client, own)
        return Limiter(StateBucket([Rate(limit, per * 1000)], GCRA(), store))

    def trying(url: str, limit: int, per: int) -> Try:
        from pyrate_limiter import Limiter, Rate, RedisBucket

        client = redis.Redis.from_url(url)
        if algorithm == "gcra":
            limiter = state(client, limit, per)
        else:
            limiter = Limiter(RedisBucket.init([Rate(limit, per * 1000)], client, own))
        return lambda: limiter.try_acquire(_KEY, blocking=False)

    async def _aio(url: str, limit: int, per: int) -> Any:
        from pyrate_limiter import Limiter, Rate, RedisBucket

        client = redis.asyncio.Redis.from_url(url)
        if algorithm == "gcra":
            return state(client, limit, per)
        rates = [Rate(limit, per * 1000)]
        return Limiter(await RedisBucket.init(rates, client, own))

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        limiter = await _aio(url, limit, per)
        return lambda: limiter.try_acquire_async(_KEY, blocking=False)

    async def waiting(url: str, limit: int, per: int) -> Wait:
        limiter = await _aio(url, limit, per)
        return lambda: limiter.try_acquire_async(_KEY)

    name = f"pyrate-limiter {algorithm}"
    return Peer(name, "pyrate-limiter", kind, trying, trying_async, waiting)


# --- throttled-py ---------------------------------------------------------------------


def _throttled(algorithm: str, kind: str) -> Peer:
    def arguments(limit: int, per: int) -> dict[str, Any]:
        from throttled import per_duration

        quota = per_duration(timedelta(seconds=per), limit)
        return {"key": _KEY, "using": algorithm, "quota": quota}

    def trying(url: str, limit: int, per: int) -> Try:
        from throttled import Throttled
        from throttled.store import RedisStore

        throttle = Throttled(store=RedisStore(server=url), **arguments(limit, per))
        return lambda: not throttle.limit().limited

    def _aio(url: str, limit: int, per: int, timeout: float | None) -> Any:
        from throttled.asyncio import Throttled
        from throttled.asyncio.store import RedisStore

        rest = arguments(limit, per)
        return Throttled(store=RedisStore(server=url), timeout=timeout, **rest)

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        throttle = _aio(url, limit, per, None)

        async def call() -> bool:
            return not (await throttle.limit()).limited

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        throttle = _aio(url, limit, per, _LONG)
        return lambda: throttle.limit()

    name = f"throttled-py {algorithm}"
    return Peer(name, "throttled-py", kind, trying, trying_async, waiting)


# --- steindamm ------------------------------------------------------------------------


def _steindamm() -> Peer:
    def arguments(limit: int, per: int, longest: float) -> dict[str, Any]:
        return {
            "name": _KEY,
            "capacity": limit,
            "refill_amount": 1,
            "refill_frequency": per / limit,
            "max_sleep": longest,
        }

    def trying(url: str, limit: int, per: int) -> Try:
        from steindamm import MaxSleepExceededError, SyncTokenBucket

        # 0 would mean to sleep for ever.
        rest = arguments(limit, per, 1e-6)
        bucket = SyncTokenBucket.create(connection=redis.Redis.from_url(url), **rest)

        def call() -> bool:
            try:
                with bucket:
                    return True
            except MaxSleepExceededError:
                return False

        return call

    def _aio(url: str, limit: int, per: int, longest: float) -> Any:
        from steindamm import AsyncTokenBucket

        client = redis.asyncio.Redis.from_url(url)
        rest = arguments(limit, per, longest)
        return AsyncTokenBucket.create(connection=client, **rest)

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        from steindamm import MaxSleepExceededError

        bucket = _aio(url, limit, per, 1e-6)

        async def call() -> bool:
            try:
                async with bucket:
                    return True
            except MaxSleepExceededError:
                return False

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        bucket = _aio(url, limit, per, _LONG)

        async def call() -> None:
            async with bucket:
                pass

        return call

    name = "steindamm token-bucket"
    return Peer(name, "steindamm", "bucket", trying, trying_async, waiting)


# --- ratelimit-io ---------------------------------------------------------------------


def _ratelimit_io(algorithm: str, kind: str) -> Peer:
    def limiter(client: Any, limit: int, per: int, longest: float) -> Any:
        from ratelimit_io import Limit, RateLimiter

        return RateLimiter(
            client,
            limit=Limit(limit, seconds=per),
            key=_KEY,
            algorithm=algorithm,
            max_wait=longest,
        )

    def trying(url: str, limit: int, per: int) -> Try:
        from ratelimit_io import RateLimitExceededError

        theirs = limiter(redis.Redis.from_url(url), limit, per, 0)

        def call() -> bool:
            try:
                theirs.acquire_sync()
            except RateLimitExceededError:
                return False
            return True

        return call

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        from ratelimit_io import RateLimitExceededError

        theirs = limiter(redis.asyncio.Redis.from_url(url), limit, per, 0)

        async def call() -> bool:
            try:
                await theirs.acquire()
            except RateLimitExceededError:
                return False
            return True

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        theirs = limiter(redis.asyncio.Redis.from_url(url), limit, per, _LONG)
        return lambda: theirs.acquire()

    name = f"ratelimit-io {algorithm}"
    return Peer(name, "ratelimit-io", kind, trying, trying_async, waiting)


# --- token-throttle -------------------------------------------------------------------


def _token_throttle() -> Peer:
    def config(limit: int, per: int) -> Any:
        from token_throttle import PerModelConfig, Quota, UsageQuotas

        quota = Quota(metric="requests", limit=limit, per_seconds=per)
        return PerModelConfig(quotas=UsageQuotas([quota]))

    def trying(url: str, limit: int, per: int) -> Try:
        from token_throttle import SyncRateLimiter, SyncRedisBackendBuilder

        backend = SyncRedisBackendBuilder(redis.Redis.from_url(url), key_prefix=_KEY)
        limiter = SyncRateLimiter(config(limit, per), backend=backend)

        def call() -> bool:
            try:
                limiter.acquire_capacity({"requests": 1}, _KEY, timeout=0)
            except TimeoutError:
                return False
            return True

        return call

    def _aio(url: str, limit: int, per: int) -> Any:
        from token_throttle import RateLimiter, RedisBackendBuilder

        client = redis.asyncio.Redis.from_url(url)
        backend = RedisBackendBuilder(client, key_prefix=_KEY)
        return RateLimiter(config(limit, per), backend=backend)

    async def trying_async(url: str, limit: int, per: int) -> TryAsync:
        limiter = _aio(url, limit, per)

        async def call() -> bool:
            try:
                await limiter.acquire_capacity({"requests": 1}, _KEY, timeout=0)
            except TimeoutError:
                return False
            return True

        return call

    async def waiting(url: str, limit: int, per: int) -> Wait:
        limiter = _aio(url, limit, per)
        return lambda: limiter.acquire_capacity({"requests": 1}, _KEY)

    name = "token-throttle bucket"
    return Peer(name, "token-throttle", "bucket", trying, trying_async, waiting)


PEERS = (
    _paceline("window"),
    _paceline("bucket"),
    _limits("MovingWindow", "strict window"),
    _limits("SlidingWindowCounter", "approximate window"),
    _limits("FixedWindow", "fixed window"),
    _pyrate("log", "strict window"),
    _pyrate("gcra", "bucket"),
    _throttled("token_bucket", "bucket"),
    _throttled("gcra", "bucket"),
    _throttled("sliding_window", "approximate window"),
    _steindamm(),
    _ratelimit_io("sliding_window", "strict window"),
    _ratelimit_io("gcra", "bucket"),
    _token_throttle(),
)
