"""
Redis and Valkey through redis-py, with connections of our own.

redis-py's retries are off: ours are numbered, so that none charges twice. Connections
speak RESP2 and skip the handshake. A call that finds no script sends its text, once.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from .._script import load
from .._unheard import note
from ._breaker import Breaker
from ._combining import SyncCounter
from ._counters import AsyncCounter
from ._direct import Direct, direct_of
from ._gate import Places
from ._lanes import Lanes
from ._lines import AsyncPlace, Lines, SyncPlace
from ._pipes import AsyncClient, AsyncPipes, async_pipes, sync_pipes
from ._posts import Posts, see_finished
from ._sending import Begin, Sending
from ._sources import ClientSource, Source, UrlSource
from ._translate import FAILURES

if TYPE_CHECKING:
    from .._calls import Call
    from ._link import Link

__all__ = ["ClientSource", "RedisStore", "UrlSource"]

# Callers of one key queue behind each other for a round trip; a few locks for all keys
# cost a caller at most another key's round trip.
_QUEUES = 64

# Enough to keep a server busy; further calls wait for one of them.
CONNECTIONS = 64


class RedisStore:
    """The clients of this process: one blocking, one per event loop."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.begin: Begin = Sending
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._breaker = Breaker()
        self._blocking: SyncRedis | None = None
        self._loops: dict[asyncio.AbstractEventLoop, AsyncRedis] = {}

    def _here(self) -> None:
        # A fork inherits sockets and locks that belong to its parent.
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._forget()

    @property
    def breaker(self) -> Breaker:
        """Whether the store is there, as this process found out."""
        self._here()
        return self._breaker

    def sync(self) -> SyncRedis:
        """Return the blocking store of this process."""
        if (known := self._blocking) is not None and self._pid == os.getpid():
            return known
        self._here()
        with self._lock:
            if self._blocking is None:
                self._blocking = SyncRedis(self._source, self._breaker, self.begin)
            return self._blocking

    def aio(self) -> AsyncRedis:
        """Return the store of the running event loop."""
        loop = asyncio.get_running_loop()
        if (known := self._loops.get(loop)) and self._pid == os.getpid():
            return known
        self._here()
        with self._lock:
            if loop not in self._loops:
                self._forget_closed_loops()
                self._loops[loop] = AsyncRedis(self._source, self._breaker, self.begin)
            return self._loops[loop]

    def _forget_closed_loops(self) -> None:
        # A store refers to its loop, so that no loop would ever be let go by itself.
        for loop in [each for each in self._loops if each.is_closed()]:
            self._loops.pop(loop).abandon()

    def close(self) -> None:
        """Close the connections of the blocking store."""
        self._here()
        with self._lock:
            blocking, self._blocking = self._blocking, None
            self._forget_closed_loops()
        if blocking is not None:
            blocking.close()
        if not self._loops:
            self._source.close()

    async def aclose(self) -> None:
        """Close all connections of the running event loop, and the blocking ones."""
        self._here()
        with self._lock:
            aio = self._loops.pop(asyncio.get_running_loop(), None)
        if aio is not None:
            await aio.aclose()
        self.close()


class SyncRedis:
    """Calls scripts and blocks until they answer."""

    def __init__(self, source: Source, breaker: Breaker, begin: Begin) -> None:
        self._source = source
        self._breaker = breaker
        self._begins = begin
        self._queues = [threading.Lock() for _ in range(_QUEUES)]
        self._places = Places(CONNECTIONS, source.where)
        self.lanes: Lanes = Lanes()
        self.lines: Lines = Lines(SyncPlace)
        self.counter: SyncCounter = SyncCounter(self.call)
        self.where: str = source.where
        self.client: Any = source.sync_client()
        self._pipes = sync_pipes(self.client)
        how = (self._pipes, self.lanes, breaker, self.call, source.window.trip)
        self.direct: Direct | None = direct_of(*how)

    @property
    def place(self) -> str:
        """Where calls go now."""
        return self._source.place

    def queue(self, key: str) -> threading.Lock:
        """Return the lock that keeps this process's callers of a key in order."""
        return self._queues[hash(key) % _QUEUES]

    def call(self, call: Call, asked: float) -> Any:
        """Call a script; again while its reply is lost, for as long as is fit."""
        window = self._source.window
        until = window.end(call, asked)
        place = self._places.take(max(0.0, until - time.monotonic()))
        try:
            self._breaker.check(asked)
            sending = self._begins(call, asked, window, self.lanes)
            if not sending.repeatable:
                self._pipes.fresh()
            while True:
                try:
                    reply = self._send(call, sending)
                except FAILURES as error:
                    again = sending.failed(error) or (
                        sending.may_heal(error) and self._source.heal()
                    )
                    if not again:
                        local = sending.hurried or self._pipes.partly(call.key)
                        how = (error, self.place, asked)
                        finding = self._breaker.judge(*how, local=local)
                        raise sending.give_up(finding) from error
                    time.sleep(sending.pause)
                except BaseException as error:
                    sending.interrupted(error)
                    raise
                else:
                    sending.answered()
                    self._breaker.answered()
                    return reply
        finally:
            self._places.give(place)

    def _send(self, call: Call, sending: Sending) -> Any:
        script, args = load(call.script), call.on(sending.lane)
        key, until = call.key, sending.until
        # Outside of the error's handler: else what fails then, or fakeredis, holds on
        # to the error, and with it to the frames of all callers.
        with suppress(NoScriptError):
            return self._pipes.call(key, ("EVALSHA", script.sha, 1, key, *args), until)
        # EVAL also caches the script: one more round trip per server restart.
        return self._pipes.call(key, ("EVAL", script.source, 1, key, *args), until)

    def close(self) -> None:
        """Close the connections."""
        self._pipes.close()


