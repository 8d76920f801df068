"""The server under a benchmark, and what it says of itself."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rig

if TYPE_CHECKING:
    from collections.abc import Iterator


class BenchServer:
    """
    A server that only this run uses.

    Attributes:
        url: For clients, over TCP.

        socket: The path of its Unix socket.

        pid: Its process.
    """

    def __init__(self, server: rig.Server) -> None:
        self.url: str = server.tcp_url
        self.socket: str = server.socket
        self.pid: int = server.process.pid
        self.client: Any = server.client()

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used."""
        info = self.client.info("cpu")
        return float(info["used_cpu_sys"] + info["used_cpu_user"])

    def reads(self) -> int:
        """Return how often the server has read from a client: the round trips."""
        return int(self.client.info("stats")["total_reads_processed"])

    def memory(self) -> int:
        """Return the bytes of all keys with their values, every element counted."""
        return sum(
            int(self.client.memory_usage(key, samples=0) or 0)
            for key in self.client.scan_iter(count=1000)
        )

    def version(self) -> str:
        """Name the server and its version."""
        info = self.client.info("server")
        if "valkey_version" in info:
            return f"valkey {info['valkey_version']}"
        return f"redis {info['redis_version']}"

    def clear(self) -> None:
        """Forget everything."""
        self.client.flushall()


@contextmanager
def private_server(kind: str | None = None) -> Iterator[BenchServer]:
    """
    Run a server on a free port while the block lasts.

    Args:
        kind: How its name begins, such as ``"redis"``. None takes the one of pip.

    Raises:
        SystemExit: If there is none of that kind here.
    """
    known = rig.servers()
    binary = next((path for name, path in known if name.startswith(kind or "")), None)
    if binary is None:
        names = ", ".join(name for name, _ in known) or "none"
        raise SystemExit(f"no server of the kind {kind!r} here; known: {names}")
    with tempfile.TemporaryDirectory(prefix="paceline-bench-") as directory:
        server = rig.Server(binary, Path(directory))
        try:
            server.start()
            yield BenchServer(server)
        finally:
            server.kill()
