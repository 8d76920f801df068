"""
A primary that Sentinels watch: who it is, is asked whenever a connection is made.

A connection finds the primary before it connects; one to a server that turned out to be
the primary no longer is left. A call that meets the change is sent again on its lane.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from redis.exceptions import (
    AuthenticationError,
    ConnectionError as RedisConnectionError,
    InvalidResponse,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from ._bounded import bounded
from ._clients import async_client, settings, sync_client
from ._hopeless import UnknownName, nobody
from ._pack import pack
from ._resp import readable
from ._sending import Window
from ._slots import address
from ._translate import Named
from .cluster import FAILOVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._slots import Address

# Seconds that one Sentinel has to answer, before the next is asked.
_EACH = 0.25

_LOST = (RedisConnectionError, RedisTimeoutError, OSError)


class SentinelSource:
    """A primary by its name, and some of the Sentinels that know it."""

    def __init__(
        self,
        name: str,
        sentinels: Sequence[tuple[type[Any], type[Any], dict[str, Any]]],
        kinds: tuple[type[Any], type[Any]],
        options: dict[str, Any],
        timeouts: tuple[float, float],
    ) -> None:
        self.window: Window = Window(sum(timeouts), FAILOVER)
        self._name = name
        self._sentinels = tuple(sentinels)
        self._kinds = kinds
        self._options = options
        self._timeouts = timeouts
        self._primary: Address | None = None

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        scheme = "rediss" if "SSL" in self._kinds[0].__name__ else "redis"
        hosts = (f"{o['host']}:{o['port']}" for _, _, o in self._sentinels)
        return f"{scheme}+sentinel://{','.join(hosts)}/{self._name}"

    @property
    def place(self) -> str:
        """The server that the Sentinels named last, if they did."""
        if self._primary is None:
            return self.where
        host, port = self._primary
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return Named(f"the primary of {self.where} at {at}")

    def _hear(self, primary: Address | None) -> None:
        self._primary = primary

    def sync_client(self) -> Any:
        """Make a blocking client of whoever is the primary."""
        pools = [
            sync_client(kind, {**options, **settings(*self._timeouts, Retry)})
            for kind, _, options in self._sentinels
        ]
        ways = [client.connection_pool for client in pools]
        compass = Compass(self._name, ways, self._hear)
        options = {**self._options, **settings(*self._timeouts, Retry)}
        base = bounded(self._kinds[0])
        kind = type("Follower", (_Follower, base), {"compass": compass})
        return sync_client(kind, options)

    def async_client(self) -> Any:
        """Make an asyncio client of whoever is the primary."""
        pools = [
            async_client(kind, options, self._timeouts).connection_pool
            for _, kind, options in self._sentinels
        ]
        compass = AsyncCompass(self._name, pools, self._hear)
        kind = type("Follower", (_AsyncFollower, self._kinds[1]), {"compass": compass})
        return async_client(kind, self._options, self._timeouts)

    def heal(self) -> bool:
        """Other people's servers are not ours to start."""
        return False

    def close(self) -> None:
        """Nothing is held."""


class Compass:
    """
    Knows the way to the primary.

    Args:
        name: The primary's, as the Sentinels know it.

        pools: The ways to them.

        hear: Is told whom they name, or None if none of them names one.

    Attributes:
        primary: Who it was when they named one last.
    """

    def __init__(
        self,
        name: str,
        pools: Sequence[Any],
        hear: Callable[[Address | None], None],
    ) -> None:
        self.primary: Address | None = None
        self._hear = hear
        self._pools = list(pools)
        self._question = [pack(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name))]
        self._nobody = f"no Sentinel knows a primary named {name!r}"

    def find(self, until: float) -> Address:
        """Ask the Sentinels, the one that answered last first."""
        problems: list[BaseException] = []
        for pool in list(self._pools):
            connection = pool.make_connection()
            try:
                with readable():
                    connection.begin(min(until, time.monotonic() + _EACH))
                    connection.send_packed_command(self._question, check_health=False)
                    reply = connection.read_response(disable_decoding=True)
            except (AuthenticationError, ResponseError):
                self._hear(None)
                raise
            except _LOST as error:
                problems.append(error)
                continue
            finally:
                connection.disconnect()
            if reply:
                return self._note(pool, reply)
        raise self._none(problems)

    def _none(self, problems: Sequence[BaseException]) -> RedisConnectionError:
        self._hear(None)
        if not problems:
            return UnknownName(self._nobody)
        silent = len(problems) == len(self._pools)
        return nobody("no Sentinel answers" if silent else self._nobody, problems)

    def _note(self, pool: Any, reply: Any) -> Address:
        try:
            host, port = reply
            primary = address(host, port)
        except (TypeError, ValueError) as error:
            raise InvalidResponse("no address of a primary") from error
        # In one step, for other threads.
        self._pools = [pool, *(other for other in self._pools if other is not pool)]
        self.primary = primary
        self._hear(primary)
        return primary


class AsyncCompass(Compass):
    """The same on an event loop, for connections that are shared."""

    def __init__(
        self,
        name: str,
        pools: Sequence[Any],
        hear: Callable[[Address | None], None],
    ) -> None:
        super().__init__(name, pools, hear)
        self.followers: WeakSet[_AsyncFollower] = WeakSet()

    async def find_async(self) -> Address:
        """Ask the Sentinels, the one that answered last first."""
        problems: list[BaseException] = []
        for pool in list(self._pools):
            connection = pool.make_connection()
            try:
                async with asyncio.timeout(_EACH):
                    with readable():
                        await connection.connect()
                        await connection.send_packed_command(
                            self._question, check_health=False
                        )
                        reply = await connection.read_response(disable_decoding=True)
            except (AuthenticationError, ResponseError):
                self._hear(None)
                raise
            except _LOST as error:
                problems.append(error)
                continue
            finally:
                await connection.disconnect(nowait=True)
            if reply:
                primary = self._note(pool, reply)
                for follower in list(self.followers):
                    follower.left_behind()
                return primary
        raise self._none(problems)


class _Follower:
    """A blocking connection to whoever is the primary."""

    compass: Compass
    host: str
    port: int
    _sock: Any
    _until: float

    def begin(self, until: float) -> None:
        if self._sock is not None and self.compass.primary != (self.host, self.port):
            self.disconnect()  # type: ignore[attr-defined]  # of redis-py
        super().begin(until)  # type: ignore[misc]  # of Bounded

    def _connect(self) -> Any:
        self.host, self.port = self.compass.find(self._until)
        return super()._connect()  # type: ignore[misc]  # of redis-py


class _AsyncFollower:
    """An asyncio connection to whoever is the primary."""

    compass: AsyncCompass
    host: str
    port: int

    async def _connect(self) -> None:
        self.host, self.port = await self.compass.find_async()
        self.compass.followers.add(self)
        await super()._connect()  # type: ignore[misc]  # of redis-py

    def left_behind(self) -> None:
        """Break off: what waits for a reply goes again, to another server."""
        writer = getattr(self, "_writer", None)
        if writer is not None and self.compass.primary != (self.host, self.port):
            writer.transport.abort()
