"""URLs that name several hosts: those of clusters and of Sentinels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from .._errors import ConfigError
from ._clients import PAIRS, parse
from .cluster import ClusterSource
from .sentinel import SentinelSource

if TYPE_CHECKING:
    from ._sources import Source

_PORT, _SENTINELS_PORT = 6379, 26379
_CLUSTER = (
    "Write redis+cluster://[user:password@]host:port,host:port; options after a ? are "
    "those of redis-py's connections, timeouts are ours."
)
_SENTINEL = (
    "Write redis+sentinel://[user:password@]host:port,host:port/name/database, the "
    "name being the one that the Sentinels know the primary by; the Sentinels' own "
    "user and password are ?sentinel_username=&sentinel_password=."
)
_NO = ("0", "false", "no")


def several(base: str, kind: str, rest: str, timeouts: tuple[float, float]) -> Source:
    """
    Return the store of a URL ``redis+cluster://`` or ``redis+sentinel://``.

    Args:
        base: The scheme of one of its servers: redis or rediss.

        kind: cluster or sentinel.

        rest: What follows the scheme.

    Raises:
        ConfigError: If the URL makes no sense (P106).
    """
    make = _cluster if kind == "cluster" else _sentinel
    hint = _CLUSTER if kind == "cluster" else _SENTINEL
    address, _, query = rest.partition("?")
    hosts, _, path = address.partition("/")
    login, _, names = hosts.rpartition("@")
    if not names or "" in names.split(","):
        raise ConfigError("the store's URL names no host", code="P106", hint=hint)
    return make(base, login, names.split(","), (path, query), timeouts)


def _cluster(
    base: str,
    login: str,
    hosts: list[str],
    tail: tuple[str, str],
    timeouts: tuple[float, float],
) -> Source:
    path, query = tail
    seeds, options = [], dict[str, Any]()
    for host in hosts:
        url = f"{base}://{_at(login)}{host}/{path}?{query}"
        kind, options = parse(url, timeouts, _CLUSTER)
        seeds.append(_address(options, _PORT, _CLUSTER))
    return ClusterSource(seeds, (kind, PAIRS[kind]), options, timeouts)


def _sentinel(
    base: str,
    login: str,
    hosts: list[str],
    tail: tuple[str, str],
    timeouts: tuple[float, float],
) -> Source:
    (path, query) = tail
    name, _, database = path.partition("/")
    if not name:
        raise ConfigError(
            "the store's URL does not name the primary", code="P106", hint=_SENTINEL
        )
    pairs = parse_qsl(query, keep_blank_values=True)
    own = {key[9:]: value for key, value in pairs if key.startswith("sentinel_")}
    shared = [(k, v) for k, v in pairs if not k.startswith("sentinel_")]
    user, password = (quote(own.pop(part, ""), "") for part in ("username", "password"))
    tls = base == "rediss" and own.pop("ssl", "yes").lower() not in _NO
    scheme = "rediss" if tls else "redis"
    of_tls = [(k, v) for k, v in shared if k.startswith("ssl_")] if tls else []
    question = urlencode([*of_tls, *own.items()])
    sentinels = []
    for host in hosts:
        url = f"{scheme}://{_at(f'{user}:{password}' if password else '')}{host}"
        kind, options = parse(f"{url}?{question}", timeouts, _SENTINEL)
        at = _address(options, _SENTINELS_PORT, _SENTINEL)
        options["host"], options["port"] = at
        sentinels.append((kind, PAIRS[kind], options))
    url = f"{base}://{_at(login)}localhost/{database}?{urlencode(shared)}"
    kind, options = parse(url, timeouts, _SENTINEL)
    options.pop("host")
    return SentinelSource(
        unquote(name), sentinels, (kind, PAIRS[kind]), options, timeouts
    )


def _at(login: str) -> str:
    return f"{login}@" if login else ""


def _address(options: dict[str, Any], port: int, hint: str) -> tuple[str, int]:
    """Take host and port out of a server's options."""
    host = options.pop("host", None)
    if not host:
        raise ConfigError("the store's URL names no host", code="P106", hint=hint)
    return host, int(options.pop("port", port))
