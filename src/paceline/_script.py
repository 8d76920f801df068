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

# A constant that several functions use, and what stands for it.
_CONSTANTS = re.compile(
    r"^local ([A-Z]+_[A-Z_]+(?:, [A-Z]+_[A-Z_]+)*) = (.+)$", re.MULTILINE
)
_LITERAL = re.compile(r'-?\d+|"[^"]*"')
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
    source = _constants_in_place(_expand(name, seen=set()))
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


def _constants_in_place(source: str) -> str:
    """
    Write numbers and texts with a name in capitals where they are used.

    Lua makes a script's functions anew at each call, and each name from outside that
    they use costs; what stands there as a literal costs nothing.
    """
    known: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        names, values = match[1].split(", "), match[2].split(", ")
        if len(names) != len(values) or not all(map(_LITERAL.fullmatch, values)):
            return match[0]
        known.update(zip(names, values, strict=True))
        return ""  # an empty line: errors tell the lines of the file

    source = _CONSTANTS.sub(take, source)
    if not known:
        return source
    any_of = re.compile(rf"\b(?:{'|'.join(known)})\b")
    return any_of.sub(lambda match: known[match[0]], source)


def _root() -> Traversable:
    packaged = files(__package__ or "paceline") / "_lua"
    # An editable install leaves lua/ where it is: at the root of the repository.
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "lua"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for each in names():
        (target / f"{each}.lua").write_text(load(each).source, "utf-8")
