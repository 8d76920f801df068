"""
``memory://name``: the same scripts in this process, on fakeredis.

One store per name and process, for tests, notebooks and Windows. Other processes have
stores of their own, so it says so once, and warns where several workers are likely.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from typing import Any

from .._errors import ConfigError
from ._sending import Window

_log = logging.getLogger("paceline")
_servers: dict[str, Any] = {}
_lock = threading.Lock()


class MemorySource:
    """A named store in this process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.window: Window = Window(1.0)
        try:
            import fakeredis  # noqa: F401, PLC0415 -- an extra
            import lupa  # noqa: F401, PLC0415 -- what runs the scripts
        except ImportError as error:
            raise ConfigError(
                f"memory:// needs {error.name}, which is not installed",
                code="P601",
                hint='pip install "paceline[memory]"',
            ) from error
        self._server()

    def _server(self) -> Any:
        import fakeredis  # noqa: PLC0415 -- an extra

        with _lock:
            if not _servers:
                _introduce()
            if self._name not in _servers:
                _servers[self._name] = fakeredis.FakeServer()
            return _servers[self._name]

    @property
    def where(self) -> str:
        """The store's address, for people."""
        return f"memory://{self._name}"

    @property
    def place(self) -> str:
        """The same."""
        return self.where

    def sync_client(self) -> Any:
        """Make a blocking client."""
        import fakeredis  # noqa: PLC0415 -- an extra

        return fakeredis.FakeRedis(server=self._server())

    def async_client(self) -> Any:
        """Make an asyncio client, for the loop that will call it."""
        import fakeredis  # noqa: PLC0415 -- an extra

        return fakeredis.FakeAsyncRedis(server=self._server())

    def heal(self) -> bool:
        """There is nothing to heal."""
        return False

    def close(self) -> None:
        """Keep the store: another limiter of this process may use it."""


def _introduce() -> None:
    workers = os.environ.get("WEB_CONCURRENCY", "1")
    several = workers.isdecimal() and int(workers) > 1
    if several or multiprocessing.parent_process() is not None:
        _log.warning(
            "memory:// limits this process only, but it seems to be one of several: "
            "together they may exceed the limit. Share it: redis:// or embedded://"
        )
    else:
        _log.info("memory:// limits this process only")
