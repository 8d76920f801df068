"""From a document to what it says, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qs, urlsplit

from .._errors import ConfigError
from .._key import Key
from .._options import AMNESIA, as_policy, seconds
from .._suggest import shown
from ..stores._open import check_address
from .checks import (
    attempt,
    check_names,
    kind,
    table,
    variable,
    without_secrets,
    wrong,
)
from .sections import NAMES, read_section
from .sheet import Document, Sheet
from .values import Config, Scope, Section

# Seconds: the most, and whether 0 makes sense.
_SECONDS = {
    "guard": (60.0, True),
    "connect_timeout": (3600.0, False),
    "call_timeout": (3600.0, False),
}
_WORDS = {"on_amnesia": AMNESIA}
_VARIABLES = ("store_env", "secret_env")
OPTIONS = ("store", *_VARIABLES, *_SECONDS, *_WORDS, "on_outage", *NAMES, "scopes")
_SCOPE_OPTIONS = ("key_env", *NAMES)


def read(document: Document) -> Config:
    """
    Check a document and return what it says.

    Raises:
        ConfigError: With everything that is wrong.
    """
    sheet = Sheet(document)
    tree: object = document.tree
    for name in document.root:
        tree = tree.get(name, {}) if isinstance(tree, dict) else {}
    if not isinstance(tree, dict):
        sheet.add((), wrong(f"tool.paceline is {kind(tree)}, not a table"))
        sheet.finish()
        tree = {}
    given = without_secrets(sheet, tree)
    check_names(sheet, (), given, OPTIONS, "there is")
    named = {
        name: variable(sheet, (name,), given[name])
        for name in _VARIABLES
        if name in given
    }
    store, options = _store(sheet, given), _options(sheet, given)
    policy = None
    if "on_outage" in given:
        policy = attempt(sheet, ("on_outage",), partial(as_policy, given["on_outage"]))
    section = read_section(sheet, (), given)
    scopes = _scopes(sheet, given, section)
    if not sheet.count and section is None and not scopes:
        hint = 'For example limits = ["500 requests/min", "30k tokens/min"].'
        sheet.add((), wrong("no limits are given", code="P101", hint=hint))
    sheet.finish()
    return Config(
        document.file,
        store,
        named.get("store_env"),
        named.get("secret_env"),
        options,
        section,
        scopes,
        policy,
    )


def _store(sheet: Sheet, given: Mapping[str, object]) -> str | None:
    if "store" not in given:
        return None
    path = ("store",)
    store = given["store"]
    if "store_env" in given:
        what = '"store" and "store_env" both name the store'
        sheet.add(path, wrong(what, hint="Keep one of them."), on_key=True)
    if not isinstance(store, str):
        hint = 'Write a URL: store = "redis://localhost:6379/0".'
        sheet.add(path, wrong(f"the store is {kind(store)}, not a text", hint=hint))
        return None
    if _has_password(store):
        sheet.hide(path)
        hint = 'Put the URL into the environment: store_env = "REDIS_URL".'
        what = "the store's URL has a password in it"
        sheet.add(path, wrong(what, code="P125", hint=hint))
        return None
    attempt(sheet, path, lambda: check_address(store))
    return store


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.password) or "password" in parse_qs(parts.query)
    except ValueError:
        return "@" in url  # nobody can say: so it may


def _options(sheet: Sheet, given: Mapping[str, object]) -> dict[str, float | str]:
    options: dict[str, float | str] = {}
    for name, words in _WORDS.items():
        value = given.get(name, words[0])
        if value in words:
            if name in given:
                options[name] = str(value)
            continue
        known = " or ".join(f'"{word}"' for word in words)
        what = shown(value) if isinstance(value, str) else kind(value)
        error = wrong(f"{name} is {what}", code="P111", hint=f"Write {known}.")
        sheet.add((name,), error)
    for name, (most, zero) in _SECONDS.items():
        if name not in given:
            continue
        value = given[name]
        if isinstance(value, str | list | dict):
            what = f"{name} is {kind(value)}, not a number of seconds"
            sheet.add((name,), wrong(what, hint=f"Write {name} = 0.5."))
            continue
        read = attempt(sheet, (name,), partial(seconds, name, value, most))
        if read == 0 and not zero:
            hint = "Give seconds above 0."
            sheet.add((name,), wrong(f"{name} is 0", code="P111", hint=hint))
        elif read is not None:
            options[name] = read
    return options


def _scopes(
    sheet: Sheet, given: Mapping[str, object], common: Section | None
) -> dict[str, Scope]:
    hint = 'Write [scopes.team-a] and below it key_env = "OPENAI_API_KEY".'
    tables = table(sheet, ("scopes",), given.get("scopes", {}), hint)
    scopes: dict[str, Scope] = {}
    holders: dict[str, str] = {}
    for name, value in tables.items():
        path = ("scopes", name)
        attempt(sheet, path, partial(Key, scope=name), on_key=True)
        options = table(sheet, path, value, hint)
        check_names(sheet, path, options, _SCOPE_OPTIONS, "a scope has")
        key_env = None
        if "key_env" in options:
            key_env = variable(sheet, (*path, "key_env"), options["key_env"])
        if key_env and holders.setdefault(key_env, name) != name:
            what = f"the scopes {shown(holders[key_env])} and {shown(name)} would share"
            error = ConfigError(
                f"{what} one account, that of ${key_env}",
                code="P105",
                hint="Make them one scope, or give one another API key.",
            )
            sheet.add((*path, "key_env"), error)
        own = read_section(sheet, path, options)
        missing = not any(option in options for option in NAMES)
        if missing and not any(option in given for option in NAMES):
            what = f"the scope {shown(name)} has no limits"
            hint_limits = 'Add limits = ["500/min"], or limits outside of all scopes.'
            error = wrong(what, code="P101", hint=hint_limits)
            sheet.add(path, error, on_key=True)
        section = common if missing else own
        if section is not None:
            scopes[name] = Scope(key_env, section)
    return scopes
