"""Which limits apply to a model, which account it has, and what a call is charged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from operator import index
from typing import SupportsIndex, TypeAlias, cast

from ._errors import ConfigError, CostError, CostTooLarge
from ._limits import CalendarWindow, Limit, SlidingWindow, TokenBucket
from ._parse import parse_limit
from ._suggest import closest

Cost: TypeAlias = int | Mapping[str, int]
Several: TypeAlias = str | Limit | Iterable[str | Limit]
Limits: TypeAlias = Several | Mapping[str, Several]

_REQUESTS = "requests"
_MOST_MODELS = 4096


@dataclass(frozen=True, slots=True)
class Policy:
    """
    The limits of one model.

    Attributes:
        account: The family's name, or the model; "" without one.

        own: Limits of the model's own account.

        shared: Limits over all models of the key.

        limits: Both, in this order.

        units: What they count.
    """

    account: str
    own: tuple[Limit, ...]
    shared: tuple[Limit, ...] = ()
    limits: tuple[Limit, ...] = field(init=False)
    units: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        limits = (*self.own, *self.shared)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "units", frozenset(limit.unit for limit in limits))

    def charges(self, cost: Cost) -> tuple[int, ...]:
        """
        Return the units to charge per limit, in order.

        Raises:
            CostError: If a unit is missing, unknown or not a whole number (P302).

            CostTooLarge: If a limit could never hold it (P303).
        """
        given = cost if isinstance(cost, Mapping) else {_REQUESTS: cost}
        charges = []
        known = 0
        for limit in self.limits:
            units = given.get(limit.unit)
            if units is None:
                if limit.unit != _REQUESTS or _REQUESTS in given:
                    raise self._missing(limit.unit, given)
                units = 1
            if type(units) is not int:
                units = _whole(limit.unit, units)
            if not 0 <= units <= limit.capacity:
                raise _out_of_range(limit, units)
            charges.append(units)
        for unit in given:
            known += unit in self.units or unit == _REQUESTS
        if known != len(given):
            raise self._unknown(given)
        if _REQUESTS in given and _REQUESTS not in self.units:
            _whole(_REQUESTS, given[_REQUESTS])
        return tuple(charges)

    def _missing(self, unit: str, given: Mapping[str, int]) -> CostError:
        known = [*self.units, _REQUESTS]
        close = closest(unit, [name for name in given if name not in known])
        hint = f"Was {close!r} meant? " if close else ""
        return CostError(
            f"the cost does not say how many {unit}; {self._counted()}",
            hint=f'{hint}Give every unit that is counted: {{"{unit}": 0}} to skip it.',
        )

    def _unknown(self, given: Mapping[str, int]) -> CostError:
        unit = next(u for u in given if u not in self.units and u != _REQUESTS)
        close = closest(unit, self.units) if isinstance(unit, str) else None
        hint = f"Did you mean {close!r}?" if close else "Leave it out, or limit it."
        return CostError(f"no limit counts {unit!r}; {self._counted()}", hint=hint)

    def _counted(self) -> str:
        return f"the limits count {', '.join(sorted(self.units))}"


def _whole(unit: str, units: object) -> int:
    hint = "Give a whole number of units, 0 or more."
    try:
        number = index(cast("SupportsIndex", units))  # anything may come here
    except TypeError:
        raise CostError(f"a cost of {units!r} {unit}", hint=hint) from None
    if isinstance(units, bool) or number < 0:
        raise CostError(f"a cost of {units!r} {unit}", hint=hint)
    return int(number)


def _out_of_range(limit: Limit, units: int) -> CostError:
    if units < 0:
        hint = "Give a whole number of units, 0 or more."
        return CostError(f"a cost of {units} {limit.unit}", hint=hint)
    return CostTooLarge(
        f"this call needs {units:,} {limit.unit}; {limit.name} holds at most "
        f"{limit.capacity:,}",
        hint="No waiting would help: lower the cost or raise the limit.",
    )


class Rules:
    """From what the user passes to a policy per model."""

    def __init__(
        self,
        limits: Limits,
        *,
        families: Mapping[str, Iterable[str]] | None = None,
        shared: Several = (),
    ) -> None:
        if isinstance(limits, Mapping):
            patterns = {p: _read(several) for p, several in limits.items()}
        else:
            patterns = {"": _read(limits)}
        self._plain = not isinstance(limits, Mapping)
        self._patterns = patterns
        self._families = {name: tuple(m) for name, m in (families or {}).items()}
        self._shared = _read(shared)
        self._policies: dict[str | None, Policy] = {}
        if not self._shared and not any(patterns.values()):
            hint = 'For example limits=["500 requests/min", "30k tokens/min"].'
            raise ConfigError("no limits were given", code="P101", hint=hint)
        for own in patterns.values():
            _check((*own, *self._shared))

    def policy(self, model: str | None) -> Policy:
        """
        Return the limits that apply to *model*.

        Raises:
            ConfigError: If no pattern matches it (P104).
        """
        policy = self._policies.get(model)
        if policy is None:
            account = "" if model is None else self._account(model)
            policy = Policy(account, self._own(model, account), self._shared)
            if len(self._policies) >= _MOST_MODELS:
                self._policies.clear()
            self._policies[model] = policy
        return policy

    def _account(self, model: str) -> str:
        best: tuple[int, str] | None = None
        for family, members in self._families.items():
            for pattern in members:
                rank = _rank(pattern, model)
                if rank is None:
                    continue
                if best is not None and best[0] == rank and best[1] != family:
                    raise ConfigError(
                        f"model {model!r} belongs to {best[1]!r} and to {family!r}",
                        code="P104",
                        hint="Let one pattern of families= be longer than the other.",
                    )
                if best is None or rank > best[0]:
                    best = rank, family
        return model if best is None else best[1]

    def _own(self, model: str | None, account: str) -> tuple[Limit, ...]:
        if self._plain:
            return self._patterns[""]
        names = ["*"] if model is None else [account, model]
        for name in names:
            ranked = [
                (rank, pattern)
                for pattern in self._patterns
                if (rank := _rank(pattern, name)) is not None
            ]
            if ranked and (name == names[-1] or max(ranked)[1] != "*"):
                return self._patterns[max(ranked)[1]]
        known = ", ".join(self._patterns)
        close = closest(account, self._patterns)
        ask = f"Did you mean {close!r}? " if close else ""
        who = "a key without a model" if model is None else f"model {model!r}"
        raise ConfigError(
            f"no limits for {who} (known: {known})",
            code="P104",
            hint=f'{ask}Add it, or a catch-all: "*": ["60 requests/min"].',
        )


def _rank(pattern: str, name: str) -> int | None:
    """Rank a match: exact above any pattern, a longer pattern above a shorter."""
    if pattern == name:
        return 1_000_000
    return len(pattern) if fnmatchcase(name, pattern) else None


def _read(several: Several) -> tuple[Limit, ...]:
    alone = isinstance(several, str | SlidingWindow | TokenBucket | CalendarWindow)
    members = cast("Iterable[object]", (several,) if alone else several)
    limits: list[Limit] = []
    for each in members:
        if isinstance(each, str):
            limits.append(parse_limit(each))
        elif isinstance(each, SlidingWindow | TokenBucket | CalendarWindow):
            limits.append(each)
        else:
            hint = 'Give a string such as "500 requests/min", or a limit object.'
            raise ConfigError(f"{each!r} is no limit", code="P101", hint=hint)
    return tuple(limits)


def _check(limits: tuple[Limit, ...]) -> None:
    names: dict[str, Limit] = {}
    tags: dict[str, Limit] = {}
    for limit in limits:
        if limit.tag in tags:
            raise ConfigError(
                f"{limit.name!r} and {tags[limit.tag].name!r} would share one account: "
                "same kind, unit and period",
                code="P105",
                hint="Leave one out, or write it with another period (60/min for 1/s).",
            )
        if limit.name in names:
            raise ConfigError(
                f"two limits are called {limit.name!r}",
                code="P105",
                hint="Give one of them a name of its own: name=...",
            )
        names[limit.name] = tags[limit.tag] = limit
