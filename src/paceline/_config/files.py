"""Find a configuration file and read it into a document."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from .._errors import ConfigError
from .positions import Path as Place, Span, positions
from .secrets import masked
from .sheet import Document, Sheet

FILE = "paceline.toml"
_PROJECT = "pyproject.toml"
_ROOT = ("tool", "paceline")
_VARIABLE = "PACELINE_CONFIG"
_MOST_BYTES = 1_000_000
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_QUOTES = 'Texts have quotes around them: store = "redis://localhost:6379/0".'
_HINTS = {
    "Invalid value": _QUOTES,
    "Expected newline or end of document": "One option a line. " + _QUOTES,
    "Cannot overwrite a value": "Each name may stand in its table once.",
    "Cannot declare": "Each table may stand in a file once: join them.",
    "Invalid statement": "A line is a [table], or name = value; a name with a dot, "
    'a colon or a blank in it has quotes: "gpt-3.5" = ...',
    "Expected '=' after a key": "A name with a blank or a colon in it has quotes: "
    '"gpt 4" = ...',
}


def find(path: str | os.PathLike[str] | None) -> Document:
    """
    Find and read a file.

    Args:
        path: The file. None takes $PACELINE_CONFIG, or else looks in the working
            directory and its parents for paceline.toml, or for a pyproject.toml with
            a table tool.paceline.

    Raises:
        ConfigError: If there is none or it cannot be read (P121), or is no TOML (P122).
    """
    given = os.environ.get(_VARIABLE) if path is None else os.fspath(path)
    if given:
        return _read(Path(given), str(given))
    if path is not None:
        raise ConfigError("the path of the configuration file is empty", code="P121")
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in (FILE, _PROJECT):
            file = folder / name
            if file.is_file():
                shown = name if folder == here else str(file)
                document = _read(file, shown, searching=name == _PROJECT)
                if name == FILE or _has_table(document):
                    return document
    raise ConfigError(
        f"there is no {FILE} in {here} or above it",
        code="P121",
        hint=f'Write one, name one (from_config("..."), ${_VARIABLE}), or add '
        f"[tool.paceline] to {_PROJECT}.",
    )


def parse(
    text: str, file: str, root: Place = (), *, searching: bool = False
) -> Document:
    """
    Make a document of a text.

    Args:
        text: TOML.

        file: How errors name it.

        root: Where our tables are in it.

        searching: Whether it is read only to see whether our tables are in it; then a
            file that is no TOML and does not mention us is empty.

    Raises:
        ConfigError: If it is no TOML (P122).
    """
    text = text.replace("\r\n", "\n")
    try:
        return Document(file, text, tomllib.loads(text), _positions(text), root)
    except RecursionError:
        where, what = 0, "brackets are nested too deeply"
    except ValueError as error:  # of all kinds: a number may have too many digits
        where, what = _place(text, str(error)), str(error)
    if searching and "paceline" not in text:
        return Document(file, "", {}, root=root)
    # The reader quotes names that it found, and someone may have taken a key for one.
    what = masked(_WHERE.sub("", what), careful=True)
    hint = next((hint for start, hint in _HINTS.items() if what.startswith(start)), "")
    refused = ConfigError(f"this is no TOML: {what}", code="P122", hint=hint)
    raise Sheet(Document(file, text, {})).careful(where, refused)


def _positions(text: str) -> dict[Place, Span]:
    try:
        return positions(text)
    except (ValueError, IndexError):  # a newer TOML than ours: no lines, but answers
        return {}


def _place(text: str, message: str) -> int:
    found = _WHERE.search(message)
    if found is None:
        return 0
    if found[1] is None:
        return len(text.rstrip())
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: int(found[1]) - 1]) + int(found[2]) - 1


def _read(file: Path, shown: str, *, searching: bool = False) -> Document:
    root = _ROOT if file.name == _PROJECT else ()
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
        if len(raw) <= _MOST_BYTES:
            return parse(raw.decode("utf-8-sig"), shown, root, searching=searching)
        what = f"it is larger than {_MOST_BYTES:,} bytes"
    except FileNotFoundError:
        what = "there is no such file"
    except IsADirectoryError:
        what = f"it is a directory; name the file in it, such as {FILE}"
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} is not UTF-8, which TOML is written in"
    except (OSError, ValueError) as error:  # a null character in a path is the latter
        if isinstance(error, ConfigError):
            raise
        what = getattr(error, "strerror", None) or type(error).__name__
    if searching:
        return Document(shown, "", {}, root=root)
    raise ConfigError(
        f"{shown!a} cannot be read: {what}", code="P121", file=shown
    ) from None


def _has_table(document: Document) -> bool:
    tool = document.tree.get(_ROOT[0])
    return isinstance(tool, dict) and _ROOT[1] in tool
