"""
The pretend OpenAI server: HTTP around the accounts.

A request arrives when its journey, a delay drawn at random, is over; that moment is
charged, and not the one at which the event loop got round to it, so that a busy judge
accuses nobody.
"""

from __future__ import annotations

import asyncio
import hmac
import random
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from .account import Account
from .answers import (
    ORGANIZATION,
    error,
    limit_headers,
    rate_limited,
    retry_headers,
)
from .quota import SECOND_NS, Quota
from .request import BadRequest, ChatRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LARGEST_BODY = 32 * 1024 * 1024
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an "
    "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_CONTENT = "This is a pretend answer."


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How the pretend server behaves.

    Attributes:
        quotas: The limits of every key and model.

        latency: Mean of a request's journey, in seconds.

        jitter: The journey takes up to so many seconds more or less.

        service_time: Seconds from the accounting to the answer.

        completion_tokens: How long answers claim to be.

        count_failed: Whether refused requests count towards limits on requests.

        seed: Makes the journeys repeatable. None draws them anew each time.
    """

    quotas: tuple[Quota, ...]
    latency: float = 0.020
    jitter: float = 0.010
    service_time: float = 0.0
    completion_tokens: int = 16
    count_failed: bool = False
    seed: int | None = None


class PretendOpenAI:
    """
    All accounts, and the answers given from them.

    Args:
        settings: How it behaves.

        clock: Tells the time in nanoseconds; never goes back.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._settings = settings
        self._clock = clock
        # Names are told apart by a hash that dies with the process: a key that was
        # sent here is kept nowhere.
        self._secret = secrets.token_bytes(16)
        self._forget()

    def app(self) -> web.Application:
        """Make the application that serves it."""
        app = web.Application(
            client_max_size=_LARGEST_BODY, middlewares=[_errors_as_json]
        )
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/reset", self._reset)
        app.router.add_route("*", "/{path:.*}", _unknown)
        return app

    def _forget(self) -> None:
        self._random = random.Random(self._settings.seed)  # noqa: S311 -- no secret
        self._since = self._clock()
        self._labels: dict[bytes, str] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._answered = 0

    async def _chat(self, request: web.Request) -> web.Response:
        scheme, _, api_key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not api_key.strip():
            return web.json_response(error(_NO_KEY), status=401)
        try:
            chat = ChatRequest.read(await request.read())
        except BadRequest as refused:
            return web.json_response(refused.body, status=400)
        arrival = await self._journey()
        label = self._label(api_key.strip())
        verdict = self._account(label, chat.model).judge(chat.costs, arrival)
        self._answered += 1
        headers = {
            **limit_headers(verdict.standings),
            "openai-organization": ORGANIZATION,
            "x-request-id": f"req_{self._answered:08d}",
        }
        if self._settings.service_time:
            await asyncio.sleep(self._settings.service_time)
        if verdict.refusal is not None:
            headers |= retry_headers(verdict.refusal)
            body: Mapping[str, object] = rate_limited(chat.model, verdict.refusal)
            return web.json_response(body, status=429, headers=headers)
        body = _completion(chat, self._settings.completion_tokens, self._answered)
        return web.json_response(body, headers=headers)

    async def _journey(self) -> int:
        """Let a request travel, and tell when it arrives."""
        settings = self._settings
        spread = self._random.uniform(-settings.jitter, settings.jitter)
        seconds = max(0.0, settings.latency + spread)
        arrival = self._clock() + round(seconds * SECOND_NS)
        if seconds:
            await asyncio.sleep(seconds)
        return arrival

    def _label(self, api_key: str) -> str:
        digest = hmac.digest(self._secret, api_key.encode(errors="replace"), "sha256")
        return self._labels.setdefault(digest, f"key-{len(self._labels) + 1}")

    def _account(self, label: str, model: str) -> Account:
        if (label, model) not in self._accounts:
            settings = self._settings
            self._accounts[label, model] = Account(
                settings.quotas, count_failed=settings.count_failed
            )
        return self._accounts[label, model]

    async def _stats(self, _request: web.Request) -> web.Response:
        accounts = [
            {"key": label, "model": model, **account.report(self._since)}
            for (label, model), account in self._accounts.items()
        ]
        seconds = (self._clock() - self._since) / SECOND_NS
        return web.json_response({"seconds": seconds, "accounts": accounts})

    async def _reset(self, _request: web.Request) -> web.Response:
        self._forget()
        return web.json_response({"reset": True})


def _completion(
    chat: ChatRequest, completion_tokens: int, number: int
) -> dict[str, object]:
    length = min(completion_tokens, chat.max_tokens or completion_tokens)
    return {
        "id": f"chatcmpl-{number:08d}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": chat.model,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": _CONTENT,
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop" if length == completion_tokens else "length",
            }
        ],
        "usage": {
            "prompt_tokens": chat.prompt_tokens,
            "completion_tokens": length,
            "total_tokens": chat.prompt_tokens + length,
        },
    }


async def _unknown(request: web.Request) -> web.Response:
    text = f"Invalid URL ({request.method} {request.path})"
    return web.json_response(error(text), status=404)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refused:
        return web.json_response(error(refused.reason), status=refused.status)
