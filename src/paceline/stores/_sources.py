"""Where clients come from: a URL, or the settings of a client that the user made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from redis import connection as blocking
from redis.asyncio import connection as aio
from redis.retry import Retry

from .._errors import ConfigError
from ._clients import PAIRS, PERSONAL, async_client, parse, settings, sync_client
from ._sending import Window

if TYPE_CHECKING:
    from .embedded import EmbeddedServer

_HINT = (
    "Write redis://[user:password@]host:port/database; options after a ? are those of "
    "redis-py's connections, timeouts are ours."
)


class Source(Protocol):
    """Makes clients for a store."""

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""

    @property
    def place(self) -> str:
        """Where calls go now: the address, or a server that others name."""

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
        self.window: Window = Window(connect_timeout + call_timeout)
        self._server = server
        self._options: dict[str, Any] = {}
        self._class: Any = blocking.Connection
        if server is None:
            self._class, self._options = parse(url, self._timeouts, _HINT)

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        if self._server is not None:
            return "the embedded server"
        return address(self._class, self._options)

    @property
    def place(self) -> str:
        """The same."""
        return self.where

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
        return async_client(PAIRS[kind], options, self._timeouts)

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
        self.window: Window = Window(connect_timeout + call_timeout)
        self._class: type[Any] = kind
        self._is_async = issubclass(kind, aio.AbstractConnection)
        given: dict[str, Any] = getattr(pool, "connection_kwargs", {})
        self._options = {k: v for k, v in given.items() if k not in PERSONAL}

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        return address(self._class, self._options)

    @property
    def place(self) -> str:
        """The same."""
        return self.where

    def sync_client(self) -> Any:
        """Make a blocking client."""
        kind = self._class
        if self._is_async:
            back = {there: here for here, there in PAIRS.items()}
            kind = self._counterpart(back, "blocking")
        options = {**self._options, **settings(*self._timeouts, Retry)}
        return sync_client(kind, options)

    def async_client(self) -> Any:
        """Make an asyncio client, for the loop that will call it."""
        kind = self._class if self._is_async else self._counterpart(PAIRS, "asyncio")
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
