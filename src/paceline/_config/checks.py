"""The checks that all parts of a file share: kinds of values, and names of options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from .._errors import ConfigError, PacelineError
from .._suggest import closest, listed, shown
from .positions import Path
from .secrets import is_provider_key, is_secret, is_telling, is_variable
from .sheet import Sheet

T = TypeVar("T")

_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
# What people call our options, where no letters are near.
_MEANT = {
    "models": "limits",
    "model": "limits",
    "limit": "limits",
    "rate": "limits",
    "rates": "limits",
    "rate_limits": "limits",
    "url": "store",
    "redis": "store",
    "redis_url": "store",
    "backend": "store",
    "jitter": "guard",
    "timeout": "call_timeout",
    "outage": "on_outage",
    "on_failure": "on_outage",
    "fail_open": "on_outage",
    "teams": "scopes",
    "keys": "scopes",
    "quotas": "scopes",
    "groups": "families",
    "aliases": "families",
    "global": "shared",
    "total": "shared",
    "env": "key_env",
}


def wrong(what: str, *, code: str = "P124", hint: str = "") -> ConfigError:
    """Make the error for a value of the wrong kind."""
    return ConfigError(what, code=code, hint=hint)


def kind(value: object) -> str:
    """Name the kind of a value as TOML does."""
    return _KINDS.get(type(value), "a date or time")


def attempt(
    sheet: Sheet, path: Path, make: Callable[[], T], *, on_key: bool = False
) -> T | None:
    """Return what *make* returns; write down what it refuses, and return None."""
    try:
        return make()
    except PacelineError as error:
        refused = ConfigError(error.message, code=error.code, hint=error.hint)
        if isinstance(error, ConfigError):
            refused.suggestion = error.suggestion
    sheet.add(path, refused, on_key=on_key)
    return None


def table(sheet: Sheet, path: Path, value: object, hint: str) -> dict[str, object]:
    """Return a table; write down what is none, and return an empty one."""
    if isinstance(value, dict):
        return value
    what = f"{shown(path[-1])} is {kind(value)}, not a table"
    sheet.add(path, wrong(what, hint=hint))
    return {}


def check_names(
    sheet: Sheet, path: Path, given: Iterable[str], known: Iterable[str], where: str
) -> None:
    """Write down each option that there is not, with the nearest one."""
    known = list(known)
    for name in given:
        if name in known:
            continue
        meant = _MEANT.get(name.lower().replace("-", "_"))
        near = meant if meant in known else closest(name, known)
        hint = f'Did you mean "{near}"?' if near else f"There are {listed(known)}."
        error = ConfigError(
            f"{where} no option {shown(name)}", code="P123", hint=hint, suggestion=near
        )
        sheet.add((*path, name), error, on_key=True)


def variable(sheet: Sheet, path: Path, value: object) -> str | None:
    """Return the name of an environment variable; write down what is none, unseen."""
    if isinstance(value, str) and is_variable(value):
        return value
    sheet.hide(path)
    what = f"{path[-1]} is not the name of an environment variable"
    hint = f'Write the name, never the secret: {path[-1]} = "OPENAI_API_KEY".'
    sheet.add(path, wrong(what, code="P125", hint=hint))
    return None


def without_secrets(sheet: Sheet, tree: Mapping[str, object]) -> dict[str, object]:
    """
    Return the tables without what looks like a secret, which is written down, unseen.

    Whatever is checked later cannot show it.
    """
    cleaned = _clean(sheet, (), tree)
    return cleaned if isinstance(cleaned, dict) else {}


_NOTHING = object()


def _clean(sheet: Sheet, path: Path, value: object) -> object:
    if isinstance(value, list):
        parts = [_clean(sheet, (*path, i), each) for i, each in enumerate(value)]
        # A list keeps its numbers, by which its elements are found in the file.
        return [None if part is _NOTHING else part for part in parts]
    if isinstance(value, str) and (is_secret(value) or _is_telling(path)):
        _refuse(sheet, path, on_key=False)
        return _NOTHING
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, each in value.items():
        here = (*path, name)
        if is_provider_key(name):
            _refuse(sheet, here, on_key=True)
            continue
        part = _clean(sheet, here, each)
        if part is not _NOTHING:
            kept[name] = part
    return kept


def _is_telling(path: Path) -> bool:
    # Options only: a model may have any name.
    option = len(path) == 1 or (len(path) == 3 and path[0] in ("scopes", "scope"))  # noqa: PLR2004 -- scopes, name, option
    return option and isinstance(path[-1], str) and is_telling(path[-1])


def _refuse(sheet: Sheet, path: Path, *, on_key: bool) -> None:
    sheet.hide(path, on_key=on_key)
    error = ConfigError(
        "this looks like a secret, and a file is no place for one",
        code="P125",
        hint="Put it into the environment and write the variable's name here, such as "
        'key_env = "OPENAI_API_KEY". Revoke it if the file was ever shared.',
    )
    sheet.add(path, error, on_key=on_key)
