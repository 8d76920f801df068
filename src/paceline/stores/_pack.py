"""Commands as a server reads them (RESP2: arrays of bulk strings)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .._calls import Packed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._calls import Arg


def pack(parts: Iterable[Arg | Packed]) -> bytes:
    """Pack one command."""
    count, packed = 0, [b""]
    for part in parts:
        if type(part) is Packed:
            count += len(part.args)
            packed.append(part.data or _fill(part))
        else:
            count += 1
            packed.append(bulk(part))  # type: ignore[arg-type]  # nothing else is left
    packed[0] = b"*%d\r\n" % count
    return b"".join(packed)


def _fill(part: Packed) -> bytes:
    part.data = b"".join(map(bulk, part.args))
    return part.data


def bulk(arg: Arg) -> bytes:
    """Pack one argument."""
    return _text(arg) if isinstance(arg, str) else _bulk(b"%d" % arg)


# Scripts, keys, lanes: most texts of a call are those of the one before.
@lru_cache(maxsize=1024)
def _text(arg: str) -> bytes:
    return _bulk(arg.encode())


def _bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)
