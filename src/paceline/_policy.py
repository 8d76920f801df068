"""The limits of one model, and what a call costs under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Any, TypeAlias

from ._concurrency import LEARNING
from ._errors import CostError, CostTooLarge, MisuseError
from ._limits import MOST_BUCKET, MOST_WINDOW, Concurrency, Limit, TokenBucket
from ._suggest import closest, listed, shown

Cost: TypeAlias = int | Mapping[str, int]

_MOST_PRINTED = 10**18
_PLAIN = min(MOST_BUCKET, MOST_WINDOW)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    The limits of one model.

    Attributes:
        account: Whose account it is: the model, or its family. Empty without a model.

        own: Limits of that account.

        shared: Limits over all models of a key.

        limits: All of them, the own ones first.

        units: What they count, calls at a time excepted: every call is one.

        leases: Whether there is a limit on calls at a time.

        notes: What others work out of it once, under names of their own.
    """

    account: str
    own: tuple[Limit, ...]
    shared: tuple[Limit, ...] = ()
    limits: tuple[Limit, ...] = field(init=False, repr=False, compare=False)
    units: frozenset[str] = field(init=False, repr=False, compare=False)
    leases: bool = field(init=False, repr=False, compare=False)
    # Per limit: its unit, what is charged if a cost leaves the unit out (-1: it must
    # not), and its capacity.
    _meters: tuple[tuple[str, int, int], ...] = field(
        init=False, repr=False, compare=False
    )
    # Whether its limits are learnt: then nobody knows beforehand what they count.
    _open: bool = field(init=False, repr=False, compare=False)
    # How many units a cost must give.
    _required: int = field(init=False, repr=False, compare=False)
    # The most requests that all limits could hold, if they count nothing else.
    _most: int = field(init=False, repr=False, compare=False)
    # What others work out of it once, under names of their own.
    notes: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = (*self.own, *self.shared)
        counted = [each for each in limits if not isinstance(each, Concurrency)]
        units = frozenset(limit.unit for limit in counted)
        leases = len(counted) < len(limits)
        named = units - {"requests"}
        required = len(named)
        meters = tuple(
            (limit.unit, -1 if limit.unit in named else 1, limit.capacity)
            for limit in limits
        )
        flat = not required and not leases
        most = min((each[2] for each in meters), default=-1) if flat else -1
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "leases", leases)
        object.__setattr__(self, "_meters", meters)
        object.__setattr__(self, "_required", required)
        object.__setattr__(self, "_open", any(map(is_learnt, self.own)))
        object.__setattr__(self, "_most", most)
        object.__setattr__(self, "notes", {})

    def charges(self, cost: Cost) -> tuple[int, ...]:
        """
        Return the units to charge each limit, in their order.

        Args:
            cost: Whole numbers by unit, or a number of requests. ``requests`` is 1
                unless given; every other unit that is counted must be given.

        Raises:
            CostError: If a unit is missing or unknown, or is no whole number (P302).
            CostTooLarge: If a limit could never hold its charge (P303).
        """
        # Every call passes here: a cost that is in order is known by lookups alone.
        if type(cost) is dict:
            charged = []
            for unit, default, capacity in self._meters:
                amount = cost.get(unit, default)
                if type(amount) is not int or not 0 <= amount <= capacity:
                    return self._charge_with_care(cost)
                charged.append(amount)
            # So all required units are there. One unit more can only be the requests.
            if len(cost) == self._required + ("requests" in cost) and (
                "requests" in self.units or "requests" not in cost
            ):
                return tuple(charged)
        elif type(cost) is int and 0 <= cost <= self._most:
            return (cost,) * len(self._meters)
        return self._charge_with_care(cost)

    def is_alike(self, other: Policy) -> bool:
        """Tell whether another one has the same limits, whatever their figures."""
        tags = [limit.tag for limit in self.limits]
        return tags == [limit.tag for limit in other.limits]

    def refuse_places(self) -> None:
        """
        Refuse to take a place of a concurrency limit where nobody could release it.

        Raises:
            MisuseError: If there is such a limit (P505).
        """
        if self.leases:
            raise MisuseError(
                "try_acquire() gives no permit that could be released, but a limit "
                "counts concurrent calls",
                code="P505",
                hint="Use acquire(key, cost, timeout=0), and settle() or release() the "
                "permit, or reserve().",
            )

    def spent(self, cost: Cost) -> dict[str, int]:
        """
        Return a true cost by unit. Units that it does not name are left out.

        It may be above a limit's capacity: what was used was used.

        Raises:
            CostError: If a unit is unknown, or is no whole number in range (P302).
        """
        if type(cost) is dict and self._is_plain(cost):
            return cost
        given = cost if isinstance(cost, Mapping) else {"requests": cost}
        self._check_units(given, "the true cost", complete=False)
        units = {unit: _whole(unit, amount) for unit, amount in given.items()}
        for limit in self.limits:
            bucket = isinstance(limit, TokenBucket)
            most = MOST_BUCKET if bucket else MOST_WINDOW
            if units.get(limit.unit, 0) > most:
                raise CostError(
                    f"the true cost in {limit.unit} is {_number(units[limit.unit])}",
                    hint=f"Give a whole number of units, up to {most:,}.",
                )
        return units

    def _is_plain(self, cost: dict[str, int]) -> bool:
        """Tell by lookups alone that a true cost is in order, below any bound."""
        for unit, amount in cost.items():
            if unit not in self.units or type(amount) is not int:
                return False
            if not 0 <= amount <= _PLAIN:
                return False
        return True

    def _charge_with_care(self, cost: Cost) -> tuple[int, ...]:
        given = {"requests": 1}
        if isinstance(cost, Mapping):
            self._check_units(cost, "the cost", complete=True)
            given |= {unit: _whole(unit, amount) for unit, amount in cost.items()}
        else:
            given["requests"] = _whole("requests", cost)
            self._check_units(given, "the cost", complete=True)
        for limit in self.limits:
            # Each call is one of those at a time, whatever it costs.
            if given.get(limit.unit, 1) > limit.capacity:
                whose = f" of {shown(self.account)}" if self.account else ""
                raise CostTooLarge(
                    f"the cost in {limit.unit} is {_number(given[limit.unit])}, but "
                    f"the limit {shown(limit.name)}{whose} never holds more than "
                    f"{limit.capacity:,}: no waiting would help",
                    hint="Split the call, lower its cost, or raise the limit.",
                )
        return tuple(given.get(limit.unit, 1) for limit in self.limits)

    def _check_units(
        self, cost: Mapping[str, int], what: str, *, complete: bool
    ) -> None:
        known = sorted(self.units | {"requests"})
        unknown = [unit for unit in cost if unit not in known and not self._open]
        wanted = sorted(self.units - {"requests"}) if complete else []
        missing = [unit for unit in wanted if unit not in cost]
        if not unknown and not missing:
            return
        problems, hint = [], ""
        if missing:
            problems.append(f"leaves out {listed(missing)}")
            hint = (
                f'Give every unit that is counted; {{"{missing[0]}": 0}} charges none. '
            )
        if unknown:
            problems.append(f"has {listed(unknown)}, which no limit counts")
            near = closest(str(unknown[0]), missing) or closest(str(unknown[0]), known)
            hint = f'Did you mean "{near}"? ' if near else hint
        hint += f"The limits count {listed(sorted(self.units))}."
        raise CostError(f"{what} {' and '.join(problems)}", hint=hint)


def is_learnt(limit: Limit) -> bool:
    """Tell whether a limit was learnt, or stands for those to be learnt."""
    return limit.configured == 0 or limit == LEARNING


def _whole(unit: str, amount: object) -> int:
    try:
        units = -1 if isinstance(amount, bool) else index(amount)  # type: ignore[arg-type] # what has no index raises
    except TypeError:
        units = -1
    if units < 0:
        what = f"the cost in {unit} is {_number(amount)}"
        raise CostError(what, hint="Give a whole number of units, 0 or more.")
    return units


def _number(amount: object) -> str:
    if not isinstance(amount, int | float):
        return f"of the type {type(amount).__name__}"
    if isinstance(amount, int) and abs(amount) > _MOST_PRINTED:
        return "a number of many digits"  # and Python refuses to print some of them
    return str(amount) if isinstance(amount, bool | float) else f"{amount:,}"
