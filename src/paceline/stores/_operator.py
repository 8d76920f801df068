"""A cluster as an operator asks it: of its server one node tells, of keys all do."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from ._clients import settings

if TYPE_CHECKING:
    from ._nodes import ClusterPipes
    from .cluster import ClusterSource


class ClusterClient:
    """Has the commands of redis-py's clients."""

    def __init__(
        self,
        source: ClusterSource,
        kind: type[Any],
        options: dict[str, Any],
        timeouts: tuple[float, float],
    ) -> None:
        self._source = source
        self._options = {**options, **settings(*timeouts, Retry)}
        del self._options["retry_on_timeout"]  # off; RedisCluster warns of the option
        self._options["ssl"] = "SSL" in kind.__name__

    def sync_pipes(self) -> ClusterPipes:
        """Make the connections that calls go through."""
        return self._source.sync_pipes()

    @cached_property
    def _all(self) -> Any:
        from redis.cluster import ClusterNode, RedisCluster  # noqa: PLC0415 -- slow

        node: Any = ClusterNode  # untyped in redis-py
        nodes = [node(host, port) for host, port in self._source.seeds]
        return RedisCluster(startup_nodes=nodes, **self._options)

    @cached_property
    def _one(self) -> Any:
        problem: BaseException | None = None
        for address in self._source.seeds:
            node = self._source.node(address)
            try:
                node.time()
            except (RedisConnectionError, OSError) as error:
                problem = error
            else:
                return node
        raise RedisConnectionError("no node of the cluster answers") from problem

    def time(self) -> Any:
        """Return one node's time: seconds and microseconds."""
        return self._one.time()

    def ping(self) -> Any:
        """Ask one node for nothing."""
        return self._one.ping()

    def info(self, *args: Any) -> Any:
        """Return what one node says of itself."""
        return self._one.info(*args)

    def config_get(self, *args: Any) -> Any:
        """Return a setting of one node."""
        return self._one.config_get(*args)

    def execute_command(self, *args: Any) -> Any:
        """Send one node a command."""
        return self._one.execute_command(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._all, name)
