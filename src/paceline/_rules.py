"""
From what a user configured to the policy of a model.

A mapping is read by name first and by the longest pattern then, for limits as for
families of models that share an account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TypeAlias, TypeVar

from ._concurrency import LEARNING
from ._errors import ConfigError
from ._format import format_limit
from ._key import Key, flaw
from ._limits import CalendarWindow, Concurrency, Limit, SlidingWindow, TokenBucket
from ._parse import parse_limit
from ._policy import Cost, Policy
from ._suggest import closest, listed, shown

SomeLimits: TypeAlias = str | Limit | Iterable[str | Limit]
Limits: TypeAlias = SomeLimits | Mapping[str, SomeLimits]
T = TypeVar("T")

_LIMIT = SlidingWindow | TokenBucket | CalendarWindow | Concurrency

__all__ = ["Cost", "Limits", "Policy", "Rules", "SomeLimits"]

# Models may come from users: what is remembered of them must not grow forever.
_MOST_POLICIES = 4096


class Rules:
    """
    Limits by model, as a user configured them.

    Args:
        limits: One limit, several, or a mapping of model patterns to such. A pattern
            is a name, or has ``*``, ``?`` or ``[...]`` in it. The exact name comes
            first, then the longest pattern that matches. Limits without patterns apply
            to each model, as ``"*"`` does.

        families: Models that share one account, by the name of the family: names or
            patterns. A family has the limits of its name, or if there are none, of the
            model that is called.

        shared: Limits over all models of a key together. One that would be named like
            another limit gets "(shared)" added to its name.

    Raises:
        ConfigError: If there is no limit (P101), one cannot be read (P103), or two
            would be one (P105).
    """

    def __init__(
        self,
        limits: Limits,
        *,
        families: Mapping[str, Iterable[str]] | None = None,
        shared: SomeLimits = (),
    ) -> None:
        written = [
            (pattern, where, _gather(where, some))
            for pattern, where, some in _by_model(limits)
        ]
        self._own = {pattern: own for pattern, _, own in written}
        names = {limit.name for own in self._own.values() for limit in own}
        self._shared = tuple(
            _set_apart(limit, names) for limit in _gather("shared", shared)
        )
        _check_distinct("shared", self._shared)
        if LEARNING in self._shared:
            what = 'shared: limits over all models cannot be "learnt"'
            hint = "The headers tell those of one model. Write it in limits."
            raise ConfigError(what, code="P101", hint=hint)
        for _, where, own in written:
            if not own and not self._shared:
                hint = 'For example "500 requests/min", or ["500/min", "10k/day"].'
                raise ConfigError(f"{where}: no limit", code="P101", hint=hint)
            _check_distinct(where, own, self._shared)
        self._families = _families(families or {})
        # Thread-safe, and forgets the least recently used.
        self._remember = lru_cache(maxsize=_MOST_POLICIES)(self._policy)

    def resolve(self, key: Key) -> tuple[Key, Policy]:
        """Return the key whose account is charged, and what applies to its model."""
        return key, self.policy(key.model)

    def policy(self, model: str | None) -> Policy:
        """
        Return what applies to *model*, or to calls that name none.

        Raises:
            ConfigError: If no limits, or two patterns equally well, fit the model
                (P104), or it is no model's name (P109).
        """
        if model is not None and not isinstance(model, str):
            what = f"a model is named by a text, not by {type(model).__name__}"
            raise ConfigError(what, code="P109")
        return self._remember(model)

    def _policy(self, model: str | None) -> Policy:
        if model is None:
            own = self._own.get("*")
            if own is None:
                raise self._no_match(None)
            return Policy("", own, self._shared)
        if wrong := flaw(model):
            raise ConfigError(f"the name of a model {wrong}", code="P109")
        family = _fit("families", model, self._families)
        own = None if family is None else _fit("limits", family, self._own)
        if own is None:
            own = _fit("limits", model, self._own)
        if own is None:
            raise self._no_match(model)
        return Policy(family or model, own, self._shared)

    def _no_match(self, model: str | None) -> ConfigError:
        near = model and closest(model, self._own)
        hint = f'Did you mean "{near}"? ' if near else ""
        hint += 'For all other models, and calls without one, add "*": ["60/min"].'
        whom = (
            "a call without a model" if model is None else f"the model {shown(model)}"
        )
        known = listed(self._own)
        what = f"no limits apply to {whom}; there are some for {known}"
        return ConfigError(what, code="P104", hint=hint)


def _by_model(limits: Limits) -> Iterator[tuple[str, str, SomeLimits]]:
    """Yield each pattern, how errors name its place, and its limits."""
    if not isinstance(limits, Mapping):
        yield "*", "limits", limits
        return
    if not limits:
        yield "*", "limits", ()
    for pattern, some in limits.items():
        if wrong := flaw(pattern):
            raise ConfigError(f"limits: the name of a model {wrong}", code="P101")
        yield str(pattern), f"limits[{shown(pattern)}]", some


def _fit(where: str, name: str, rules: Mapping[str, T]) -> T | None:
    """Return the rule of that very name, else of the longest pattern that matches."""
    if name in rules:
        return rules[name]
    matching = [pattern for pattern in rules if fnmatchcase(name, pattern)]
    most = max(map(len, matching), default=0)
    longest = [pattern for pattern in matching if len(pattern) == most]
    if any(rules[pattern] != rules[longest[0]] for pattern in longest):
        what = f"{where}: {listed(longest)} fit the model {shown(name)} equally well"
        hint = f"Add the exact name {shown(name)}, or make one pattern longer."
        raise ConfigError(what, code="P104", hint=hint)
    return rules[longest[0]] if longest else None


def _families(given: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Turn around: the family of each name or pattern."""
    if not isinstance(given, Mapping):
        raise _no_families(f"{type(given).__name__} is no mapping")
    families: dict[str, str] = {}
    for family, members in given.items():
        # A string is an iterable of its letters, which nobody means.
        if not isinstance(members, Iterable):
            raise _no_families(f"{type(members).__name__} is no list of models")
        some = (members,) if isinstance(members, str) else tuple(members)
        for member in (*some, family):
            if wrong := flaw(member):
                raise _no_families(f"the name of a model {wrong}")
        for member in some:
            if families.setdefault(member, family) != family:
                both = listed((families[member], family))
                what = f"families: {shown(member)} is in {both}"
                raise ConfigError(what, code="P104", hint="Keep it in one of them.")
    for family in given:
        # A model may have its family's name; no wider pattern may take it away.
        if not any(char in family for char in "*?["):
            families.setdefault(family, family)
    return families


