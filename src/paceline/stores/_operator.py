"""
A cluster as an operator asks it, node by node.

Not by redis-py's client of clusters: it asks for more rights than a limiter has, gives
up where one node of many is down, and says of it that there is no cluster.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis.exceptions import (
    AuthenticationError,
    ConnectionError as RedisConnectionError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)

from .._errors import StoreUnavailable
from ._hopeless import nobody
from ._slots import redirection
from ._translate import FAILURES, Member, translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._nodes import ClusterPipes
    from ._slots import Address
    from .cluster import ClusterSource

_LOST = (RedisConnectionError, RedisTimeoutError, OSError)
# Seconds to say who has which slots, or to follow one that moves.
_LONG = 2.0


class ClusterClient:
    """Has those commands of redis-py's clients that are asked of a whole cluster."""

    def __init__(self, source: ClusterSource) -> None:
        self._source = source
        self._pipes: ClusterPipes = source.sync_pipes()
        self._clients: dict[Address, Any] = {}
        self._last: Address | None = None

    def sync_pipes(self) -> ClusterPipes:
        """Return the connections that calls go through."""
        return self._pipes

    def primaries(self) -> dict[Address, Any]:
        """Return a client of each node that has slots, as one that answers tells."""
        owners = self._pipes.owners(time.monotonic() + _LONG)
        return {address: self._client(address) for address in owners}

    def _client(self, address: Address) -> Any:
        if address not in self._clients:
            self._clients[address] = self._source.node(address)
        return self._clients[address]

    def key_of(self, address: Address, keys: Iterator[str]) -> str:
        """Return the first key that a node has."""
        return next(key for key in keys if self._pipes.owner(key) == address)

    def time(self) -> Any:
        """Return the time of a node that answers: seconds and microseconds."""
        problems: list[BaseException] = []
        nodes = self.primaries()
        for address in sorted(nodes, key=lambda each: each != self._last):
            try:
                found = nodes[address].time()
            except AuthenticationError:
                raise
            except _LOST as error:
                problems.append(error)
            else:
                self._last = address
                return found
        raise nobody("no node of the cluster answers", problems)

    def scan_iter(self, **options: Any) -> Iterator[Any]:
        """Yield the keys of all nodes."""
        for address, node in self.primaries().items():
            with self._told(address):
                yield from node.scan_iter(**options)

    def pipeline(self, *, transaction: bool) -> Questions:
        """Collect questions; none of them is asked in a transaction."""
        assert not transaction  # noqa: S101 -- our own callers
        return Questions(self)

    def hashes(self, keys: list[str]) -> list[Any]:
        """Return what each of some hashes holds, or why that cannot be told."""
        found: dict[str, Any] = {}
        owned: dict[Address | None, list[str]] = {}
        for key in keys:
            owned.setdefault(self._pipes.owner(key), []).append(key)
        for address, some in owned.items():
            if address is None:  # nobody's slot, or nobody was asked yet
                found |= {key: self._follow(key) for key in some}
                continue
            with self._told(address):
                pipe = self._client(address).pipeline(transaction=False)
                for key in some:
                    pipe.hgetall(key)
                replies = pipe.execute(raise_on_error=False)
            for key, reply in zip(some, replies, strict=True):
                moves = isinstance(reply, ResponseError) and redirection(reply, address)
                found[key] = self._follow(key) if moves else reply
        return [found[key] for key in keys]

    def _follow(self, key: str) -> Any:
        try:
            command = ("HGETALL", key)
            pairs = self._pipes.call(key, command, time.monotonic() + _LONG)
        except FAILURES as error:
            return error
        return dict(zip(pairs[::2], pairs[1::2], strict=True))

    @contextmanager
    def _told(self, address: Address) -> Iterator[None]:
        """Name the node that is not there."""
        try:
            yield
        except FAILURES as error:
            host, port = address
            node = Member(f"{host}:{port} of {self._source.where}")
            finding = translate(error, node)
            if isinstance(finding, StoreUnavailable):
                raise finding from error
            raise


class Questions:
    """Asks a cluster for some hashes at once, as a pipeline does one server."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._keys: list[str] = []

    def hgetall(self, key: str) -> None:
        """Ask what a hash holds."""
        self._keys.append(key)

    def execute(self, *, raise_on_error: bool) -> list[Any]:
        """Return the answers, a failure in the place of one."""
        assert not raise_on_error  # noqa: S101 -- our own callers
        return self._client.hashes(self._keys)
