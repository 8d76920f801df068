"""Blocking connections to the nodes of a cluster."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError as RedisConnectionError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)

from ._hopeless import NoPrimary, nobody
from ._pack import pack
from ._pipes import SyncPipes
from ._resp import readable
from ._slots import Address, Atlas, redirection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._pipes import Command

# Seconds that one node has to say who has which slots, before the next is asked.
GUIDE = 0.25

# More hops than a slot that moves makes.
HOPS = 5

ASKING, SLOTS = pack(("ASKING",)), pack(("CLUSTER", "SLOTS"))
LOST = (RedisConnectionError, RedisTimeoutError, OSError)


class ClusterPipes:
    """As many connections to each node as there are threads that call at a time."""

    def __init__(self, atlas: Atlas, node: Callable[[Address], Any]) -> None:
        self._atlas = atlas
        self._node = node
        self._pools: dict[Address, Any] = {}
        self._nodes: dict[Address, SyncPipes] = {}
        self._lock = threading.Lock()
        self._charting = threading.Lock()

    def partly(self, key: str) -> bool:
        """Tell whether other nodes may answer although that of a key does not."""
        return len(self._nodes) > 1 or self._atlas.owner(key) is None

    def owner(self, key: str) -> Address | None:
        """Return the node that has a key, as far as is known."""
        return self._atlas.owner(key)

    def owners(self, until: float) -> tuple[Address, ...]:
        """Ask who has slots; return those nodes."""
        self._atlas.stale = True
        self._chart(until)
        return self._atlas.owners

    def call(self, key: str, command: Command, until: float) -> Any:
        """Send a command to the node that has a key; return its reply, by *until*."""
        for _ in range(HOPS):
            if self._atlas.stale:
                self._chart(until)
            address = self._atlas.owner(key)
            if address is None:
                self._atlas.stale = True
                raise ClusterDownError("no node has the slot")
            try:
                return self._at(address).call(key, command, until)
            except ResponseError as error:
                sent = redirection(error, address)
                if sent is None:
                    raise
                if sent.once:
                    asking = [ASKING, pack(command)]
                    return self._once(sent.address, asking, until)[-1]
                self._atlas.moved(sent)
            except LOST:
                self._atlas.doubt(address)
                raise
        raise ClusterDownError("the nodes send a call around in circles")

    def _at(self, address: Address) -> SyncPipes:
        with self._lock:
            if address not in self._nodes:
                self._nodes[address] = SyncPipes(self._pool(address))
            return self._nodes[address]

    def _pool(self, address: Address) -> Any:
        if address not in self._pools:
            self._pools[address] = self._node(address).connection_pool
        return self._pools[address]

    def _once(self, address: Address, packed: list[bytes], until: float) -> list[Any]:
        """Send commands on a connection of their own; return their replies."""
        connection = self._pool(address).make_connection()
        try:
            with readable():
                connection.begin(until)
                connection.send_packed_command(packed, check_health=False)
                return [connection.read_response(disable_decoding=True) for _ in packed]
        finally:
            connection.disconnect()

    def _chart(self, until: float) -> None:
        """Ask who has which slots; one thread does for all."""
        left = until - time.monotonic()
        if not self._charting.acquire(timeout=max(0.0, left)):
            raise NoPrimary("nobody said in time who has which slots")
        try:
            if self._atlas.stale:
                self._ask_around(until)
        finally:
            self._charting.release()

    def _ask_around(self, until: float) -> None:
        problems: list[BaseException] = []
        for address in self._atlas.guides():
            end = min(until, time.monotonic() + GUIDE)
            try:
                (reply,) = self._once(address, [SLOTS], end)
            except AuthenticationError:
                raise
            except LOST as error:
                problems.append(error)
            else:
                self._keep(self._atlas.draw(reply, address))
                return
        raise nobody("no node of the cluster answers", problems)

    def _keep(self, nodes: set[Address]) -> None:
        with self._lock:
            gone = [address for address in self._nodes if address not in nodes]
            for address in gone:
                self._pools.pop(address, None)
                self._nodes.pop(address).close()

    def fresh(self) -> None:
        """Close what is idle: the next call is the first on its connection."""
        for pipes in list(self._nodes.values()):
            pipes.fresh()

    def close(self) -> None:
        """Close the connections."""
        self._keep(set())
