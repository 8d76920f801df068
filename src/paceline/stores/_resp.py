"""
Replies as a server writes them (RESP2), read without an object per line.

A script's reply is mostly whole numbers in a row: a run of them is read in one go.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import (
    AuthenticationError,
    ConnectionError as RedisConnectionError,
    InvalidResponse,
    ResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Reply: TypeAlias = Any

# What redis-py's own reader raises at bytes that are no reply, beside its own words.
_LOST_IN_IT = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
)

_LINE, _COLON = b"\r\n", b":"
_LIST, _TEXT, _NUMBER, _ERROR, _WORD = b"*$:-+"


class MoreError(Exception):
    """The reply goes on in bytes that have not come yet."""


class Failure:
    """
    A reply that is an error, for its reader to raise.

    Attributes:
        text: The server's words.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


@contextmanager
def readable() -> Iterator[None]:
    """
    Let redis-py read something: a greeting, an error's words.

    Raises:
        InvalidResponse: If it was no reply at all.
    """
    try:
        yield
    except UnicodeError:
        raise  # of a host's name, before anything is read
    except RedisConnectionError as error:
        # That is how redis-py's asyncio wraps whatever happens as it connects.
        cause = error.__cause__
        if isinstance(cause, AuthenticationError | ResponseError):
            # Another one: raised again, it would be the cause of its own context.
            raise type(cause)(*cause.args) from cause
        raise
    except _LOST_IN_IT as error:
        raise InvalidResponse("Protocol Error: no reply of a server") from error


def failure_of(connection: Any, reply: Failure) -> Exception:
    """
    Return redis-py's error of a server's reply.

    Raises:
        InvalidResponse: If it cannot read it.
    """
    with readable():
        failure: Exception = connection._parser.parse_error(reply.text)  # noqa: SLF001 -- the one place that knows them
    return failure


class Reader:
    """Turns what comes in into replies, in their order."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    @property
    def empty(self) -> bool:
        """Whether all that came in was handed out."""
        return self._at >= len(self._data)

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        if self._at < len(self._data):
            data = self._data[self._at :] + data
        self._data, self._at = data, 0

    def next(self) -> Reply:
        """
        Return the next reply: a number, bytes, None, a Failure, or a list of such.

        Raises:
            MoreError: If it is not complete yet.
            InvalidResponse: If it is no reply at all.
        """
        try:
            reply, self._at = _read(self._data, self._at)
        except (ValueError, RecursionError) as error:
            raise InvalidResponse("Protocol Error: no reply of a server") from error
        return reply


def read_one(data: bytes) -> Reply:
    """
    Return the only reply that is on its way, as :meth:`Reader.next` does.

    Raises:
        MoreError: If it is not complete yet.
        InvalidResponse: If it is no reply at all.
    """
    try:
        return _read(data, 0)[0]
    except (ValueError, RecursionError) as error:
        raise InvalidResponse("Protocol Error: no reply of a server") from error


def _read(data: bytes, at: int) -> tuple[Reply, int]:
    end = data.find(_LINE, at)
    if end < 0:
        raise MoreError
    kind, after = data[at], end + 2
    if kind == _LIST:
        count = int(data[at + 1 : end])
        return (None, after) if count < 0 else _list(data, after, count)
    if kind == _TEXT:
        size = int(data[at + 1 : end])
        if size < 0:
            return None, after
        if len(data) < after + size + 2:
            raise MoreError
        return data[after : after + size], after + size + 2
    if kind == _NUMBER:
        return int(data[at + 1 : end]), after
    if kind == _ERROR:
        return Failure(data[at + 1 : end].decode(errors="replace")), after
    if kind == _WORD:
        return data[at + 1 : end], after
    raise ValueError("no kind of reply")


def _list(data: bytes, at: int, count: int) -> tuple[list[Reply], int]:
    values: list[Reply] = []
    while len(values) < count:
        if data[at : at + 1] == _COLON:
            stop = _end_of_run(data, at)
            run = data[at:stop].replace(_COLON, b"").split()
            if len(values) + len(run) <= count and data[stop - 2 : stop] == _LINE:
                values += map(int, run)
                at = stop
                continue
        value, at = _read(data, at)
        values.append(value)
    return values, at


def _end_of_run(data: bytes, at: int) -> int:
    """Return where numbers in a row end for sure: before a text or a list."""
    text = data.find(b"$", at)
    stop = len(data) if text < 0 else text
    other = data.find(b"*", at, stop)
    return stop if other < 0 else other
