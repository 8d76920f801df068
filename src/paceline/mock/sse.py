"""Server-sent events: how they are written down, packed and sent."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from .output import Dropped, Ending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GZIP = 31  # zlib's window of 15 bits, and 16 for gzip's header and trailer
_GLANCE_SECONDS = 0.05
DONE = "[DONE]"
# How an answer ended.
COMPLETE = "complete"
CLIENT_LEFT = "client left"
HUNG_UP = "hung up"


@dataclass(frozen=True, slots=True)
class Event:
    """
    One event of a stream.

    Attributes:
        data: What it carries.

        name: Its name; None where OpenAI sends none.

        tokens: How many tokens of the answer it delivers.
    """

    data: Mapping[str, object] | str
    name: str | None = None
    tokens: int = 0

    def encode(self) -> bytes:
        """Write it down."""
        data = self.data if isinstance(self.data, str) else json.dumps(self.data)
        named = f"event: {self.name}\n" if self.name else ""
        return f"{named}data: {data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How a stream is sent.

    Attributes:
        delay: Seconds between two events.

        split: Whether every event comes in two pieces.

        gzip: Whether it is compressed, flushed after each piece.
    """

    delay: float = 0.0
    split: bool = False
    gzip: bool = False


@dataclass(slots=True)
class Delivery:
    """
    What has been sent of a stream.

    Attributes:
        events: How many events.

        tokens: How many tokens they delivered.

        ended: How it ended; ``"client left"`` as long as it has not.
    """

    events: int = 0
    tokens: int = 0
    ended: str = CLIENT_LEFT


def gone(request: web.BaseRequest) -> bool:
    """Tell whether who asked has closed the connection."""
    return request.transport is None or request.transport.is_closing()


async def nap(request: web.BaseRequest, seconds: float) -> bool:
    """Wait *seconds*, or less if the client leaves. Tell whether it is still there."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # The web server tells of a lost connection by nothing that could be awaited.
    while (left := end - loop.time()) > 0 and not gone(request):  # noqa: ASYNC110
        await asyncio.sleep(min(left, _GLANCE_SECONDS))
    return not gone(request)


async def send(
    request: web.Request,
    headers: Mapping[str, str],
    events: Iterable[Event],
    pace: Pace,
    delivery: Delivery,
) -> web.StreamResponse:
    """
    Send a stream, until its end or until the client has left.

    Args:
        request: What is answered.

        headers: Those of the answer.

        events: The stream.

        pace: How it is sent.

        delivery: Is kept up to date, so that it is right even after a cancellation.

    Returns:
        The response, to hand back to the web server.
    """
    response = web.StreamResponse(headers=headers)
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    if pace.gzip:
        response.headers["content-encoding"] = "gzip"
        response.headers["vary"] = "accept-encoding"
    try:
        await response.prepare(request)
        await _write(request, response, events, pace, delivery)
    except Dropped:
        delivery.ended = HUNG_UP
        hang_up(request)
    except ConnectionError:
        pass  # the client has left, as the delivery says
    return response


def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Break the connection off; return what to hand back to the web server."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _write(
    request: web.Request,
    response: web.StreamResponse,
    events: Iterable[Event],
    pace: Pace,
    delivery: Delivery,
) -> None:
    packer = zlib.compressobj(wbits=_GZIP) if pace.gzip else None
    for event in events:
        if delivery.events and not await nap(request, pace.delay):
            raise ConnectionResetError
        for number, piece in enumerate(_pieces(event.encode(), split=pace.split)):
            # Let others have their turn, and each piece a packet of its own. Not after
            # the last one: a client that has all of it must find its bill settled.
            if number or delivery.events:
                await asyncio.sleep(0)
            # Flushed, or the client would see nothing before the end.
            packed = (
                packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
                if packer
                else piece
            )
            await response.write(packed)
        delivery.events += 1
        delivery.tokens += event.tokens
    if packer:
        await response.write(packer.flush())
    await response.write_eof()
    delivery.ended = COMPLETE


def _pieces(data: bytes, *, split: bool) -> tuple[bytes, ...]:
    middle = len(data) // 2
    return (data[:middle], data[middle:]) if split else (data,)


def broken(ending: Ending) -> None:
    """Raise if an answer is to break off here."""
    if ending is Ending.DROPPED:
        raise Dropped
