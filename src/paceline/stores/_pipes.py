"""
Connections of redis-py, used below its command layer: packed bytes out, replies in.

TLS, authentication and reconnecting stay redis-py's; its commands, pools, retries,
parsers and callbacks, which cost more than the round trip, are left out. In asyncio a
connection is shared: what is written first is answered first.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError

from .._calls import unpacked
from ._link import Link
from ._pack import pack
from ._resp import Failure, MoreError, Reader, failure_of, readable
from ._sending import passing

if TYPE_CHECKING:
    from .._calls import Arg, Packed

Command: TypeAlias = "tuple[Arg | Packed, ...]"

# Connections of an event loop. A scope always uses the same one, which keeps its calls
# in order; several keep one slow script from delaying all.
_PIPES = 4

_CHUNK = 65_536


class SyncPipes:
    """Blocking connections, as many as there are threads that call at a time."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.idle: deque[Any] = deque()

    def partly(self, _: str) -> bool:
        """Tell whether other servers may answer; here there is one."""
        return False

    def call(self, _: str, command: Command, until: float) -> Any:
        """Send a command; return its reply, by *until*."""
        try:
            connection = self.idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            reply = exchange(connection, pack(command), until)
            if type(reply) is Failure:
                failure = failure_of(connection, reply)
                if passing(failure):
                    # Whoever takes over may be found by connecting again.
                    connection.disconnect()
        except BaseException:
            # It connects again when it is used next.
            connection.disconnect()
            raise
        finally:
            self.idle.append(connection)
        if type(reply) is Failure:
            raise failure
        return reply

    def fresh(self) -> None:
        """Close what is idle: the next call is the first on its connection."""
        for connection in list(self.idle):
            connection.disconnect()

    def close(self) -> None:
        """Close the connections."""
        while self.idle:
            self.idle.pop().disconnect()
        self._pool.disconnect()


def exchange(connection: Any, packed: bytes, until: float) -> Any:
    """
    Send a command on a connection that nobody else uses; return the reply, by *until*.

    Whatever it raises, the connection must not be used again: the reply may come yet.
    """
    connection.begin(until)
    sock = connection._sock  # noqa: SLF001 -- no public way leads to it
    if sock is None:
        connection.time_left(None)  # redis-py forgets a socket that it cannot use
        with readable():
            connection.connect()
        sock = connection._sock  # noqa: SLF001 -- as above
    sock.sendall(packed)
    reader = Reader()
    while True:
        data = sock.recv(_CHUNK)
        if not data:
            raise RedisConnectionError("Connection closed by server.")
        reader.feed(data)
        with suppress(MoreError):
            return reader.next()


class AsyncPipes:
    """Connections of one event loop, each shared by the calls of some scopes."""

    def __init__(self, pool: Any) -> None:
        self._pipes = [_Pipe(pool) for _ in range(_PIPES)]
        self._pool = pool

    def partly(self, _: str) -> bool:
        """Tell whether other servers may answer; here there is one."""
        return False

    async def call(self, key: str, command: Command, until: float) -> Any:
        """Send a command; return its reply, by *until*."""
        pipe = self._pipes[hash(key) % _PIPES]
        link = pipe.link or await pipe.connect(until)
        waiter = _Caller()
        link.send(pack(command), waiter, until)
        return await waiter.future

    def link(self, key: str) -> Link | None:
        """Return the open connection of a scope, if there is one."""
        return self._pipes[hash(key) % _PIPES].link

    async def fresh(self) -> None:
        """Close what is idle: the next call is the first on its connection."""
        for pipe in self._pipes:
            if pipe.link is not None and pipe.link.idle:
                pipe.close()

    async def aclose(self) -> None:
        """Close the connections."""
        for pipe in self._pipes:
            pipe.close()
        await asyncio.sleep(0)  # the loop closes sockets in its next iteration
        await self._pool.disconnect()

    def abandon(self) -> None:
        """Close the sockets of a loop that is closed."""
        for pipe in self._pipes:
            with suppress(Exception):
                if pipe.link is not None:
                    pipe.link.drop()


