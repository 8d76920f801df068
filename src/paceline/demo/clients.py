"""
The three ways in which the demo's processes call the pretend API.

Each is an object with one coroutine that makes a call of so many tokens and tells
whether it succeeded in the end.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, TypeAlias

from paceline import Key, RateLimiter, TokenBucket
from paceline.mock.ask import GUARD, OK, PATH, TOO_MANY, body

from .work import MODEL, REQUESTS_PER_SECOND, TOKENS_PER_SECOND

if TYPE_CHECKING:
    import httpx

    from paceline._http import Clients

# As in the openai SDK: two retries, the server's word if it is at most two minutes.
_RETRIES = 2
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 8.0
_LONGEST_HINT = 120.0


async def _post(http: Clients, tokens: int) -> httpx.Response:
    return await http.post(PATH, json=body(MODEL, tokens))


class Retrying:
    """No limiter: the SDK's retries and nothing else."""

    def __init__(self, http: Clients) -> None:
        self._http = http

    async def call(self, tokens: int) -> bool:
        """Make one call, and up to two more when refused."""
        for attempt in range(_RETRIES + 1):
            answer = await _post(self._http, tokens)
            if answer.status_code != TOO_MANY:
                return answer.status_code == OK
            if attempt < _RETRIES:
                await asyncio.sleep(_pause(answer, attempt))
        return False


def _pause(answer: httpx.Response, attempt: int) -> float:
    hint = float(answer.headers.get("retry-after-ms", 0)) / 1000
    hint = hint or float(answer.headers.get("retry-after", 0))
    if 0 < hint <= _LONGEST_HINT:
        return hint
    backoff = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0**attempt)
    return backoff * (1 - 0.25 * random.random())  # noqa: S311 -- jitter


class Sharing:
    """A static share of the limit for each process, and the SDK's retries."""

    def __init__(self, http: Clients, processes: int) -> None:
        self._inner = Retrying(http)
        self._rates = (REQUESTS_PER_SECOND / processes, TOKENS_PER_SECOND / processes)
        self._free_at = [0.0, 0.0]

    async def call(self, tokens: int) -> bool:
        """Wait for this process's own share, then call."""
        now = time.monotonic()
        turn = now
        for number, cost in enumerate((1, tokens)):
            # A bucket that holds one second of the share, as the provider's does.
            rate = self._rates[number]
            self._free_at[number] = max(self._free_at[number], now) + cost / rate
            turn = max(turn, self._free_at[number] - 1.0)
        await asyncio.sleep(turn - now)
        return await self._inner.call(tokens)


class Paced:
    """Paceline: one account of the limit for all processes. No retries needed."""

    def __init__(self, http: Clients, store: str, scope: str) -> None:
        self._http = http
        self._key = Key(scope=scope, model=MODEL)
        self.limiter: RateLimiter = make_limiter(store)

    async def call(self, tokens: int) -> bool:
        """Wait for a turn, then call once."""
        await self.limiter.acquire_async(self._key, {"tokens": tokens}, timeout=None)
        answer = await _post(self._http, tokens)
        return answer.status_code == OK


Client: TypeAlias = Retrying | Sharing | Paced


def make_limiter(store: str) -> RateLimiter:
    """Make the limiter of the demo: the provider's own limits, and a guard."""
    limits = [
        TokenBucket.per_second(REQUESTS_PER_SECOND),
        TokenBucket.per_second(TOKENS_PER_SECOND, unit="tokens"),
    ]
    return RateLimiter(store, limits=limits, guard=GUARD, call_timeout=2.0)
