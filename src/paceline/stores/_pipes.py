"""
Connections of redis-py, used below its command layer: packed bytes out, replies in.

TLS, authentication and reconnecting stay redis-py's; its commands, pools, retries and
callbacks, which cost more than the round trip, are left out. In asyncio a connection is
shared: what is written first is answered first.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError

from ._live import hung_up
from ._pack import pack

if TYPE_CHECKING:
    from .._calls import Arg

Command: TypeAlias = "tuple[Arg, ...]"

# Connections of an event loop. A scope always uses the same one, which keeps its calls
# in order; several keep one slow script from delaying all.
_PIPES = 4


class SyncPipes:
    """Blocking connections, as many as there are threads that call at a time."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._idle: deque[Any] = deque()

    def home(self, _: str) -> str:
        """Return which server has a key; here there is one."""
        return ""

    def call(self, _: str, command: Command, until: float) -> Any:
        """Send a command; return its reply, by *until*."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            connection.begin(until)
            connection.send_packed_command([pack(command)], check_health=False)
            return connection.read_response(disable_decoding=True)
        except ResponseError:
            raise
        except BaseException:
            # It connects again when it is used next.
            connection.disconnect()
            raise
        finally:
            self._idle.append(connection)

    def fresh(self) -> None:
        """Close what is idle: the next call is the first on its connection."""
        for connection in list(self._idle):
            connection.disconnect()

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().disconnect()
        self._pool.disconnect()


class AsyncPipes:
    """Connections of one event loop, each shared by the calls of some scopes."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._pipes = [_Pipe(pool) for _ in range(_PIPES)]

    def home(self, _: str) -> str:
        """Return which server has a key; here there is one."""
        return ""

    async def call(self, key: str, command: Command, until: float) -> Any:
        """Send a command; return its reply, by *until*."""
        return await self._pipes[hash(key) % _PIPES].call(pack(command), until)

    async def fresh(self) -> None:
        """Close what is idle: the next call is the first on its connection."""
        for pipe in self._pipes:
            await pipe.close_idle()

    async def aclose(self) -> None:
        """Close the connections."""
        for pipe in self._pipes:
            await pipe.close()
        await self._pool.disconnect()

    def abandon(self) -> None:
        """Close the sockets of a loop that is closed."""
        for pipe in self._pipes:
            connection: Any = pipe.link and pipe.link.connection
            # Private parts, at the end of a life: no public way leads to a socket of a
            # closed loop.
            with suppress(Exception):
                transport = connection._writer.transport  # noqa: SLF001
                transport._sock.close()  # noqa: SLF001 -- see above
                transport._sock = None  # noqa: SLF001
                transport._closing = True  # noqa: SLF001
                connection._reader = connection._writer = None  # noqa: SLF001


class SyncClient:
    """A client that is no connection at all: fakeredis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def home(self, _: str) -> str:
        """Return which server has a key; here there is one."""
        return ""

    def call(self, _: str, command: Command, __: float) -> Any:
        """Call a command."""
        return self._client.execute_command(*command)

    def fresh(self) -> None:
        """There are no connections."""

    def close(self) -> None:
        """Let go of it, but for what another thread is calling with."""
        self._client.connection_pool.disconnect(inuse_connections=False)


class AsyncClient:
    """The same for asyncio."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def home(self, _: str) -> str:
        """Return which server has a key; here there is one."""
        return ""

    async def call(self, _: str, command: Command, __: float) -> Any:
        """Call a command."""
        return await self._client.execute_command(*command)

    async def fresh(self) -> None:
        """There are no connections."""

    def abandon(self) -> None:
        """There are no sockets."""

    async def aclose(self) -> None:
        """Let go of it, but for what another task is calling with."""
        await self._client.connection_pool.disconnect(inuse_connections=False)


def sync_pipes(client: Any) -> SyncPipes | SyncClient:
    """Return the quickest way to what a blocking client is a client of."""
    return SyncClient(client) if _fake(client) else SyncPipes(client.connection_pool)


def async_pipes(client: Any) -> AsyncPipes | AsyncClient:
    """Return the quickest way to what an asyncio client is a client of."""
    return AsyncClient(client) if _fake(client) else AsyncPipes(client.connection_pool)


def _fake(client: Any) -> bool:
    kinds = client.connection_pool.connection_class.__mro__
    return any(kind.__module__.startswith("fakeredis") for kind in kinds)


class _Link:
    """One life of a connection, and who waits for its replies, in order."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.reading: asyncio.Task[None] | None = None


class _Pipe:
    """A link on which calls follow each other without waiting for replies."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._sending = asyncio.Lock()
        self._closing: set[asyncio.Future[None]] = set()
        self.link: _Link | None = None

    async def call(self, packed: bytes, until: float) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        async with asyncio.timeout_at(loop.time() + self._longest(until)):
            await self._send(packed, future)
            return await future

    def _longest(self, until: float) -> float:
        """Return the seconds that a call may take."""
        options = self._pool.connection_kwargs
        longest = options.get("socket_timeout") or inf
        if self.link is None:
            longest += options.get("socket_connect_timeout") or 0.0
        return min(longest, until - time.monotonic())

    async def _send(self, packed: bytes, future: asyncio.Future[Any]) -> None:
        async with self._sending:
            link = self.link
            if link is not None and not link.waiting and hung_up(link.connection):
                self._break(link, RedisConnectionError("the server went away"))
            link = self.link or await self._connect()
            link.waiting.append(future)
            try:
                await link.connection.send_packed_command([packed], check_health=False)
            except AttributeError as error:
                # redis-py's connection was closed between its looking and its writing.
                broken = RedisConnectionError("the connection was closed")
                self._break(link, broken)
                raise broken from error
            except BaseException as error:
                self._break(link, error)
                raise
            if link.reading is None:
                link.reading = asyncio.ensure_future(self._read(link))

    async def _connect(self) -> _Link:
        link = _Link(self._pool.make_connection())
        try:
            await link.connection.connect()
        except BaseException:
            self._close(link)
            raise
        self.link = link
        return link

    async def _read(self, link: _Link) -> None:
        """Hand out replies in the order of their calls, while there are any to come."""
        try:
            while link.waiting:
                try:
                    reply = await link.connection.read_response(disable_decoding=True)
                except ResponseError as error:
                    _answer(link.waiting.popleft(), error)
                else:
                    _answer(link.waiting.popleft(), reply)
        except BaseException as error:  # noqa: BLE001 -- raised by who waits
            self._break(link, error)
        finally:
            link.reading = None

    def _break(self, link: _Link, error: BaseException) -> None:
        """Leave a link for good: a late reply must not meet another's call."""
        if self.link is link:
            self.link = None
        waiting, link.waiting = link.waiting, deque()
        for future in waiting:
            _answer(future, error)
        self._close(link)

    def _close(self, link: _Link) -> None:
        closing = asyncio.ensure_future(link.connection.disconnect(nowait=True))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close_idle(self) -> None:
        link = self.link
        if link is not None and not link.waiting:
            self.link = None
            await link.connection.disconnect(nowait=True)

    async def close(self) -> None:
        link = self.link
        if link is not None:
            self._break(link, RedisConnectionError("the limiter was closed"))
        await asyncio.gather(*self._closing, return_exceptions=True)


def _answer(future: asyncio.Future[Any], reply: Any) -> None:
    """Hand out a reply or an error, unless who asked has given up."""
    if future.done():
        return
    if isinstance(reply, BaseException):
        future.set_exception(reply)
        future.exception()  # whoever sent it raises it, or is gone
    else:
        future.set_result(reply)