class SyncClient:
    """A client that is no connection at all: fakeredis."""

    def __init__(self, client: Any) -> None:
        self._pool = client.connection_pool
        self._idle: deque[Any] = deque()

    def partly(self, _: str) -> bool:
        """Tell whether other servers may answer; here there is one."""
        return False

    def call(self, _: str, command: Command, __: float) -> Any:
        """Call a command."""
        try:
            connection = self._idle.pop()
        except IndexError:
            pool = self._pool
            connection = pool.connection_class(**pool.connection_kwargs)
        try:
            connection.send_command(*unpacked(command))
            reply = connection.read_response(disable_decoding=True)
        except ResponseError:
            self._idle.append(connection)
            raise
        # An interrupted one may still hold this call's reply: it is never used again.
        self._idle.append(connection)
        return reply

    def fresh(self) -> None:
        """There are no connections."""

    def close(self) -> None:
        """Let go of it, but for what another thread is calling with."""
        while self._idle:
            self._idle.pop().disconnect()


class AsyncClient:
    """The same for asyncio."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def partly(self, _: str) -> bool:
        """Tell whether other servers may answer; here there is one."""
        return False

    async def call(self, _: str, command: Command, __: float) -> Any:
        """Call a command."""
        return await self._client.execute_command(*unpacked(command))

    def link(self, _: str) -> Link | None:
        """There are no connections."""
        return None

    async def fresh(self) -> None:
        """There are no connections."""

    def abandon(self) -> None:
        """There are no sockets."""

    async def aclose(self) -> None:
        """Let go of it, but for what another task is calling with."""
        await self._client.connection_pool.disconnect(inuse_connections=False)


def sync_pipes(client: Any) -> SyncPipes | SyncClient:
    """Return the quickest way to what a blocking client is a client of."""
    if hasattr(client, "sync_pipes"):  # of several servers
        return client.sync_pipes()  # type: ignore[no-any-return]
    return SyncClient(client) if _fake(client) else SyncPipes(client.connection_pool)


def async_pipes(client: Any) -> AsyncPipes | AsyncClient:
    """Return the quickest way to what an asyncio client is a client of."""
    if hasattr(client, "async_pipes"):  # of several servers
        return client.async_pipes()  # type: ignore[no-any-return]
    return AsyncClient(client) if _fake(client) else AsyncPipes(client.connection_pool)


def _fake(client: Any) -> bool:
    kinds = client.connection_pool.connection_class.__mro__
    return any(kind.__module__.startswith("fakeredis") for kind in kinds)


class _Caller:
    """A coroutine that waits for its reply."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def answered(self, reply: Any) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def failed(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever sent it raises it, or is gone


class _Pipe:
    """The place of a link, one after another."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        options = pool.connection_kwargs
        self._timeout = options.get("socket_timeout") or inf
        self._connect_timeout = options.get("socket_connect_timeout") or inf
        self._opening = asyncio.Lock()
        self.link: Link | None = None

    async def connect(self, until: float) -> Link:
        """Open a link, by *until*."""
        longest = min(self._connect_timeout, until - time.monotonic())
        end = None if longest == inf else asyncio.get_running_loop().time() + longest
        async with asyncio.timeout_at(end), self._opening:
            if self.link is None:
                connection = self._pool.make_connection()
                try:
                    with readable():
                        await connection.connect()
                    self.link = Link(connection, self._timeout, self._forget)
                except BaseException:
                    _close(connection)
                    raise
            return self.link

    def _forget(self, link: Link) -> None:
        if self.link is link:
            self.link = None

    def close(self) -> None:
        if self.link is not None:
            self.link.leave(RedisConnectionError("the limiter was closed"))


def _close(connection: Any) -> None:
    """Close a connection that may be half open, at once."""
    if connection._writer is not None:  # noqa: SLF001 -- no public way is at once
        connection._writer.transport.abort()  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001
