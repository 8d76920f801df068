"""
How processes agree on an epoch, and on what all of them spent in it. Pure.

An epoch is a fact that the store keeps; the numbers of epochs rise, the highest holds,
and the first to name one of a number names it. Each process adds up what its own calls
spent and tells the sum, in a row that is its own: told twice it is told once, and lost
it is told again. A row outlives its process and holds all the same.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from paceline._facts import Fact

from ._epoch import LIFE, Epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from paceline._facts import Known
    from paceline._provider.feedback import Reading

_EPOCH, _SPENT = "epoch:", "spent:"
# After one that should have proved it and did not, nobody looks for so long.
_REST = 300.0
# So many processes tell what they spent: enough for a fleet of some hundred, and a
# quarter of a millisecond of the store for each look.
_SLOTS = 32
# One in which less was spent than refilled is replaced, so that the next begins just
# before a burst. What was spent is known so much later, and by the slowest answers.
_LATE = 3.0
# Who saw headers that are not of one bucket believes none for so many seconds.
_DISTRUST = 60.0
# Who hears of an epoch later than so many seconds after it began does not judge: the
# store's clock may have stepped back, and nobody be left who knows.
_EARLY = 10.0
_FADES = 0.98


class Row(NamedTuple):
    """
    What a process tells of an epoch.

    Attributes:
        epoch: Its name.

        owner: The process.

        spent: Tokens that its calls were charged.

        limit: The limit that its first answer named: one that changes is no bucket.

        lead: Milliseconds by which they may have been sent before the epoch.

        age: Milliseconds that it had lasted at least. Store's clocks step.
    """

    epoch: str
    owner: str
    spent: int
    limit: int
    lead: int
    age: int


class Epochs:
    """
    The epochs of an account, as one process sees them.

    Args:
        draw: Returns what nobody else drew: some hexadecimal digits.
    """

    def __init__(self, draw: Callable[[], str] = lambda: os.urandom(4).hex()) -> None:
        self._draw = draw
        self._owner = draw()
        self._number = -1
        self._until = float("-inf")
        self._epoch: Epoch | None = None
        self._slot: int | None = None
        self._taken: set[int] = set()
        self._told = 0
        self._left: list[str] = []
        self._slowest = 0.0
        self._strange = float("-inf")
        self._came_late = False

    def count(
        self, sent: float, heard: float, sure: int, reading: Reading, per: float
    ) -> None:
        """Take note of an answered call, as :meth:`Epoch.count` does."""
        self._slowest = max(heard - sent, _FADES * self._slowest)
        if self._epoch and not self._epoch.count(sent, heard, sure, reading, per):
            self._strange = heard

    def facts(self, now: float) -> list[Fact]:
        """Return what to tell the other processes."""
        facts = [Fact(name, "", 0.0) for name in self._left]
        self._left = []
        epoch = self._epoch
        if now >= self._until or (epoch and self._is_over(epoch, now)):
            if self._number >= 0:
                facts.append(Fact(f"{_EPOCH}{self._number}", "", 0.0))
            name = f"{_EPOCH}{self._number + 1}"
            rests = epoch is not None and epoch.powered and not epoch.proofs
            value, life = ("", _REST) if rests else (self._draw(), LIFE)
            return [*facts, Fact(name, value, life, yields=True)]
        if epoch is None or epoch.spent <= self._told:
            return facts
        slot, claims = self._slot, self._slot is None
        if slot is None:
            free = [each for each in range(_SLOTS) if each not in self._taken]
            if not free:
                return facts
            slot = free[int(self._draw(), 16) % len(free)]
        lead, age = 1 + int(1000 * epoch.lead), int(1000 * (now - epoch.since))
        row = Row(epoch.name, self._owner, epoch.spent, epoch.limit, lead, age)
        value, left = ":".join(map(str, row)), self._until - now
        return [*facts, Fact(self._name(slot), value, left, yields=claims)]

    def meet(self, known: Mapping[str, Known], asked: float, heard: float) -> bool:
        """
        Take what is kept; tell whether it is proved that unused tokens come back.

        Args:
            known: The facts, as they were at some moment from *asked* to *heard*.
        """
        numbers = [int(n[len(_EPOCH) :]) for n in known if n.startswith(_EPOCH)]
        if not numbers:
            self._leave(-1, heard)
            return False
        number = max(numbers)
        name, left = known[f"{_EPOCH}{number}"]
        age = max(0.0, LIFE - left)
        epoch = self._epoch
        if number != self._number or name != (epoch.name if epoch else ""):
            self._leave(number, heard + left)
            epoch = self._epoch = Epoch(name, asked, asked - age) if name else None
            self._came_late = not LIFE - _EARLY <= left <= LIFE
        if epoch is None:
            return False
        rows = self._rows(known, epoch)
        self._taken = set(rows)
        self._slot, self._told = None, 0
        lead = max(0.0, heard - asked - age)
        # Whose reply was lost may have taken a second place.
        spent: dict[str, int] = {}
        for slot, row in rows.items():
            lead, age = max(lead, row.lead / 1000), max(age, row.age / 1000)
            spent[row.owner] = max(spent.get(row.owner, 0), row.spent)
            if epoch.limit not in {0, row.limit}:
                self._strange = heard
            if row.owner == self._owner and row.spent >= self._told:
                self._slot, self._told = slot, row.spent
        epoch.learn(heard, sum(spent.values()), asked - age, lead)
        trusts = self._strange < epoch.asked and heard - self._strange >= _DISTRUST
        return epoch.judge(believe=trusts and not self._came_late)

    def _leave(self, number: int, until: float) -> None:
        if self._slot is not None:
            self._left.append(self._name(self._slot))
        self._number, self._until = number, until
        self._epoch, self._slot, self._told = None, None, 0

    def _is_over(self, epoch: Epoch, now: float) -> bool:
        age = now - epoch.since
        if self._strange >= epoch.asked:
            return age >= _DISTRUST
        return epoch.is_idle(now - _LATE - 2 * self._slowest)

    def _name(self, slot: int) -> str:
        return f"{_SPENT}{self._number}:{slot}"

    def _rows(self, known: Mapping[str, Known], epoch: Epoch) -> dict[int, Row]:
        rows: dict[int, Row] = {}
        prefix = f"{_SPENT}{self._number}:"
        for name, kept in known.items():
            if name.startswith(prefix):
                # What a later release tells in other words is no row.
                with suppress(ValueError):
                    row = _read(kept.value)
                    if row.epoch == epoch.name:
                        rows[int(name[len(prefix) :])] = row
        return rows


def _read(value: str) -> Row:
    epoch, owner, *numbers = value.split(":")
    spent, limit, lead, age = map(int, numbers)
    return Row(epoch, owner, spent, limit, lead, age)
