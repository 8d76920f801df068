"""Connections of an event loop to the nodes of a cluster. The twin of ``_nodes``."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import AuthenticationError, ClusterDownError, ResponseError

from ._hopeless import NoPrimary, nobody
from ._nodes import ASKING, GUIDE, HOPS, LOST, SLOTS
from ._pack import pack
from ._pipes import AsyncPipes
from ._resp import readable
from ._slots import Address, Atlas, redirection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._link import Link
    from ._pipes import Command


class AsyncClusterPipes:
    """Connections to each node, shared by the tasks of one event loop."""

    def __init__(self, atlas: Atlas, pool: Callable[[Address], Any]) -> None:
        self._atlas = atlas
        self._make = pool
        self._pools: dict[Address, Any] = {}
        self._nodes: dict[Address, AsyncPipes] = {}
        self._charting = asyncio.Lock()

    def partly(self, key: str) -> bool:
        """Tell whether other nodes may answer although that of a key does not."""
        return len(self._nodes) > 1 or self._atlas.owner(key) is None

    async def call(self, key: str, command: Command, until: float) -> Any:
        """Send a command to the node that has a key; return its reply, by *until*."""
        for _ in range(HOPS):
            if self._atlas.stale:
                await self._chart(until)
            address = self._atlas.owner(key)
            if address is None:
                self._atlas.stale = True
                raise ClusterDownError("no node has the slot")
            try:
                return await self._at(address).call(key, command, until)
            except ResponseError as error:
                sent = redirection(error, address)
                if sent is None:
                    raise
                if sent.once:
                    asking = [ASKING, pack(command)]
                    return (await self._once(sent.address, asking, until))[-1]
                self._atlas.moved(sent)
            except LOST:
                self._atlas.doubt(address)
                raise
        raise ClusterDownError("the nodes send a call around in circles")

    def link(self, key: str) -> Link | None:
        """Return the open connection of a scope, if there is one."""
        address = self._atlas.owner(key)
        if self._atlas.stale or address not in self._nodes:
            return None
        return self._nodes[address].link(key)

    def _at(self, address: Address) -> AsyncPipes:
        if address not in self._nodes:
            self._nodes[address] = AsyncPipes(self._pool(address))
        return self._nodes[address]

    def _pool(self, address: Address) -> Any:
        if address not in self._pools:
            self._pools[address] = self._make(address)
        return self._pools[address]

    async def _once(
        self, address: Address, packed: list[bytes], until: float
    ) -> list[Any]:
        """Send commands on a connection of their own; return their replies."""
        connection = self._pool(address).make_connection()
        try:
            async with _by(until):
                with readable():
                    await connection.connect()
                    await connection.send_packed_command(packed, check_health=False)
                    return [
                        await connection.read_response(disable_decoding=True)
                        for _ in packed
                    ]
        finally:
            await connection.disconnect(nowait=True)

    async def _chart(self, until: float) -> None:
        """Ask who has which slots; one task does for all."""
        try:
            async with _by(until), self._charting:
                if self._atlas.stale:
                    await self._ask_around(until)
        except TimeoutError as error:
            raise NoPrimary("nobody said in time who has which slots") from error

    async def _ask_around(self, until: float) -> None:
        problems: list[BaseException] = []
        for address in self._atlas.guides():
            end = min(until, time.monotonic() + GUIDE)
            try:
                (reply,) = await self._once(address, [SLOTS], end)
            except AuthenticationError:
                raise
            except LOST as error:
                problems.append(error)
            else:
                await self._keep(self._atlas.draw(reply, address))
                return
        raise nobody("no node of the cluster answers", problems)

    async def _keep(self, nodes: set[Address]) -> None:
        for address in [each for each in self._nodes if each not in nodes]:
            self._pools.pop(address, None)
            await self._nodes.pop(address).aclose()

    async def fresh(self) -> None:
        """Close what is idle: the next call is the first on its connection."""
        for pipes in list(self._nodes.values()):
            await pipes.fresh()

    def abandon(self) -> None:
        """Close the sockets of a loop that is closed."""
        for pipes in self._nodes.values():
            pipes.abandon()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._keep(set())


def _by(until: float) -> asyncio.Timeout:
    loop = asyncio.get_running_loop()
    return asyncio.timeout_at(loop.time() + until - time.monotonic())
