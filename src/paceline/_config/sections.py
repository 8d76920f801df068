"""The limits of a scope, read from its table: each limit, each model, each family."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from itertools import islice
from typing import Any

from .._errors import ConfigError
from .._key import flaw
from .._limits import Limit
from .._parse import parse_limit
from .._policy import Policy
from .._rules import Rules
from .checks import attempt, check_names, kind, table, wrong
from .positions import Path
from .sheet import Sheet
from .values import Section

NAMES = ("limits", "families", "shared")

_HOW = (
    'Write limits = ["500/min", "30k tokens/min"], or a table of models: '
    '"gpt-4o" = ["500/min"].'
)
_HOW_FAMILIES = 'Write "gpt-4o" = ["gpt-4o", "gpt-4o-2024-*"].'
_EXTRAS = ("name", "slots", "lease")
_ANY = "1/s"  # a limit, where only families are to be checked


def read_section(
    sheet: Sheet, path: Path, given: Mapping[str, object]
) -> Section | None:
    """
    Read the limits of a table.

    Args:
        sheet: Where to write down what is wrong.

        path: The table.

        given: What it has; options that are not about limits are left alone.

    Returns None if something is wrong, or there is nothing of the kind.
    """
    if not any(name in given for name in NAMES):
        return None
    before = sheet.count
    shared = _limits(sheet, (*path, "shared"), given.get("shared", []))
    if shared and not _fit(sheet, (*path, "shared"), {}, shared):
        shared = None
    families = _families(sheet, (*path, "families"), given.get("families", {}))
    limits = {}
    for pattern, place, some in _by_model(sheet, path, given.get("limits", [])):
        own = _limits(sheet, place, some)
        # A flaw of the shared limits is told once, and not again for each model.
        if own is not None and shared is not None:
            _fit(sheet, place, {pattern: own}, shared)
            limits[pattern] = own
    if sheet.count > before or shared is None:
        return None
    if not limits and not shared:
        error = ConfigError("no limits are given", code="P101", hint=_HOW)
        sheet.add((*path, "limits"), error, on_key=True)
        return None
    rules = Rules(limits or (), families=families, shared=shared)
    _check_members(sheet, (*path, "families"), families, rules)
    if sheet.count > before:
        return None
    return Section(limits, families, shared, rules)


def _fit(
    sheet: Sheet,
    path: Path,
    limits: Mapping[str, tuple[Limit, ...]],
    shared: tuple[Limit, ...],
) -> bool:
    def rules() -> Rules:
        return Rules(limits or (), shared=shared)

    return attempt(sheet, path, rules, on_key=True) is not None


def _by_model(
    sheet: Sheet, path: Path, given: object
) -> Iterator[tuple[str, Path, object]]:
    """Yield each pattern, where it stands, and its limits. "*" if there is none."""
    here = (*path, "limits")
    if not isinstance(given, dict):
        if given != []:
            yield "*", here, given
        return
    for pattern, some in given.items():
        if wrong_name := flaw(pattern):
            what = f"the name of a model {wrong_name}"
            sheet.add((*here, pattern), wrong(what), on_key=True)
        else:
            yield pattern, (*here, pattern), some


def _limits(sheet: Sheet, path: Path, given: object) -> tuple[Limit, ...] | None:
    """Read one limit or several; None if one of them is wrong."""
    if isinstance(given, str | dict):
        limit = _limit(sheet, path, given)
        return None if limit is None else (limit,)
    if not isinstance(given, list):
        sheet.add(path, wrong(f"{kind(given)} is no limit", hint=_HOW))
        return None
    read = [_limit(sheet, (*path, i), each) for i, each in enumerate(given)]
    limits = tuple(limit for limit in read if limit is not None)
    return limits if len(limits) == len(read) else None


def _limit(sheet: Sheet, path: Path, given: object) -> Limit | None:
    if isinstance(given, dict):
        return _detailed(sheet, path, given)
    if given is None:  # it was a secret, and is told
        return None
    if not isinstance(given, str):
        sheet.add(path, wrong(f"{kind(given)} is no limit", hint=_HOW))
        return None
    try:
        return parse_limit(given)
    except ConfigError as error:
        refused = error
    sheet.add(path, refused, part=given)
    return None


def _detailed(sheet: Sheet, path: Path, given: dict[str, object]) -> Limit | None:
    """Read a limit with what its text has no place for: a name, slots, a lease."""
    before = sheet.count
    check_names(sheet, path, given, ("limit", *_EXTRAS), "a limit has")
    if "limit" not in given:
        hint = 'Write { limit = "500/min", name = "rpm" }.'
        sheet.add(path, wrong('"limit" is missing', hint=hint))
        return None
    limit = _limit(sheet, (*path, "limit"), given["limit"])
    if limit is None:
        return None
    has = {each.name for each in fields(limit)}
    extras = {name: given[name] for name in _EXTRAS if name in given}
    for name, value in extras.items():
        if name not in has:
            what = f"a {type(limit).__name__} has no {name}"
            sheet.add((*path, name), wrong(what), on_key=True)
        elif name == "name" and (flawed := flaw(value)):
            sheet.add((*path, name), wrong(f"the name of a limit {flawed}"))
        else:
            limit = attempt(sheet, (*path, name), _changer(limit, name, value)) or limit
    return limit if sheet.count == before else None


def _changer(limit: Limit, name: str, value: object) -> Callable[[], Limit]:
    changes: dict[str, Any] = {name: value}  # the limit itself checks it
    return lambda: replace(limit, **changes)


def _families(sheet: Sheet, path: Path, given: object) -> dict[str, tuple[str, ...]]:
    before = sheet.count
    families: dict[str, tuple[str, ...]] = {}
    for family, some in table(sheet, path, given, _HOW_FAMILIES).items():
        members = [some] if isinstance(some, str) else some
        if not isinstance(members, list):
            what = f"{kind(some)} is no list of models"
            sheet.add((*path, family), wrong(what, hint=_HOW_FAMILIES))
            continue
        for number, member in enumerate(members):
            if member is not None and (flawed := flaw(member)):
                what = f"the name of a model {flawed}"
                sheet.add((*path, family, number), wrong(what, hint=_HOW_FAMILIES))
        families[family] = tuple(each for each in members if isinstance(each, str))
    if sheet.count == before:
        _check_families(sheet, path, families)
    return families


def _check_families(
    sheet: Sheet, path: Path, families: dict[str, tuple[str, ...]]
) -> None:
    """Write down the first family that does not go with those before it."""
    with suppress(ConfigError):
        Rules(_ANY, families=families)
        return
    for number, family in enumerate(families, 1):
        some = dict(islice(families.items(), number))

        def rules(some: dict[str, tuple[str, ...]] = some) -> Rules:
            return Rules(_ANY, families=some)

        if attempt(sheet, (*path, family), rules, on_key=True) is None:
            return


def _check_members(
    sheet: Sheet, path: Path, families: dict[str, tuple[str, ...]], rules: Rules
) -> None:
    """Write down each model of a family to which no limits apply."""
    for family, members in families.items():
        for number, member in enumerate(members):
            if not any(char in member for char in "*?["):

                def policy(member: str = member) -> Policy:
                    return rules.policy(member)

                attempt(sheet, (*path, family, number), policy)