def _no_families(what: str) -> ConfigError:
    hint = 'Write them like {"gpt-4o": ["gpt-4o", "gpt-4o-2024-*"]}.'
    return ConfigError(f"families: {what}", code="P101", hint=hint)


def _gather(where: str, some: SomeLimits) -> tuple[Limit, ...]:
    if isinstance(some, str | _LIMIT):
        some = (some,)
    if isinstance(some, Mapping) or not isinstance(some, Iterable):
        raise _no_limit(where, some)
    return tuple(_limit(where, each) for each in some)


def _limit(where: str, given: str | Limit) -> Limit:
    if isinstance(given, _LIMIT):
        return given
    if not isinstance(given, str):
        raise _no_limit(where, given)
    try:
        return parse_limit(given)
    except ConfigError as error:
        refused = error
    raise ConfigError(
        f"{where}: {refused.message}",
        code=refused.code,
        hint=refused.hint,
        column=refused.column,
        caret=refused.caret,
        suggestion=refused.suggestion,
    )


def _no_limit(where: str, given: object) -> ConfigError:
    what = f"{where}: {type(given).__name__} is no limit"
    hint = (
        'Give "500/min", an object such as SlidingWindow(500, 60), or a list of them.'
    )
    return ConfigError(what, code="P101", hint=hint)


def _set_apart(limit: Limit, names: set[str]) -> Limit:
    # "500/min" for each model and "2000/min" for all would go by the same name.
    unnamed = replace(limit, name="").name == limit.name
    if unnamed and limit.name in names:
        return replace(limit, name=f"{limit.name} (shared)")
    return limit


def _check_distinct(
    where: str, own: tuple[Limit, ...], shared: tuple[Limit, ...] = ()
) -> None:
    for limit in own:
        same = [each for each in own if each.tag == limit.tag]
        if len(same) > 1:
            both = listed(format_limit(each) for each in same)
            raise ConfigError(
                f"{where}: {both} would share one account",
                code="P105",
                hint="An account goes by kind, unit and period. Drop one of them, or "
                "write it with another period: 60/min in place of 1/s.",
            )
    names = [limit.name for limit in (*own, *shared)]
    for name in names:
        if names.count(name) > 1:
            what = f"{where}: two limits are named {shown(name)}"
            hint = 'Give one of them another name: SlidingWindow(500, 60, name="rpm").'
            raise ConfigError(what, code="P105", hint=hint)
