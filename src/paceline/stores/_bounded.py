"""
Blocking connections that keep a deadline, whatever the server does.

redis-py's timeouts count from the last byte: a server that sends one now and then holds
a caller for as long as it likes. Here each read and write has what is left of its call.
"""

from __future__ import annotations

import time
from math import inf
from typing import Any

from redis.connection import UnixDomainSocketConnection

_LEAST = 0.001


class Bounded:
    """
    What makes a connection of redis-py keep a deadline.

    Attributes:
        lane: Of calls that go the short way: its name, packed. None until one does.

        number: Of the last such call.
    """

    lane: bytes | None = None
    number: int = 0

    _until = inf
    _sock: Any
    _connect_timeout: float | None = None  # a Unix socket's connection sets none
    _socket_timeout: float | None = None

    def begin(self, until: float) -> None:
        """Start a call: it ends at *until*, or when its own timeouts are over."""
        longest = self._socket_timeout or inf
        if self._sock is None:
            longest += self._connect_timeout or 0.0
        self._until = min(until, time.monotonic() + longest)

    def time_left(self, longest: float | None) -> float | None:
        """
        Return the seconds that a part of the call may take.

        Raises:
            TimeoutError: If there are none left.
        """
        if self._until == inf:
            return longest
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's time is up")
        return left if longest is None else min(left, longest)

    def turn(self) -> float | None:
        """Return the seconds that one read or write may take, as time_left does."""
        return self.time_left(self._socket_timeout)

    def _some(self, longest: float | None) -> float | None:
        try:
            return self.time_left(longest)
        except TimeoutError:
            # Not raised here: redis-py has a socket open, and would not close it.
            return _LEAST

    # redis-py reads these for each address of a host, and for a TLS handshake.
    @property
    def socket_connect_timeout(self) -> float | None:
        """Seconds that connecting may take."""
        return self._some(self._connect_timeout)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, seconds: float | None) -> None:
        self._connect_timeout = seconds

    @property
    def socket_timeout(self) -> float | None:
        """Seconds that one read or write may take."""
        return self._some(self._socket_timeout)

    @socket_timeout.setter
    def socket_timeout(self, seconds: float | None) -> None:
        self._socket_timeout = seconds

    def _connect(self) -> BoundedSocket:
        return BoundedSocket(super()._connect(), self)  # type: ignore[misc]  # redis-py


class BoundedSocket:
    """A socket whose reads and writes have what is left of its connection's call."""

    def __init__(self, sock: Any, connection: Bounded) -> None:
        self.inner = sock
        self._sock = sock
        self._connection = connection
        self._polls = False

    def settimeout(self, seconds: float | None) -> None:
        """Set how long to wait: redis-py looks with 0 whether there is anything."""
        self._polls = seconds == 0
        self._sock.settimeout(seconds)

    def _in_time(self) -> None:
        if not self._polls:
            self._sock.settimeout(self._connection.turn())

    def recv(self, *args: Any) -> Any:
        """Receive, in time."""
        self._in_time()
        return self._sock.recv(*args)

    def recv_into(self, *args: Any) -> Any:
        """Receive into a buffer, in time."""
        self._in_time()
        return self._sock.recv_into(*args)

    def sendall(self, data: Any) -> None:
        """Send, in time."""
        self._in_time()
        self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def bounded(kind: type[Any]) -> Any:
    """Return a kind of connection that keeps deadlines."""
    if issubclass(kind, Bounded):
        return kind
    return type(f"Bounded{kind.__name__}", (Bounded, kind), _names(kind))


def _names(kind: type[Any]) -> dict[str, Any]:
    # redis-py 8 names host and port when it tells of a failure; a Unix socket has none.
    if issubclass(kind, UnixDomainSocketConnection):
        return {"host": "", "port": 0}
    return {}
