"""
One life of an asyncio connection: bytes out, replies in, no task and no stream between.

redis-py opens the connection (TLS, authentication, database) and closes it; in between
its transport talks to us. What is written first is answered first. A link that broke
is left for good: a late reply must not meet another's call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from redis.exceptions import (
    ConnectionError as RedisConnectionError,
    TimeoutError as RedisTimeoutError,
)

from ._resp import Failure, MoreError, Reader, failure_of
from ._sending import passing

if TYPE_CHECKING:
    from collections.abc import Callable

# A loop's timers may ring so many seconds early.
_TICK = 0.001


class Waiter(Protocol):
    """Somebody who waits for a reply."""

    def answered(self, reply: Any) -> None:
        """Take the reply."""

    def failed(self, error: BaseException) -> None:
        """Take what came in its place: the server's error, or that the link broke."""


class Link(asyncio.Protocol):
    """
    A connection that is open.

    Args:
        connection: redis-py's, connected.

        timeout: Seconds without any reply after which it is given up.

        broken: Is told, once, when the link is of no use any more.
    """

    def __init__(
        self, connection: Any, timeout: float, broken: Callable[[Link], None]
    ) -> None:
        self.connection = connection
        self._waiting: deque[tuple[Waiter | None, float]] = deque()
        self._out: list[bytes] = []
        self._reader = Reader()
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._moved = 0.0  # when there was last a reply, or nobody waiting for one
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf  # when the timer rings
        self._broken = broken
        self._over = False
        # No public way leads to a transport; redis-py's own reader is not needed.
        self._transport: asyncio.Transport = connection._writer.transport  # noqa: SLF001
        self._transport.set_protocol(self)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for a reply."""
        return not self._waiting

    def send(self, packed: bytes, waiter: Waiter, until: float) -> None:
        """
        Send a command with all that are sent in this iteration of the loop.

        Args:
            until: The moment of the monotonic clock at which the waiter gives up.
        """
        now = monotonic()
        if not self._waiting:
            self._moved = now
        end = min(until, now + self._timeout)
        self._waiting.append((waiter, end))
        if end < self._due:
            self._ring(end, now)
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(packed)

    def flush(self) -> None:
        """Send what there is, now."""
        if self._out and not self._over:
            out, self._out = self._out, []
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def data_received(self, data: bytes) -> None:
        """Hand out replies in the order of their calls."""
        reader, waiting = self._reader, self._waiting
        reader.feed(data)
        try:
            while not reader.empty:
                reply = reader.next()
                waiter, _ = waiting.popleft()
                if waiter is None:
                    continue  # who asked has given up
                if type(reply) is Failure:
                    failure = failure_of(self.connection, reply)
                    waiter.failed(failure)
                    if passing(failure):
                        # Whoever takes over may be found by connecting again.
                        self.leave(RedisConnectionError("another server takes over"))
                        return
                else:
                    waiter.answered(reply)
            self._moved = monotonic()
        except MoreError:
            return
        except BaseException as error:
            # No reply, one that nobody waits for, or an interrupted process.
            self.leave(error)
            if not isinstance(error, Exception):
                raise

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        lost = RedisConnectionError("Connection closed by server.")
        lost.__cause__ = exc
        self.leave(lost)

    def leave(self, error: BaseException) -> None:
        """Leave the link for good, and tell all who wait why."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._broken(self)
        self._transport.abort()
        # redis-py would warn of a connection that nobody closed.
        self.connection._reader = self.connection._writer = None  # noqa: SLF001
        waiting, self._waiting = self._waiting, deque()
        for waiter, _ in waiting:
            if waiter is not None:
                waiter.failed(error)

    def drop(self) -> None:
        """Close the socket of a loop that is closed."""
        transport: Any = self._transport
        self._over = True
        # Private parts, at the end of a life: no public way leads to a socket of a
        # closed loop.
        with suppress(AttributeError):  # uvloop has closed it with its loop
            transport._sock.close()  # noqa: SLF001
            transport._sock = None  # noqa: SLF001
            transport._closing = True  # noqa: SLF001
        self.connection._reader = self.connection._writer = None  # noqa: SLF001

    def _ring(self, moment: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = moment
        self._timer = self._loop.call_later(moment - now, self._look)

    def _look(self) -> None:
        """Tell those whose time is up; give the link up if no reply comes at all."""
        self._timer, self._due = None, inf
        now = monotonic() + _TICK
        silent = now - self._moved >= self._timeout
        late = RedisTimeoutError("Timeout reading from socket")
        if self._waiting and silent:
            self.leave(late)
            return
        for place, (waiter, end) in enumerate(self._waiting):
            if waiter is not None and end <= now:
                self._waiting[place] = (None, self._moved + self._timeout)
                waiter.failed(late)
        if self._waiting:
            self._ring(min(end for _, end in self._waiting), now)
