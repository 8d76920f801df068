"""
What limits turned out to be since they were configured. No I/O, no clock.

Processes tell each other of it by facts. A corrected limit keeps kind, unit and period,
and with them its account: bookings stay as they are, new ones go by the new figure.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ._concurrency import LEARNING
from ._errors import ConfigError
from ._facts import Fact, Known
from ._limits import MOST_BUCKET, SECOND_US, Limit, SlidingWindow, TokenBucket
from ._parse import parse_limit
from ._policy import Policy, is_learnt
from ._suggest import closest, listed, shown
from ._wire import SHARED, own_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._calls import Scope

    # A limit's place: the scope's key, the account's field, and the tag.
    Place = tuple[str, str, str]

# Seconds for which a figure holds, unless it is told again.
LIFE = 7 * 86_400.0

# The names of the facts: this, and the limit's tag.
_OWN, _SHARED = "limit:", "shared:"
_CONFIGURED = "configured"
_MOST_MADE = 10_000
_MOST_FOUND = 4_096


def figure(limit: Limit) -> int:
    """Return the units of a limit: per window, per period, or at a time."""
    return limit.rate if isinstance(limit, TokenBucket) else limit.limit


def configured(limit: Limit) -> int:
    """Return what a limit was configured as."""
    return figure(limit) if limit.configured is None else limit.configured


def with_figure(limit: Limit, units: int) -> Limit:
    """
    Return a limit of the same state with other units; a burst changes in proportion.

    Raises:
        ConfigError: If there can be no such limit (P102).
    """
    if isinstance(limit, TokenBucket):
        burst = max(1, min(MOST_BUCKET, limit.capacity * units // limit.rate))
        return replace(limit, rate=units, burst=burst, configured=limit.rate)
    return replace(limit, limit=units, configured=limit.limit)


def learnt(tag: str, units: int) -> SlidingWindow | None:
    """Return a window that was learnt, from its tag; None if it is none."""
    try:
        kind, unit, per_us, slots = tag.split("/")
        per = int(per_us) / SECOND_US
        window = SlidingWindow(units, per, int(slots), unit, configured=0)
    except (ValueError, ConfigError):
        return None
    return window if kind == "w" else None


def _new(policy: Policy, name: str, units: int | None) -> Limit | None:
    """Return a window of a name such as "requests/min", where limits are learnt."""
    if units is None or not any(map(is_learnt, policy.own)):
        return None
    with suppress(ConfigError):
        limit = parse_limit(f"{units} {name}")
        return limit if isinstance(limit, SlidingWindow) else None
    return None


def fact_of(policy: Policy, name: str, units: int | None, seconds: float) -> Fact:
    """
    Return the fact that a limit is of so many units; None is as it was configured.

    Raises:
        ConfigError: If no limit has that name (P114), or can be of so many (P102).
    """
    named = [each for each in policy.limits if each != LEARNING]
    limit = next((each for each in named if each.name == name), None)
    if limit is None and (limit := _new(policy, name, units)) is None:
        names = [each.name for each in named]
        near = closest(str(name), names)
        hint = f'Did you mean "{near}"? ' if near else ""
        raise ConfigError(
            f"no limit of this key is named {shown(str(name))}",
            code="P114",
            hint=f"{hint}There are {listed(names)}.",
        )
    if units is not None:
        with_figure(limit, units)
    own = any(limit is each for each in policy.own)
    shared = not own and any(limit is each for each in policy.shared)
    value = "" if units is None else str(units)
    name = limit_fact(limit, _SHARED if shared else _OWN)
    return Fact(name, value, seconds, everywhere=shared)


def limit_fact(limit: Limit, prefix: str = _OWN) -> str:
    """Name the fact of a model's own limit."""
    return f"{prefix}{limit.tag}"


class Corrections:
    """
    The limits that were corrected.

    Attributes:
        version: How often one changed. 0 is never.

        found: What a limiter looked up, by plain names and the digests of keys;
            emptied when a limit changes.
    """

    def __init__(self) -> None:
        self.version: int = 0
        self.found: dict[object, tuple[Scope, Policy]] = {}
        self._units: dict[Place, tuple[int, float]] = {}
        self._made: dict[tuple[str, int], tuple[Policy, Policy]] = {}
        self._lock = threading.Lock()

    def of(self, key: str, policy: Policy) -> Policy:
        """Return a policy of a scope's key, as corrected."""
        if not self.version:
            return policy
        base: Policy = policy.notes.get(_CONFIGURED, policy)
        made = self._made.get((key, id(base)))
        if made is None:
            with self._lock:
                made = (base, self._correct(key, base))
                if len(self._made) < _MOST_MADE:
                    self._made[key, id(base)] = made
        return made[1]

    def find(self, scope: Scope, policy: Policy, name: object) -> tuple[Scope, Policy]:
        """Return a scope with its policy as corrected, and keep it under a name."""
        found = scope, self.of(scope.key, policy)
        if name is not None:
            if len(self.found) >= _MOST_FOUND:
                self.found.clear()
            self.found[name] = found
            if self.of(scope.key, policy) is not found[1]:
                self.found.pop(name, None)  # it was corrected just now
        return found

    def _correct(self, key: str, base: Policy) -> Policy:
        own = self._corrected(key, own_field(base), base.own)
        if LEARNING in own:
            own = self._learnt(key, own_field(base), own)
        shared = self._corrected(key, SHARED, base.shared)
        if own == base.own and shared == base.shared:
            return base
        policy = Policy(base.account, own, shared)
        policy.notes[_CONFIGURED] = base
        return policy

    def _corrected(
        self, key: str, field: str, limits: Iterable[Limit]
    ) -> tuple[Limit, ...]:
        found = []
        for limit in limits:
            units, _ = self._units.get((key, field, limit.tag), (figure(limit), 0.0))
            try:
                same = units == figure(limit)
                found.append(limit if same else with_figure(limit, units))
            except ConfigError:
                found.append(limit)  # another release's
        return tuple(found)

    def _learnt(
        self, key: str, field: str, limits: tuple[Limit, ...]
    ) -> tuple[Limit, ...]:
        """Put what was learnt in the place of what stands for it."""
        tags = {limit.tag for limit in limits}
        found = [
            limit
            for (scope, account, tag), (units, _) in sorted(self._units.items())
            if (scope, account) == (key, field)
            and tag not in tags
            and (limit := learnt(tag, units)) is not None
        ]
        if not found:
            return limits
        return (*found, *(limit for limit in limits if limit != LEARNING))

    def adopt(
        self, key: str, policy: Policy, known: Mapping[str, Known], now: float
    ) -> list[Place]:
        """
        Take what processes tell of an account; return which limits have changed.

        What is not told any more holds until its end: a store that lost its data is no
        reason to call more often.
        """
        told: dict[Place, tuple[int, float]] = {}
        for name, (value, seconds) in known.items():
            for prefix, field in ((_OWN, own_field(policy)), (_SHARED, SHARED)):
                if name.startswith(prefix) and (not value or value.isdecimal()):
                    place = (key, field, name.removeprefix(prefix))
                    told[place] = (int(value or 0), now + seconds)
        if not told and not self._units:
            return []
        with self._lock:
            before = self._units
            kept = {**before, **told}
            self._units = {
                place: (units, until)
                for place, (units, until) in kept.items()
                if units and until > now
            }
            changed = [
                place
                for place in kept
                if before.get(place, (0,))[0] != self._units.get(place, (0,))[0]
            ]
            if changed:
                self.version += 1
                self._made.clear()
                self.found.clear()
        return changed
