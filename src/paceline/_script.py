"""
Find the Lua scripts and join their includes.

``python -m paceline._script DIRECTORY`` writes the joined scripts there.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_INCLUDE = re.compile(r'^--- @include "(?P<name>[a-z_/]+)"\n', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """
    A self-contained Lua script.

    Attributes:
        name: Its file, without ``.lua``.

        source: The script with its includes in place.

        sha: Its SHA-1 hex digest, which is its name for EVALSHA. Two versions of
            this package have two names, so they can share one server.
    """

    name: str
    source: str
    sha: str


def names() -> list[str]:
    """Name every script, in order."""
    found = (entry.name for entry in _root().iterdir())
    return sorted(n.removesuffix(".lua") for n in found if n.endswith(".lua"))


@cache
def load(name: str) -> Script:
    """Return the script ``lua/{name}.lua``, joined."""
    source = _expand(name, seen=set())
    return Script(
        name, source, sha1(source.encode(), usedforsecurity=False).hexdigest()
    )


def _expand(name: str, seen: set[str]) -> str:
    seen.add(name)

    def include(match: re.Match[str]) -> str:
        child = match["name"]
        return "" if child in seen else _expand(child, seen)

    text = _root().joinpath(f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(include, text)


def _root() -> Traversable:
    packaged = files(__package__ or "paceline") / "_lua"
    # An editable install leaves lua/ where it is: at the root of the repository.
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "lua"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for each in names():
        (target / f"{each}.lua").write_text(load(each).source, "utf-8")
