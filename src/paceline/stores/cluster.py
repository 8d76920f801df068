"""
Redis Cluster and Valkey Cluster: a scope's calls go to the node that has its slot.

Each node is reached as a single server is, by connections and packed bytes of our own.
What a node sends elsewhere (MOVED, ASK) goes there within the call's time; a node that
is gone, or says that another takes over, has the call sent again on its lane, so that
whoever has the slot then answers it. redis-py's cluster client takes no part in this:
it would send a call whose reply was lost again by itself, and charge twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.retry import Retry

from ._clients import async_client, settings, sync_client
from ._nodes import ClusterPipes
from ._nodes_aio import AsyncClusterPipes
from ._operator import ClusterClient
from ._sending import Window
from ._slots import Address, Atlas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Seconds for which a call of somebody who waits is sent to whoever takes over.
FAILOVER = 5.0


class ClusterSource:
    """A cluster by some of its nodes."""

    def __init__(
        self,
        seeds: Sequence[Address],
        kinds: tuple[type[Any], type[Any]],
        options: dict[str, Any],
        timeouts: tuple[float, float],
        remap: Callable[[Address], Address] | None = None,
    ) -> None:
        self.seeds: tuple[Address, ...] = tuple(seeds)
        self.window: Window = Window(sum(timeouts), FAILOVER)
        self._kinds = kinds
        self._options = options
        self._timeouts = timeouts
        self._remap = remap

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        scheme = "rediss" if "SSL" in self._kinds[0].__name__ else "redis"
        nodes = ",".join(f"{host}:{port}" for host, port in self.seeds)
        return f"{scheme}+cluster://{nodes}"

    @property
    def place(self) -> str:
        """The same: any node may have been asked."""
        return self.where

    def sync_client(self) -> Any:
        """Make what an operator asks, and what has the pipes."""
        return ClusterClient(self)

    def async_client(self) -> Any:
        """Make what has the pipes of an event loop."""
        return self

    def sync_pipes(self) -> ClusterPipes:
        """Make the connections of this process."""
        return ClusterPipes(Atlas(self.seeds, self._remap), self.node)

    def async_pipes(self) -> AsyncClusterPipes:
        """Make the connections of an event loop."""
        return AsyncClusterPipes(Atlas(self.seeds, self._remap), self._async_pool)

    def node(self, address: Address) -> Any:
        """Make a client of one node."""
        options = {**self._options, **settings(*self._timeouts, Retry)}
        host, port = address
        return sync_client(self._kinds[0], {**options, "host": host, "port": port})

    def _async_pool(self, address: Address) -> Any:
        host, port = address
        options = {**self._options, "host": host, "port": port}
        return async_client(self._kinds[1], options, self._timeouts).connection_pool

    def heal(self) -> bool:
        """Other people's servers are not ours to start."""
        return False

    def close(self) -> None:
        """Nothing is held."""
