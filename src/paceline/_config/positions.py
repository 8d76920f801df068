"""
Where each key and value of a TOML document stands: what ``tomllib`` does not tell.

Only for documents that ``tomllib`` has read, so it need not find faults. A test holds
it against ``tomllib``: the same paths, and each value's text reads as that value.
"""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*+")
_SPACE = re.compile(r"[ \t]*+")
_TEXT = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
_BARE = re.compile(r"[^\s.=\[\]{}\"'#,]++")
_SCALAR = re.compile(r"[^,\]}#\n]++")


class Span(NamedTuple):
    """
    Where a key and its value stand, as offsets: first character, and after the last.

    A table that has no text of its own has the place of its name as value; an element
    of an array has the place of its value as key.
    """

    key: tuple[int, int]
    value: tuple[int, int]


def positions(text: str) -> dict[Path, Span]:
    """Return the place of every table, key and element in a valid document."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.spans


class _Scanner:
    """A document, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spans: dict[Path, Span] = {}
        # The number of the last element of each array of tables.
        self._last: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._blank() < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _blank(self) -> int:
        self._skip(_BLANK)
        return self.at

    def _skip(self, pattern: re.Pattern[str]) -> tuple[int, int]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(self.at)  # the document is none
        self.at = match.end()
        return match.span()

    def _take(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += len(char)
        return True

    def _header(self) -> Path:
        """Read ``[table]`` or ``[[table]]``; return the path of what follows."""
        many = self._take("[[")
        if not many:
            self._take("[")
        path: Path = ()
        names = self._key()
        for number, (name, place) in enumerate(names, 1):
            path = (*path, name)
            self.spans.setdefault(path, Span(place, place))
            if many and number == len(names):
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
                self.spans.setdefault(path, Span(place, place))
        self._take("]]" if many else "]")
        return path

    def _pair(self, table: Path) -> None:
        path = table
        names = self._key()
        for name, place in names:
            path = (*path, name)
            self.spans.setdefault(path, Span(place, place))
        self._take("=")
        self._skip(_SPACE)
        self.spans[path] = Span(names[-1][1], self._value(path))

    def _key(self) -> list[tuple[str, tuple[int, int]]]:
        """Read a dotted key: each name, and where it stands."""
        names = []
        while True:
            self._skip(_SPACE)
            quoted = self.text[self.at] in "\"'"
            start, end = place = self._skip(_TEXT if quoted else _BARE)
            name = self.text[start:end]
            if quoted:
                name = tomllib.loads(f"name = {name}")["name"]
            names.append((name, place))
            self._skip(_SPACE)
            if not self._take("."):
                return names

    def _value(self, path: Path) -> tuple[int, int]:
        start = self.at
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            while not self._ends("}"):
                self._pair(path)
        elif self.text[start] in "\"'":
            return self._skip(_TEXT)
        else:
            _, end = self._skip(_SCALAR)
            return start, start + len(self.text[start:end].rstrip())
        return start, self.at

    def _array(self, path: Path) -> None:
        number = 0
        while not self._ends("]"):
            place = self._value((*path, number))
            self.spans[(*path, number)] = Span(place, place)
            number += 1

    def _ends(self, bracket: str) -> bool:
        self._blank()
        if self._take(","):
            self._blank()
        return self._take(bracket)
