"""A document, and all that is wrong with it, told like a compiler does."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._errors import ConfigError
from .._suggest import marked
from .positions import Path, Span
from .secrets import masked

# Longer lines are shown in part, around the mark.
_WIDEST = 100


@dataclass(frozen=True, slots=True)
class Document:
    """
    A file that could be read.

    Attributes:
        file: Its path, for people.

        text: What it says, with line feeds between lines.

        tree: The same, as tables.

        spans: Where each table, key and element stands.

        root: Where our tables begin: ``tool.paceline`` in a pyproject.toml.
    """

    file: str
    text: str
    tree: Mapping[str, object]
    spans: Mapping[Path, Span] = field(default_factory=dict)
    root: Path = ()


@dataclass(frozen=True, slots=True)
class _Problem:
    start: int
    end: int
    error: ConfigError


class Sheet:
    """Collects what is wrong, and raises it at the end, in the order of the file."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems: list[_Problem] = []
        self._hidden: list[tuple[int, int]] = []
        text = document.text
        self._starts = [0, *(i + 1 for i, char in enumerate(text) if char == "\n")]

    @property
    def count(self) -> int:
        """How many problems there are so far."""
        return len(self._problems)

    def add(
        self, path: Path, error: ConfigError, *, on_key: bool = False, part: str = ""
    ) -> None:
        """
        Write down that what stands at *path* is wrong.

        Args:
            path: From the root of our tables.

            error: What is wrong, and what to do.

            on_key: Whether the name is to blame, and not the value.

            part: The text of the value that ``error.column`` counts in, if it does.
        """
        start, end = self._place(path, on_key=on_key)
        if part and error.column:
            # Only where the file has the very text, without escapes, on one line.
            at = start + 1
            if self.document.text[at : end - 1] == part:
                wide = error.caret.rpartition("\n")[2].count("^")
                start = at + error.column - 1
                end = start + max(1, wide)
        self._problems.append(_Problem(start, end, error))

    def hide(self, path: Path, *, on_key: bool = False) -> None:
        """Let no line show what stands at *path*."""
        self._hidden.append(self._place(path, on_key=on_key))

    def careful(self, start: int, error: ConfigError) -> ConfigError:
        """Return *error* for the character at *start* of a file that is no TOML."""
        return self._told(_Problem(start, start + 1, error), careful=True)

    def finish(self) -> None:
        """Raise what is wrong: a problem as it is, several in one error."""
        ordered = sorted(self._problems, key=lambda problem: problem.start)
        told = [self._told(problem) for problem in ordered]
        if len(told) == 1:
            raise told[0]
        if told:
            raise ConfigError(
                f"{len(told)} problems in {self.document.file}",
                code="P120",
                file=self.document.file,
                problems=tuple(told),
            )

    def _place(self, path: Path, *, on_key: bool) -> tuple[int, int]:
        full = (*self.document.root, *path)
        # What stands nowhere has the place of the table that should have it.
        while full and full not in self.document.spans:
            full = full[:-1]
        span = self.document.spans.get(full)
        if span is None:
            return 0, 0
        return span.key if on_key else span.value

    def _told(self, problem: _Problem, *, careful: bool = False) -> ConfigError:
        row = bisect_right(self._starts, problem.start) - 1
        first = self._starts[row]
        line = self.document.text[first:].partition("\n")[0]
        for start, end in self._hidden:
            left, right = max(start - first, 0), min(end - first, len(line))
            if left < right:
                line = line[:left] + "*" * (right - left) + line[right:]
        line = masked(line, careful=careful).replace("\t", " ")
        left = min(problem.start - first, len(line))
        right = min(max(problem.end - first, left + 1), max(len(line), left + 1))
        error = problem.error
        return ConfigError(
            error.message,
            code=error.code,
            hint=error.hint,
            file=self.document.file,
            line=row + 1,
            column=left + 1,
            caret=_excerpt(line, left, right) if line.strip() else "",
            suggestion=error.suggestion,
        )


def _excerpt(line: str, left: int, right: int) -> str:
    if len(line) <= _WIDEST:
        return marked(line, left, right)
    begin = max(0, min(left - _WIDEST // 4, len(line) - _WIDEST))
    before = "..." if begin else ""
    after = "..." if begin + _WIDEST < len(line) else ""
    shown = before + line[begin : begin + _WIDEST] + after
    shift = begin - len(before)
    return marked(shown, left - shift, min(right - shift, len(shown)))
