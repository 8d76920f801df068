"""
Never send on an asyncio connection that the peer has already closed.

redis-py 8.1 sends on such connections after a server's restart (redis-py issue 4252).
A look costs a system call; reconnecting before anything was sent charges nobody twice.
"""

from __future__ import annotations

import select
from typing import Any


def hung_up(connection: Any) -> bool:
    """Tell whether the peer has closed an idle connection."""
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
