"""Where clients come from: a URL, or the settings of a client that the user made."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol

import redis
from redis import connection as blocking
from redis.asyncio import connection as aio
from redis.backoff import NoBackoff
from redis.retry import Retry

from .._errors import ConfigError
from ._bounded import bounded
from ._sending import Window

if TYPE_CHECKING:
    from .embedded import EmbeddedServer

_CONNECTIONS = 64
_PAIRS: dict[type[Any], type[Any]] = {
    blocking.Connection: aio.Connection,
    blocking.SSLConnection: aio.SSLConnection,
    blocking.UnixDomainSocketConnection: aio.UnixDomainSocketConnection,
}
# Settings of one client that would disturb another one made from them.
_PERSONAL = frozenset({
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


class Source(Protocol):
    """Makes clients for a store."""

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""

    @property
    def window(self) -> Window:
        """For how long a call is sent again."""

    def sync_client(self) -> Any:
        """Make a blocking client."""

    def async_client(self) -> Any:
        """Make an asyncio client, for the loop that will call it."""

    def heal(self) -> bool:
        """Bring a store back that nobody answers for; False if that is not ours."""

    def close(self) -> None:
        """Let go of what the source holds."""


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


class UrlSource:
    """A server by its URL; for ``embedded://`` one that is started when needed."""

    def __init__(
        self,
        url: str,
        connect_timeout: float,
        call_timeout: float,
        *,
        server: EmbeddedServer | None = None,
    ) -> None:
        self._timeouts = (connect_timeout, call_timeout)
        self.window = Window(connect_timeout + call_timeout)
        self._server = server
        self._options: dict[str, Any] = {}
        self._class: Any = blocking.Connection
        if server is None:
            parse: Any = blocking.parse_url  # untyped in redis-py
            try:
                self._options = dict(parse(url))
                self._class = self._options.pop("connection_class", self._class)
                self._options.pop("max_connections", None)
                # Made, never connected: an unknown option is told here, not later.
                self._class(**self._options, **settings(*self._timeouts, Retry))
            except (ValueError, TypeError):
                # The client's text may quote the URL, and that a password.
                raise ConfigError(
                    "the store's URL makes no sense",
                    code="P106",
                    hint="Write redis://[user:password@]host:port/database; options "
                    "after a ? are those of redis-py's connections, timeouts are ours.",
                ) from None

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        if self._server is not None:
            return "the embedded server"
        return address(self._class, self._options)

    def _target(self) -> tuple[type[Any], dict[str, Any]]:
        if self._server is not None:
            path = self._server.ensure()
            return blocking.UnixDomainSocketConnection, {"path": path}
        return self._class, self._options

    def sync_client(self) -> Any:
        """Make a blocking client."""
        kind, options = self._target()
        return sync_client(kind, {**options, **settings(*self._timeouts, Retry)})

    def async_client(self) -> Any:
        """Make an asyncio client, for the loop that will call it."""
        kind, options = self._target()
        return async_client(_PAIRS[kind], options, self._timeouts)

    def heal(self) -> bool:
        """Start the embedded server again; other servers are not ours to start."""
        if self._server is None:
            return False
        self._server.ensure()
        return True

    def close(self) -> None:
        """Let the embedded server know that it is not needed any more."""
        if self._server is not None:
            self._server.close()


class ClientSource:
    """A client that the user made: its server and settings, in connections of ours."""

    def __init__(
        self, client: Any, connect_timeout: float, call_timeout: float
    ) -> None:
        pool = getattr(client, "connection_pool", None)
        kind = getattr(pool, "connection_class", None)
        ours = (blocking.AbstractConnection, aio.AbstractConnection)
        if not isinstance(kind, type) or not issubclass(kind, ours):
            raise ConfigError(
                f"a {type(client).__name__} is no store that can be used here",
                code="P106",
                hint="Give a URL (valkey:// too), or a redis.Redis or "
                "redis.asyncio.Redis client.",
            )
        self._timeouts = (connect_timeout, call_timeout)
        self.window = Window(connect_timeout + call_timeout)
        self._class: type[Any] = kind
        self._is_async = issubclass(kind, aio.AbstractConnection)
        given: dict[str, Any] = getattr(pool, "connection_kwargs", {})
        self._options = {k: v for k, v in given.items() if k not in _PERSONAL}

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        return address(self._class, self._options)

    def sync_client(self) -> Any:
        """Make a blocking client."""
        kind = self._class
        if self._is_async:
            back = {there: here for here, there in _PAIRS.items()}
            kind = self._counterpart(back, "blocking")
        options = {**self._options, **settings(*self._timeouts, Retry)}
        return sync_client(kind, options)

    def async_client(self) -> Any:
        """Make an asyncio client, for the loop that will call it."""
        kind = self._class if self._is_async else self._counterpart(_PAIRS, "asyncio")
        return async_client(kind, self._options, self._timeouts)

    def _counterpart(self, pairs: dict[type[Any], type[Any]], wanted: str) -> type[Any]:
        for kind in self._class.__mro__:
            if kind in pairs and not self._class.__module__.startswith("fakeredis"):
                return pairs[kind]
        raise ConfigError(
            f"a client over {self._class.__name__} has no {wanted} twin",
            code="P106",
            hint="Give a URL instead of a client: it serves both kinds of call.",
        )

    def heal(self) -> bool:
        """Other people's servers are not ours to start."""
        return False

    def close(self) -> None:
        """Leave the user's client alone."""


def address(kind: type[Any], options: dict[str, Any]) -> str:
    """Write a server's address for people: no user, no password."""
    if "path" in options:
        return f"unix://{options['path']}"
    scheme = "rediss" if "SSL" in kind.__name__ else "redis"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"{scheme}://{host}:{port}/{options.get('db') or 0}"


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
