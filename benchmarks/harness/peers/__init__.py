"""
Other limiters on Redis behind one face, each built as its own documentation shows.

A peer is given a limit of so many requests per so many whole seconds. Its module is
imported when it is asked for, in the process that uses it: whoever changes that
process's clock first changes the peer's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..result import version
from .peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Peer", "find", "installed"]

# Each distribution, and the module here that knows it.
_MODULES = {
    "paceline": "ours",
    "limits": "limits",
    "pyrate-limiter": "pyrate",
    "throttled-py": "throttled",
    "steindamm": "steindamm",
    "ratelimit-io": "ratelimit_io",
    "token-throttle": "token_throttle",
}


def installed() -> list[Peer]:
    """Return paceline and the peers that are installed."""
    return [peer for package in _MODULES if version(package) for peer in _of(package)]


def find(name: str) -> Peer:
    """Return the peer of that name, importing no other library."""
    return next(peer for peer in _of(name.partition(" ")[0]) if peer.name == name)


def _of(package: str) -> Iterator[Peer]:
    yield from import_module(f".{_MODULES[package]}", __package__).PEERS
