"""A TCP proxy in front of a server's socket that does what bad networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from pathlib import Path

Mode = Literal[
    "pass",
    "latency",
    "drop_replies",
    "blackhole",
    "half_reply",
    "trickle",
    "garbage",
    "reset_on_request",
    "close_on_request",
    "reset_on_reply_once",
    "reset_on_reply",
    "close_on_reply",
]
CHUNK = 1 << 16
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Reset(Exception):  # noqa: N818 -- not an error: what was asked for
    pass


class _Close(Exception):  # noqa: N818 -- the same, politely
    pass


class FaultProxy:
    """
    Listens on a free port of this machine, in a thread of its own.

    Attributes:
        mode: May be changed at any time, by any thread; what is on its way keeps what
            it met.

            * ``pass``: a proxy and nothing else
            * ``latency``: every answer comes *delay* seconds later
            * ``drop_replies``: the server acts, the client hears nothing
            * ``blackhole``: the server hears nothing either
            * ``half_reply``: the second half of each answer never comes
            * ``trickle``: an answer comes byte by byte, one every *delay* seconds
            * ``garbage``: the server acts, the client hears another protocol
            * ``reset_on_request``: the client's connection breaks, nothing was done
            * ``close_on_request``: the same, by a polite end
            * ``reset_on_reply``: the server acts, the client's connection breaks
            * ``reset_on_reply_once``: the same, then ``pass``
            * ``close_on_reply``: the server acts, the connection ends politely

        delay: Seconds, for ``trickle`` and ``latency``; of the latter half each way.

        requests: Chunks of bytes that clients sent: about one per round trip.

        connections: How many were ever accepted.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.mode: Mode = "pass"
        self.delay = 0.0
        self.requests = 0
        self.connections = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._pumping: set[asyncio.Task] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    @property
    def url(self) -> str:
        """For clients."""
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def cut(self) -> None:
        """Break the connections that are open now."""
        done = threading.Event()

        def run() -> None:
            for writer in list(self._open):
                _reset(writer)
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._open):
            _reset(writer)
        if self._pumping:  # they end now: what the loop leaves open is a warning
            await asyncio.wait(self._pumping)

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:  # the server is gone
            _reset(writer)
            return
        self._open |= {writer, up_writer}
        self._pumping.add(asyncio.current_task())
        try:
            async with asyncio.TaskGroup() as group:
                for pump in (
                    self._pump(reader, up_writer, self._request),
                    self._pump(up_reader, writer, self._reply),
                ):
                    group.create_task(pump)
        except* (OSError, EOFError):
            pass  # one side hung up: so does the other
        except* _Reset:
            _reset(writer)
        except* _Close:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            up_writer.transport.abort()
            self._open -= {writer, up_writer}
            self._pumping.discard(asyncio.current_task())

    async def _pump(self, reader, writer, judge) -> None:
        """Carry chunks over, each as late as *judge* says, or not at all."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, chunk = await queue.get()
                await asyncio.sleep(due - self._loop.time())
                trickles = judge == self._reply and self.mode == "trickle"
                for part in _bytes(chunk) if trickles else [chunk]:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(self.delay if trickles else 0)

        delivery = asyncio.create_task(deliver())
        try:
            while chunk := await reader.read(CHUNK):
                fate = judge()
                if fate in _ENDS:
                    raise _ENDS[fate]
                if fate != "drop":
                    late = self.delay / 2 if self.mode == "latency" else 0.0
                    queue.put_nowait((self._loop.time() + late, _CHANGES[fate](chunk)))
            raise EOFError
        finally:
            delivery.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await delivery

    def _request(self) -> str:
        self.requests += 1
        return _OF_REQUESTS.get(self.mode, "pass")

    def _reply(self) -> str:
        fate = _OF_REPLIES.get(self.mode, "pass")
        if self.mode == "reset_on_reply_once":
            self.mode = "pass"
        return fate


_OF_REQUESTS = {
    "blackhole": "drop",
    "reset_on_request": "reset",
    "close_on_request": "close",
}
_OF_REPLIES = {
    "blackhole": "drop",
    "drop_replies": "drop",
    "half_reply": "half",
    "garbage": "garbage",
    "reset_on_reply": "reset",
    "reset_on_reply_once": "reset",
    "close_on_reply": "close",
}
_ENDS = {"reset": _Reset, "close": _Close}
_CHANGES = {
    "pass": lambda chunk: chunk,
    "half": lambda chunk: chunk[: max(1, len(chunk) // 2)],
    "garbage": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def _bytes(chunk: bytes) -> list[bytes]:
    return [chunk[i : i + 1] for i in range(len(chunk))]


def _reset(writer: asyncio.StreamWriter) -> None:
    """Send RST, not FIN: what a crashed host's network does."""
    plug = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
