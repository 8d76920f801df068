"""
One request to a model, from its arrival to the last byte of its answer.

A request arrives when its journey, a delay drawn at random, is over; that moment is
charged, and not the one at which the event loop got round to it, so that a busy judge
accuses nobody.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING

from .answers import SERVER_ERROR
from .call import REQUESTS, Call, open_call
from .chat import ChatAnswer
from .embeddings import EmbeddingsAnswer
from .failing import failure
from .faults import Fault, Faults
from .fields import BadRequest
from .kinds import HANG
from .ledger import OPEN, Ledger
from .output import Ending, OutputLength
from .quota import SECOND_NS, Quota
from .replies import accepts_gzip, cut_short, reply
from .request import ChatRequest, EmbeddingsRequest
from .responses import ResponsesAnswer
from .sse import (
    CLIENT_LEFT,
    COMPLETE,
    HUNG_UP,
    Delivery,
    Pace,
    gone,
    hang_up,
    nap,
    send,
)
from .wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp import web

    from .dialects import OpenAI
    from .settings import Settings


class Serving:
    """
    Serves requests to models.

    Args:
        settings: How it behaves.

        clock: Tells the time in nanoseconds; never goes back.
    """

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._clock = clock
        self._length = OutputLength.read(str(settings.completion_tokens))
        self.ledger: Ledger
        self.faults: Faults
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        settings = self._settings
        self._random = random.Random(settings.seed)  # noqa: S311 -- no secret
        self.ledger = Ledger(
            settings.quotas,
            self._clock(),
            count_failed=settings.count_failed,
            share_keys=settings.share_keys,
        )
        self.faults = Faults(settings.errors, self.ledger.label)

    def change_limits(self, limits: Sequence[str]) -> None:
        """
        Enforce other limits from now on.

        Raises:
            ConfigError: If one of them is none (P103), or cannot be enforced (P151).
        """
        slices = [quota.slice_ns for quota in self._settings.quotas]
        seconds = max(slices, default=0) / SECOND_NS
        quotas = [Quota.read(limit).sliced(seconds) for limit in limits]
        self.ledger.change(quotas, self._clock())

    async def serve(
        self, request: web.Request, dialect: OpenAI, endpoint: str
    ) -> web.StreamResponse:
        """Answer a request to *endpoint*."""
        api_key = dialect.api_key(request)
        if api_key is None:
            return self.reply(request, dialect.no_key(), 401)
        deployment = request.match_info.get("deployment")
        try:
            asked = REQUESTS[endpoint].read(await request.read(), deployment)
            wishes = Wishes.read(request.headers, self._settings, self._length)
        except BadRequest as refused:
            return self.reply(request, refused.body, 400)
        arrival = await self._journey()
        call = open_call(
            self.ledger, request, dialect, endpoint, api_key, asked, wishes, arrival
        )
        try:
            return await self._answer(call, arrival)
        finally:
            self._close(call)

    def reply(
        self,
        request: web.Request,
        body: Mapping[str, object],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Answer with JSON, compressed if the client likes that and the mock may."""
        packed = self._settings.gzip and accepts_gzip(request)
        return reply(body, status, headers or {}, gzipped=packed)

    async def _journey(self) -> int:
        """Let a request travel, and tell when it arrives."""
        settings = self._settings
        spread = self._random.uniform(-settings.jitter, settings.jitter)
        seconds = max(0.0, settings.latency + spread)
        arrival = self._clock() + round(seconds * SECOND_NS)
        if seconds:
            await asyncio.sleep(seconds)
        return arrival

    def _close(self, call: Call) -> None:
        entry = call.entry
        # The first also if the web server cancelled us, or the mock itself failed.
        if entry.ended == OPEN or (entry.ended == COMPLETE and gone(call.request)):
            entry.ended = CLIENT_LEFT
        if entry.ended == CLIENT_LEFT:
            call.account.lose_client()

    async def _answer(self, call: Call, arrival: int) -> web.StreamResponse:
        entry, dialect, asked = call.entry, call.dialect, call.asked
        costs = dialect.costs(asked)
        fault = call.wishes.fault or self.faults.take(entry.key, asked.model)
        if fault is not None and fault.kind.ending is None:
            return await self._break(call, fault, costs, arrival)
        verdict = call.account.judge(costs, arrival)
        call.headers.update(dialect.limits(verdict.standings))
        if verdict.refusal is None:
            entry.charged = costs["tokens"]
        await nap(call.request, call.wishes.service_time)
        if verdict.refusal is not None:
            body, headers = dialect.refuse(verdict.refusal, call.target)
            call.headers.update(headers)
            return self._fail(call, body, HTTPStatus.TOO_MANY_REQUESTS)
        ending = (fault.kind.ending if fault else None) or Ending.COMPLETE
        if fault is not None:
            entry.error = fault.name
            call.account.spoil(fault.name, failed=ending is not Ending.INCOMPLETE)
        if call.wishes.prompt_tokens is not None:
            asked = replace(asked, prompt_tokens=call.wishes.prompt_tokens)
        output = call.wishes.length.output(asked.max_tokens, ending)
        if isinstance(asked, EmbeddingsRequest):
            return await self._whole(call, EmbeddingsAnswer(asked), output.ending)
        answer: ChatAnswer | ResponsesAnswer = (
            ChatAnswer(asked, output, call.number, dialect.azure)
            if isinstance(asked, ChatRequest)
            else ResponsesAnswer(asked, output, call.number)
        )
        if asked.stream:
            return await self._stream(call, answer)
        return await self._whole(call, answer, output.ending)

    async def _break(
        self, call: Call, fault: Fault, costs: Mapping[str, int], arrival: int
    ) -> web.StreamResponse:
        """Fail as ordered, before anything is judged."""
        verdict = call.account.fail(fault.name, fault.status, arrival)
        call.entry.error = fault.name
        await nap(call.request, inf if fault.name == HANG else call.wishes.service_time)
        if not fault.status:
            call.entry.ended = CLIENT_LEFT if gone(call.request) else HUNG_UP
            return hang_up(call.request)
        standings = verdict.standings
        body, headers = failure(
            fault, call.dialect, call.target, costs, standings, time.time()
        )
        call.headers.update(headers)
        return self._fail(call, body, fault.status)

    def _fail(
        self, call: Call, body: Mapping[str, Mapping[str, object]], status: int
    ) -> web.Response:
        call.entry.status = status
        call.entry.error = call.entry.error or str(
            body["error"]["code"] or body["error"].get("type")
        )
        call.entry.ended = COMPLETE
        return self.reply(call.request, body, status, call.answer_headers())

    async def _whole(
        self,
        call: Call,
        answer: ChatAnswer | ResponsesAnswer | EmbeddingsAnswer,
        ending: Ending,
    ) -> web.StreamResponse:
        """Answer at once."""
        fails = isinstance(answer, ResponsesAnswer)  # which can say so in its body
        if ending is Ending.ERROR or (ending is Ending.FAILED and not fails):
            self._settle(call, 0)
            body = call.dialect.error(SERVER_ERROR, status=500, kind="server_error")
            return self._fail(call, body, HTTPStatus.INTERNAL_SERVER_ERROR)
        call.headers.update(self._settle(call, answer.used))
        call.entry.status = HTTPStatus.OK
        response = self.reply(
            call.request, answer.body(), headers=call.answer_headers()
        )
        if ending is Ending.DROPPED:
            call.entry.ended = HUNG_UP
            return await cut_short(call.request, response)
        call.entry.ended = COMPLETE
        return response

    async def _stream(
        self, call: Call, answer: ChatAnswer | ResponsesAnswer
    ) -> web.StreamResponse:
        """Answer in events."""
        settings, entry = self._settings, call.entry
        pace = Pace(
            call.wishes.chunk_delay,
            settings.split_events,
            settings.gzip and accepts_gzip(call.request),
        )
        entry.status = HTTPStatus.OK
        events = answer.events(settings.chunk_tokens)
        delivery = Delivery()
        try:
            headers = call.answer_headers()
            return await send(call.request, headers, events, pace, delivery)
        finally:
            entry.events, entry.ended = delivery.events, delivery.ended
            sent = answer.asked.prompt_tokens + delivery.tokens
            self._settle(call, answer.used if entry.ended == COMPLETE else sent)

    def _settle(self, call: Call, used: int) -> Mapping[str, str]:
        """Note what was used; return the headers that tell how limits stand then."""
        call.entry.used = used
        correct = self._settings.charge == "actual"
        verdict = call.account.settle(
            call.entry.charged, used, self._clock(), correct=correct
        )
        return call.dialect.limits(verdict.standings) if correct else {}
