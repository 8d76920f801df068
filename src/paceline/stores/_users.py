"""What a client that the user made is a client of, by redis-py or valkey-py."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from redis import connection as blocking
from redis.asyncio import connection as aio

from .._errors import ConfigError
from ._clients import PAIRS, PERSONAL
from ._sources import ClientSource
from .cluster import ClusterSource
from .sentinel import SentinelSource

if TYPE_CHECKING:
    from ._sources import Source

# Of a cluster's client or a Sentinel's, and not of one connection.
_WHOLE = PERSONAL | {"host", "port", "path"}
_TLS = (blocking.SSLConnection, aio.SSLConnection)
_PLAIN = (blocking.Connection, aio.Connection)


def client_source(client: Any, timeouts: tuple[float, float]) -> Source:
    """
    Return where a user's client leads.

    Raises:
        ConfigError: If that is no store (P106).
    """
    manager = getattr(client, "nodes_manager", None)
    if manager is not None:
        return _cluster(client, manager, timeouts)
    pool = getattr(client, "connection_pool", None)
    if getattr(pool, "sentinel_manager", None) is not None:
        return _sentinel(pool, timeouts)
    kind = getattr(pool, "connection_class", None)
    if isinstance(kind, type) and kind.__module__.startswith("valkey."):
        return ClientSource(_translated(pool, kind), *timeouts)
    return ClientSource(client, *timeouts)


def _translated(pool: Any, kind: type[Any]) -> Any:
    """Return a client of valkey-py as one of redis-py, which it is a fork of."""
    ours = {each.__name__: each for each in PAIRS}
    mine = next(ours[each.__name__] for each in kind.__mro__ if each.__name__ in ours)
    kept = _known(pool.connection_kwargs, mine, PERSONAL)
    lent = SimpleNamespace(connection_class=mine, connection_kwargs=kept)
    return SimpleNamespace(connection_pool=lent)


def _cluster(client: Any, manager: Any, timeouts: tuple[float, float]) -> Source:
    given = getattr(client, "connection_kwargs", None) or manager.connection_kwargs
    nodes = manager.startup_nodes.values()
    seeds = [(node.host, int(node.port)) for node in nodes]
    remap = getattr(manager, "address_remap", None)
    return ClusterSource(
        seeds, _kinds(given), _options(given, _kinds(given)), timeouts, remap
    )


def _sentinel(pool: Any, timeouts: tuple[float, float]) -> Source:
    if not pool.is_master:
        raise ConfigError(
            "a Sentinel's replicas are no store: they cannot be written to",
            code="P106",
            hint="Give sentinel.master_for(name).",
        )
    sentinels = []
    for watcher in pool.sentinel_manager.sentinels:
        given = watcher.connection_pool.connection_kwargs
        kinds = _kinds({"connection_class": watcher.connection_pool.connection_class})
        address = {"host": given["host"], "port": int(given["port"])}
        sentinels.append((*kinds, {**_options(given, kinds), **address}))
    kinds = _kinds({"connection_class": pool.connection_class})
    options = _options(pool.connection_kwargs, kinds)
    return SentinelSource(pool.service_name, sentinels, kinds, options, timeouts)


def _kinds(given: dict[str, Any]) -> tuple[type[Any], type[Any]]:
    kind = given.get("connection_class")
    names = [each.__name__ for each in kind.__mro__] if isinstance(kind, type) else []
    return _TLS if given.get("ssl") or "SSLConnection" in names else _PLAIN


def _options(given: dict[str, Any], kinds: tuple[type[Any], Any]) -> dict[str, Any]:
    return _known(given, kinds[0], _WHOLE)


def _known(
    given: dict[str, Any], kind: type[Any], left_out: frozenset[str]
) -> dict[str, Any]:
    """Return the options that a kind of redis-py's connections takes."""
    makers = [vars(each).get("__init__", object.__init__) for each in kind.__mro__]
    known = {name for each in makers for name in inspect.signature(each).parameters}
    return {k: v for k, v in given.items() if k in known - left_out}
