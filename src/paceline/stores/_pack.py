"""Commands as a server reads them (RESP2: arrays of bulk strings)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._calls import Arg


def pack(args: tuple[Arg, ...]) -> bytes:
    """Pack one command."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        text = arg.encode() if isinstance(arg, str) else b"%d" % arg
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)
