"""
The input: lines in the format of OpenAI's Batch API, all read before one is sent.

Only what is needed to wait for a turn is kept of each row. Its body is read again when
its turn has come: a file may hold 200 MB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from paceline._errors import ConfigError, PacelineError
from paceline._suggest import closest, listed, shown

from ._provider import URLS, cost_of

if TYPE_CHECKING:
    from paceline import Key
    from paceline._policy import Policy

_BOM = b"\xef\xbb\xbf"
_MOST_SHOWN = 10
# What each place cannot do without.
_NEEDED = dict(zip(URLS, ("messages", "input", "input"), strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """
    A request to make.

    Attributes:
        custom_id: Its name, unique in the file.

        url: Where it goes, e.g. ``"/v1/responses"``.

        model: Whose limits it counts against.

        cost: What to reserve for it, by unit.

        line: Where it stands in the file, from 1.
    """

    custom_id: str
    url: str
    model: str
    cost: Mapping[str, int]
    line: int
    start: int = field(repr=False)
    length: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rows:
    """
    What a file holds.

    Attributes:
        path: The file.

        rows: Its requests, in order.

        problems: What is wrong with the other lines: "file:line: what. What to do."
    """

    path: Path
    rows: tuple[Row, ...]
    problems: tuple[str, ...]

    @contextmanager
    def open(self) -> Iterator[Callable[[Row], dict[str, object]]]:
        """Open the file for as long as a block lasts; give what reads a row anew."""
        with self.path.open("rb") as file:

            def fields(row: Row) -> dict[str, object]:
                return _read_again(file, row, self.path)

            yield fields


class _BadRowError(Exception):
    """A line that is no request: what is wrong, and what to do."""


def read_rows(
    path: Path, key_of: Callable[[str], Key], policy_of: Callable[[Key], Policy]
) -> Rows:
    """
    Read and check a file.

    Args:
        path: The file.

        key_of: From a model to whose quota it uses.

        policy_of: From a key to the limits that apply to it.

    Raises:
        ConfigError: If the file cannot be read (P702).
    """
    rows: list[Row] = []
    problems: list[str] = []
    lines: dict[str, int] = {}
    policies: dict[str, Policy] = {}

    def policy(model: str) -> Policy:
        if model not in policies:
            policies[model] = policy_of(key_of(model))
        return policies[model]

    try:
        with path.open("rb") as file:
            for number, start, text in _lines(file):
                try:
                    row = _row(text, number, start, policy)
                    if row.custom_id in lines:
                        name, first = shown(row.custom_id), lines[row.custom_id]
                        raise _BadRowError(  # noqa: TRY301 -- told as all others
                            f"custom_id {name} is that of line {first} too. Give each "
                            "row its own."
                        )
                except _BadRowError as problem:
                    problems.append(f"{path}:{number}: {problem}")
                    continue
                lines[row.custom_id] = number
                rows.append(row)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            code="P702",
            hint="Give a file with one request in JSON on each line.",
        ) from error
    return Rows(path, tuple(rows), tuple(problems))


def refuse_problems(rows: Rows) -> None:
    """
    Raise if a line is no request.

    Raises:
        ConfigError: With the first of the problems (P701).
    """
    if not rows.problems:
        return
    count = len(rows.problems)
    more = count - _MOST_SHOWN
    told = [
        *rows.problems[:_MOST_SHOWN],
        *([f"... and {more:,} more"] if more > 0 else []),
    ]
    raise ConfigError(
        f"{count:,} of {count + len(rows.rows):,} rows are no requests; nothing was "
        "sent\n  " + "\n  ".join(told),
        code="P701",
        hint="Mend these rows, or leave them out with --skip-invalid "
        "(skip_invalid=True).",
    )


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number, the place and the text of each line that is not blank."""
    place = 0
    for number, line in enumerate(file, 1):
        skip = len(_BOM) if number == 1 and line.startswith(_BOM) else 0
        text = line[skip:]
        if text.strip():
            yield number, place + skip, text
        place += len(line)


def _row(text: bytes, number: int, start: int, policy: Callable[[str], Policy]) -> Row:
    fields = _parse(text)
    custom_id, url, body = (fields.get(name) for name in ("custom_id", "url", "body"))
    if not isinstance(custom_id, str) or not custom_id:
        raise _BadRowError("custom_id is missing, or no text. Give each row its own.")
    if fields.get("method", "POST") != "POST":
        raise _BadRowError(f"method is {shown(fields['method'])}. Only POST is known.")
    if not isinstance(url, str) or url not in URLS:
        near = closest(url, URLS) if isinstance(url, str) else None
        meant = f'Did you mean "{near}"? ' if near else ""
        raise _BadRowError(
            f"url is {shown(url)}, which is unknown. {meant}Known are {listed(URLS)}."
        )
    if not isinstance(body, dict):
        raise _BadRowError("body is missing, or no object. It is what is sent.")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _BadRowError("body has no model. Limits go by the model.")
    if not body.get(_NEEDED[url]):
        raise _BadRowError(f"body has no {_NEEDED[url]}, which {url} needs.")
    if body.get("stream"):
        raise _BadRowError("body asks for a stream. A batch takes whole answers.")
    try:
        limits = policy(model)
        cost = cost_of(url, body, limits.units)
        limits.charges(cost)
    except PacelineError as error:
        raise _BadRowError(f"[{error.code}] {error.message}. {error.hint}") from error
    return Row(custom_id, url, model, cost, number, start, len(text))


def _parse(text: bytes) -> dict[str, object]:
    try:
        fields = json.loads(text.rstrip(), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise _BadRowError("the text is not UTF-8. Save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        what = f"{error.msg} at column {error.colno}"
        raise _BadRowError(
            f"no JSON: {what}. Write one object on each line."
        ) from error
    except (ValueError, RecursionError) as error:
        raise _BadRowError(
            f"no JSON: {error}. Write one object on each line."
        ) from error
    if not isinstance(fields, dict):
        raise _BadRowError(f"{type(fields).__name__} is no row. Write an object.")
    return fields


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")


def _read_again(file: BinaryIO, row: Row, path: Path) -> dict[str, object]:
    file.seek(row.start)
    try:
        fields = _parse(file.read(row.length))
    except _BadRowError:
        fields = {}
    if fields.get("custom_id") != row.custom_id:
        raise ConfigError(
            f"{path}:{row.line}: the row changed while the batch was running",
            code="P702",
            hint="Leave the file alone until the batch is over, then run it again: "
            "what was answered is not sent twice.",
        )
    return fields