class AsyncRedis:
    """Calls scripts on one event loop."""

    def __init__(self, source: Source, breaker: Breaker, begin: Begin) -> None:
        self._source = source
        self._breaker = breaker
        self._begins = begin
        self._queues = [asyncio.Lock() for _ in range(_QUEUES)]
        self.lanes: Lanes = Lanes()
        self.lines: Lines = Lines(AsyncPlace)
        posts = Posts(self._begin, breaker.answered, self._link, self._see_through)
        self.counter: AsyncCounter = AsyncCounter(posts.post)
        self.where: str = source.where
        self._pipes: AsyncPipes | AsyncClient | None = None
        self._opening = asyncio.Lock()

    def queue(self, key: str) -> asyncio.Lock:
        """Return the lock that keeps this loop's callers of a key in order."""
        return self._queues[hash(key) % _QUEUES]

    async def call(self, call: Call, asked: float) -> Any:
        """Call a script; see it finished even if the caller is cancelled meanwhile."""
        task = asyncio.ensure_future(self._call(call, asked))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError as error:
            note(error, await see_finished(task))
            raise

    async def _call(self, call: Call, asked: float) -> Any:
        return await self._see_through(call, self._begin(call, asked), None)

    def _begin(self, call: Call, asked: float) -> Sending:
        self._breaker.check(asked)
        return self._begins(call, asked, self._source.window, self.lanes)

    def _link(self, key: str) -> Link | None:
        return self._pipes.link(key) if self._pipes is not None else None

    async def _see_through(
        self, call: Call, sending: Sending, failure: BaseException | None
    ) -> Any:
        """
        Send a call, and again for as long as is fit.

        Args:
            failure: What became of it when it was sent before.
        """
        while True:
            try:
                reply = await self._send(call, sending, failure)
            except FAILURES as error:
                again = sending.failed(error) or (
                    sending.may_heal(error)
                    and await asyncio.to_thread(self._source.heal)
                )
                if not again:
                    pipes = self._pipes
                    local = sending.hurried or bool(pipes and pipes.partly(call.key))
                    how = (error, self._source.place, sending.asked)
                    finding = self._breaker.judge(*how, local=local)
                    raise sending.give_up(finding) from error
                failure = None
                await asyncio.sleep(sending.pause)
            except BaseException as error:
                sending.interrupted(error)
                raise
            else:
                sending.answered()
                self._breaker.answered()
                return reply

    async def _send(
        self, call: Call, sending: Sending, failure: BaseException | None
    ) -> Any:
        if failure is not None:
            raise failure
        pipes = self._pipes or await self._open()
        if not sending.repeatable:
            await pipes.fresh()
        script, args = load(call.script), call.on(sending.lane)
        key, until = call.key, sending.until
        with suppress(NoScriptError):
            return await pipes.call(key, ("EVALSHA", script.sha, 1, key, *args), until)
        return await pipes.call(key, ("EVAL", script.source, 1, key, *args), until)

    async def _open(self) -> AsyncPipes | AsyncClient:
        async with self._opening:
            if self._pipes is None:
                # May start a server, which takes a moment.
                client = await asyncio.to_thread(self._source.async_client)
                self._pipes = async_pipes(client)
            return self._pipes

    def abandon(self) -> None:
        """Close the sockets of a loop that is closed: it can do nothing any more."""
        if self._pipes is not None:
            self._pipes.abandon()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pipes is not None:
            await self._pipes.aclose()
