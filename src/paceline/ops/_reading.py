"""Decode the hash of a scope: its accounts, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._facts import GIVES_BACK, Refusals, read_facts, read_refusals
from .._standing import Standing, standing
from .._state import Field, read_field
from .._telling import SPACED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._limits import Limit

SHARED = "s"
_OWN, _FACTS = "m:", "f:"
_SHOWN = 8  # digits of the tag, where a scope has no name
_NO_REFUSALS = Refusals()
# Of which facts alone are left.
_IDLE = Field("", 0, 0, 0, ())


@dataclass(frozen=True, slots=True)
class Account:
    """
    What one model of a scope, or all of them together, have used.

    Attributes:
        field: Its name in the hash.

        epoch: Names this life of it.

        cool_us: Until its cool-down ends.

        standings: Its limits.

        unknown: Tags of limits that this release does not know.

        gives_back: Whether answers showed that unused tokens come back.

        refusals: The 429s that processes met.
    """

    field: str
    epoch: str
    cool_us: int
    standings: tuple[Standing, ...]
    unknown: tuple[str, ...] = ()
    gives_back: bool = False
    refusals: Refusals = _NO_REFUSALS

    @property
    def shared(self) -> bool:
        """Whether it is that of the limits over all models."""
        return self.field == SHARED

    @property
    def model(self) -> str | None:
        """The model or family; None for calls without one, and for all together."""
        return None if self.shared else self.field.removeprefix(_OWN) or None

    @property
    def fullness(self) -> float:
        """How full the limit is that will bind first: 0 to 1."""
        return max((each.fullness for each in self.standings), default=0.0)


@dataclass(frozen=True, slots=True)
class ScopeState:
    """
    The accounts of one API key or named scope.

    Attributes:
        tag: What stands for it in the store.

        name: How people see it; None if nobody said.
    """

    tag: str
    name: str | None
    accounts: tuple[Account, ...]

    @property
    def label(self) -> str:
        """What to show: its name, else the beginning of its tag."""
        return self.name or self.tag[:_SHOWN]

    def goes_by(self, word: str) -> bool:
        """Tell whether *word* is its name, or the beginning of its tag."""
        return word == self.name or (len(word) >= _SHOWN and self.tag.startswith(word))


def read_scope(
    tag: str, values: Mapping[Any, Any], now_us: int, limits: Mapping[str, Limit]
) -> tuple[ScopeState, int]:
    """
    Read a scope at the server's moment *now_us*; and count what is none of ours.

    Args:
        limits: What limits are known to be, by tag.
    """
    accounts, strange = [], 0
    fields = {text_of(field): value for field, value in values.items()}
    for name in _names(fields):
        own = name.removeprefix(_OWN)
        try:
            # Limits over all models have no facts: no call is of all models.
            kept = b"" if name == SHARED else fields.get(f"{_FACTS}{own}", b"")
            facts = read_facts(kept, now_us)
            refusals = read_refusals(facts, now_us)
            field = _IDLE
            if name in fields:
                field = read_field(text_of(fields[name]), now_us)
            account = _account(name, field, now_us, limits, refusals)
        except (ValueError, IndexError):
            strange += 1
        else:
            if account is not None:
                shown = GIVES_BACK in facts
                accounts.append(replace(account, gives_back=shown))
    accounts.sort(key=lambda account: (account.shared, account.field))
    display = text_of(fields["n"]) if "n" in fields else None
    return ScopeState(tag, display, tuple(accounts)), strange


def _names(fields: Mapping[str, Any]) -> list[str]:
    """Name the accounts: those of limits, and of which facts alone are left."""
    names = [
        name
        for name in fields
        # How calls are spaced is no limit.
        if name == SHARED
        or (name.startswith(_OWN) and not name.startswith(f"{_OWN}{SPACED}"))
    ]
    others = [f"{_OWN}{n[len(_FACTS) :]}" for n in fields if n.startswith(_FACTS)]
    return [*names, *(name for name in others if name not in fields)]


def _account(
    name: str,
    field: Field,
    now_us: int,
    limits: Mapping[str, Limit],
    refusals: Refusals,
) -> Account | None:
    if not (field.sections or field.cool_us or refusals.count):
        return None  # it was reset, and lists what must not come back
    standings, unknown = [], []
    for section in field.sections:
        try:
            limit = limits.get(section.tag)
            standings.append(standing(section, field, now_us, limit))
        except ValueError:
            unknown.append(section.tag)
    seen = {section.tag for section in field.sections}
    if name != SHARED:
        standings += [
            Standing.unused(limit) for tag, limit in limits.items() if tag not in seen
        ]
    return Account(
        name,
        field.epoch,
        field.cool_us,
        tuple(standings),
        tuple(unknown),
        refusals=refusals,
    )


def text_of(value: bytes | str) -> str:
    """Return a value of the store as text, whatever the client makes of it."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
