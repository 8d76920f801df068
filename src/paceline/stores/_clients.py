"""Clients of redis-py with settings of ours, and what a URL says of one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import redis
from redis import connection as blocking
from redis.asyncio import connection as aio
from redis.backoff import NoBackoff
from redis.retry import Retry

from .._errors import ConfigError
from ._bounded import bounded

_CONNECTIONS = 64
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
PAIRS: dict[type[Any], type[Any]] = {
    blocking.Connection: aio.Connection,
    blocking.SSLConnection: aio.SSLConnection,
    blocking.UnixDomainSocketConnection: aio.UnixDomainSocketConnection,
}
# Settings of one client that would disturb another one made from them.
PERSONAL = frozenset({
    "max_connections", "timeout",
    "retry", "retry_on_error", "retry_on_timeout", "parser_class", "protocol",
    "decode_responses", "encoding", "encoding_errors", "driver_info", "lib_name",
    "lib_version", "event_dispatcher", "redis_connect_func", "command_packer",
    "health_check_interval", "himport_registry", "legacy_responses",
    "oss_cluster_maint_notifications_handler", "maintenance_state",
    "maintenance_notification_hash", "orig_host_address", "orig_socket_timeout",
    "orig_socket_connect_timeout", "maint_notifications_config",
    "maint_notifications_pool_handler", "single_connection_client", "encoder_class",
})  # fmt: skip


def parse(
    url: str, timeouts: tuple[float, float], hint: str
) -> tuple[type[Any], dict[str, Any]]:
    """
    Return the kind of connection that a URL asks for, and its options.

    Raises:
        ConfigError: If it makes no sense (P106); *hint* says what would.
    """
    read: Any = blocking.parse_url  # untyped in redis-py
    try:
        options: dict[str, Any] = dict(read(url))
        kind: type[Any] = options.pop("connection_class", blocking.Connection)
        options.pop("max_connections", None)
        # Made, never connected: an unknown option is told here, not later.
        kind(**options, **settings(*timeouts, Retry))
    except (ValueError, TypeError):
        # The client's text may quote the URL, and that a password.
        raise ConfigError(
            "the store's URL makes no sense", code="P106", hint=hint
        ) from None
    for name in _FILES:
        if not Path(options.get(name) or ".").exists():
            raise ConfigError(
                f"there is no file {options[name]}, of {name} in the store's URL",
                code="P106",
                hint="Write its path as the process sees it, from / on.",
            )
    return kind, options


def settings(connect_timeout: float, call_timeout: float, kind: Any) -> dict[str, Any]:
    """Return the settings of every connection of ours, as this redis-py knows them."""
    wanted: dict[str, Any] = {
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": call_timeout,
        "protocol": 2,
        "retry_on_timeout": False,
    }
    known = inspect.signature(blocking.AbstractConnection.__init__).parameters
    # Without it, connecting costs no CLIENT SETINFO round trips. Its name changed.
    for name in (
        ("driver_info",) if "driver_info" in known else ("lib_name", "lib_version")
    ):
        if name in known:
            wanted[name] = None
    wanted["retry"] = kind(NoBackoff(), 0)
    return wanted


def sync_client(kind: type[Any], options: dict[str, Any]) -> Any:
    """Make a blocking client whose pool has room for every call under way."""
    pool = blocking.ConnectionPool(
        connection_class=bounded(kind), max_connections=_CONNECTIONS, **options
    )
    return redis.Redis(connection_pool=pool)


def async_client(
    kind: type[Any], options: dict[str, Any], timeouts: tuple[float, float]
) -> Any:
    """Make an asyncio client whose pool has room for every call under way."""
    from redis.asyncio import Redis  # noqa: PLC0415 -- not every process needs it
    from redis.asyncio.retry import Retry as AsyncRetry  # noqa: PLC0415

    pool = aio.ConnectionPool(
        connection_class=kind,
        max_connections=_CONNECTIONS,
        **{**options, **settings(*timeouts, AsyncRetry)},
    )
    return Redis(connection_pool=pool)
