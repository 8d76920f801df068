"""
Other limiters on Redis behind one face, each built as its own documentation shows.

A peer is given a limit of so many requests per so many whole seconds. Its module is
imported when it is asked for, in the process that uses it: whoever changes that
process's clock first changes the peer's.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from ..measure import Row
from ..result import version
from .peer import Peer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["PACKAGES", "Peer", "find", "installed", "missing"]

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


PACKAGES = tuple(_MODULES)
# Distributions that need a newer Python than paceline.
_NEEDS = {"token-throttle": (3, 12)}


def installed(only: Collection[str] | None = None) -> list[Peer]:
    """Return paceline and the peers that are installed, or *only* some of them."""
    known = [package for package in _chosen(only) if version(package)]
    return [peer for package in known for peer in _of(package)]


def missing(only: Collection[str] | None = None) -> list[Row]:
    """Return a row per peer that cannot be measured here; its note says why."""
    return [
        Row(package, {}, _why(package))
        for package in _chosen(only)
        if not version(package)
    ]


def _chosen(only: Collection[str] | None) -> Iterator[str]:
    return (package for package in _MODULES if only is None or package in only)


def _why(package: str) -> str:
    needs = _NEEDS.get(package, (0, 0))
    if sys.version_info < needs:
        here, there = sys.version_info[:2], needs
        return "not measured: needs Python {}.{}, this is {}.{}".format(*there, *here)
    return "not measured: not installed (pip install -e '.[bench]')"


def find(name: str) -> Peer:
    """Return the peer of that name, importing no other library."""
    return next(peer for peer in _of(name.partition(" ")[0]) if peer.name == name)


def _of(package: str) -> Iterator[Peer]:
    yield from import_module(f".{_MODULES[package]}", __package__).PEERS
