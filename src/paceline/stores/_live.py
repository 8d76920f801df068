"""
Never send on an asyncio connection that the peer has already closed.

redis-py 8.1's asyncio pool hands such connections out after a server's restart
(redis-py issue 4252). A look costs a system call, and reconnecting before anything was
sent charges nobody twice.
"""

from __future__ import annotations

import select
from functools import cache
from typing import Any


def live(kind: Any) -> type[Any]:
    """Return *kind*, an asyncio connection class, with a look before each command."""
    return _live(kind)


@cache
def _live(kind: Any) -> type[Any]:
    class Live(kind):  # type: ignore[misc]  # the base is the user's choice
        async def send_packed_command(
            self, command: Any, *args: Any, **options: Any
        ) -> None:
            if _hung_up(self):
                await self.disconnect(nowait=True)
            await super().send_packed_command(command, *args, **options)

    Live.__name__ = f"Live{kind.__name__}"
    return Live


def _hung_up(connection: Any) -> bool:
    reader = getattr(connection, "_reader", None)
    writer = getattr(connection, "_writer", None)
    if reader is None or writer is None or not hasattr(writer, "transport"):
        return False
    if reader.at_eof() or reader.exception() or writer.transport.is_closing():
        return True
    # The loop may not have read the end yet. Between commands nothing is due, so
    # whatever there is to read means that this connection is of no use any more.
    sock = writer.get_extra_info("socket")
    if sock is None or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
