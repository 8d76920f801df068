"""
Whether unused tokens come back, judged by what all processes spent since a moment.

Pure: time is an argument. Calls of a fleet overlap, so no two answers compare. But of a
bucket that gives nothing back no more remains, at any time, than its size and what was
refilled since any earlier moment, less what was charged in between. An epoch is what
came after such a moment. Who knows what was spent in it at least, before a call, holds
that against what the call's answer says remains. Others who use the account, and what
one does not know of, only make it less: they can hide the proof, not forge it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from paceline._provider.feedback import Reading

# How long an epoch lasts: what is refilled in it is not known any better.
LIFE = 90.0
# What a header says may be so many seconds old.
_LAG = 2.0
# What remains must be more than it could be by this share of the bucket, in so many
# answers that say different things, between so many looks.
_MARGIN, _PROOFS, _TIMES = 0.2, 3, 2
# That it is such a bucket shows in what its headers say. What remains and what comes
# back until `reset` are always the same sum, to this share;
_SAME = 0.05
# where what remains spans this share of it, it comes back as fast as it should, but for
# this share and what resets are rounded by: to whole seconds, or not to be seen.
_SPAN, _SLOPE, _WHOLE = 0.04, 0.1, 1.0
_MOST_HELD = 64


class Standing(NamedTuple):
    """What remains, and in how many seconds the bucket would be full."""

    remaining: int
    reset: float


class Held(NamedTuple):
    """An answer to be judged: when it came, what remained, what was spent before."""

    heard: float
    standing: Standing
    spent: int


class Epoch:
    """
    What one process knows of an epoch.

    Args:
        name: Tells it from all others.

        asked: From when on calls of this process are counted.

        since: When it began, or before.

    Attributes:
        since: When it began, or before: as far as any process knows.

        lead: Seconds by which calls that are counted may have been sent before that.

        spent: Tokens that calls of this process were charged.

        limit: The limit that the first answer named. 0 until then.

        rate: Tokens that are refilled in a second. 0.0 until an answer tells.

        powered: Whether so much was spent at some time that it should have shown.

        proofs: The answers that prove it.
    """

    def __init__(self, name: str, asked: float, since: float) -> None:
        self.name: str = name
        self.asked: float = asked
        self.since: float = since
        self.lead: float = 0.0
        self.spent: int = 0
        self.limit: int = 0
        self.rate: float = 0.0
        self.powered: bool = False
        self.proofs: set[Standing] = set()
        self._times = 0
        self._size = 0.0
        self._lowest: Standing | None = None
        self._highest: Standing | None = None
        self._totals: deque[tuple[float, int]] = deque(maxlen=round(LIFE))
        self._held: list[Held] = []

    def count(
        self, sent: float, heard: float, sure: int, reading: Reading, per: float
    ) -> bool:
        """
        Take note of a call when the headers of its answer have come.

        Returns whether they speak of the same bucket as those before.

        Args:
            sure: Tokens that it was sure to be charged on arrival.

            reading: What the headers say of tokens.

            per: The seconds in which the limit is refilled that they speak of.
        """
        if sent < self.asked or not reading.limit:
            return True
        self.spent += sure
        self.limit = self.limit or reading.limit
        if reading.limit != self.limit:
            return False
        self.rate = self.limit / per
        if not reading.remaining or reading.reset is None:
            return True  # 0 may stand for less
        standing = Standing(reading.remaining, reading.reset)
        if not self._fits(standing):
            return False
        if len(self._held) < _MOST_HELD:
            known = self._total_at(sent - _LAG)
            self._held.append(Held(heard, standing, known))
        return True

    def learn(self, heard: float, total: int, since: float, lead: float) -> None:
        """
        Take what all processes tell.

        Args:
            heard: When it was told.

            total: Tokens that all their calls were charged, or fewer.

            since: When the epoch began, or before.

            lead: Seconds by which any of these calls may have been sent before that.
        """
        self._totals.append((heard, max(total, self.total)))
        self.since = min(self.since, since)
        self.lead = max(self.lead, lead)
        excess = self.total - self.rate * (heard - self.since)
        self.powered |= 0 < 2 * _MARGIN * self._size < excess

    def judge(self, *, believe: bool) -> bool:
        """
        Judge the answers since the last time; tell whether it is proved.

        To be called when it was just learnt how old the epoch is: a machine that slept
        does not know.

        Args:
            believe: Whether answers may be believed at all.
        """
        held, self._held = self._held, []
        if not believe or not self._refills():
            return False
        before = len(self.proofs)
        for heard, standing, spent in held:
            rate = self.rate * (1 + _SLOPE)
            refilled = rate * (heard - self.since + self.lead)
            most = max(0.0, self._size + refilled - spent)
            if standing.remaining > most + _MARGIN * self._size:
                self.proofs.add(standing)
        self._times += len(self.proofs) > before
        return len(self.proofs) >= _PROOFS and self._times >= _TIMES

    def is_idle(self, moment: float) -> bool:
        """Tell whether less was spent than had been refilled at a moment."""
        return moment - self.since > 0 and self.total <= self.rate * (
            moment - self.since
        )

    @property
    def total(self) -> int:
        """Tokens that all processes were last heard to have spent."""
        return self._totals[-1][1] if self._totals else 0

    def _total_at(self, moment: float) -> int:
        for known, total in reversed(self._totals):
            if known <= moment:
                return total
        return 0

    def _fits(self, standing: Standing) -> bool:
        size = standing.remaining + self.rate * standing.reset
        if abs(size - (self._size or size)) > _SAME * self._size:
            return False
        self._size = max(self._size, size)
        self._lowest = min(self._lowest or standing, standing)
        self._highest = max(self._highest or standing, standing)
        return True

    def _refills(self) -> bool:
        """Tell whether it was seen that it is refilled as fast as it should be."""
        low, high, limit = self._lowest, self._highest, self.limit
        if low is None or high is None:
            return False
        if abs(self._size - limit) <= _SAME * limit:
            high = Standing(limit, 0.0)
        span = high.remaining - low.remaining
        refilled = self.rate * (low.reset - high.reset)
        whole = low.reset.is_integer() and high.reset.is_integer()
        wrong = abs(span - refilled) + (self.rate * _WHOLE if whole else 0.0)
        return span >= _SPAN * self._size and wrong <= _SLOPE * span
