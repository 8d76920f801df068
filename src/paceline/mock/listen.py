"""Serve the pretend OpenAI server on a port, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

from aiohttp import web

from paceline._errors import ConfigError

from .server import PretendOpenAI

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings

_SHUTDOWN_SECONDS = 0.5
_CHUNK = 4096


async def serve_until_stopped(
    settings: Settings,
    host: str,
    port: int,
    started: Callable[[str], None],
    *,
    stop_with_stdin: bool = False,
) -> signal.Signals:
    """
    Serve, and tell which signal ended it.

    Args:
        settings: How the server behaves.

        host: Where to listen.

        port: Where to listen; 0 picks a free port.

        started: Called with the base URL once connections are accepted.

        stop_with_stdin:
            End as if by SIGTERM when stdin ends, which it does when the process that
            holds its other side is gone.

    Raises:
        ConfigError: If it cannot listen there (P152).
    """
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[signal.Signals] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        _on_signal(loop, number, stop)
    if stop_with_stdin:
        threading.Thread(target=_wait_for_end, args=(loop, stop), daemon=True).start()
    app = PretendOpenAI(settings).app()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"the mock cannot listen on {host} port {port}: {error.strerror}",
                code="P152",
                hint="Another --port may be free; --port 0 picks one that is.",
            ) from error
        started(f"http://{_authority(runner.addresses[0])}/v1")
        return await stopped
    finally:
        await runner.cleanup()


def _authority(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _on_signal(
    loop: asyncio.AbstractEventLoop,
    number: signal.Signals,
    stop: Callable[[signal.Signals], None],
) -> None:
    try:
        loop.add_signal_handler(number, stop, number)
    except NotImplementedError:  # Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop, number))


def _wait_for_end(
    loop: asyncio.AbstractEventLoop, stop: Callable[[signal.Signals], None]
) -> None:
    # Not through sys.stdin, whose lock a thread must not hold when Python exits.
    while os.read(0, _CHUNK):
        pass
    loop.call_soon_threadsafe(stop, signal.SIGTERM)
