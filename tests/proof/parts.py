"""What the model is made of: accounts, lanes, the limits of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from paceline import CalendarWindow, Concurrency, TokenBucket


class Answer(NamedTuple):
    """
    To one request. *why* counts the limits of its policy from 1.

    *standing* is (remaining, reset) of each limit.
    """

    code: int
    wait: int
    why: int
    standing: tuple[tuple[int, int], ...]


class Post(NamedTuple):
    """What one limit was charged, as a settlement names it."""

    moment: int
    units: int
    life: int
    shift: int
    stamp: int


class Reply(NamedTuple):
    """To a call: what kind, us since it was decided, answers, posts or None of each."""

    kind: int
    age: int = 0
    answers: tuple | list = ()
    charged: tuple | list = ()


@dataclass
class Field:
    """One account: its limits by tag, and what holds for all of them."""

    life: int
    last: int
    seq: int = 0
    shift: int = 0
    cool: int = 0
    tail: int = 0
    limits: dict = field(default_factory=dict)
    until: dict = field(default_factory=dict)
    dirty: bool = False

    def follow(self, now):
        """The clock stepped back: all moments go with it, but calendars and leases."""
        for tag in [t for t, end in self.until.items() if end <= max(self.last, now)]:
            del self.limits[tag], self.until[tag]
        back = self.last - now
        if back <= 0:
            return
        for tag, limit in self.limits.items():
            limit.move(back)
            if not isinstance(limit.limit, CalendarWindow):
                self.until[tag] -= back
        self.cool, self.tail = max(0, self.cool - back), max(0, self.tail - back)
        self.shift, self.last, self.dirty = self.shift + back, now, True


@dataclass
class Lane:
    """What was answered to one client, by number, for as long as it may ask again."""

    oldest: int = 0
    answers: dict = field(default_factory=dict)

    def recall(self, number, oldest):
        """None for a new call, False for one that comes too late."""
        if number < max(self.oldest, oldest):
            return False
        return self.answers.get(number)

    def keep(self, number, oldest, answer):
        self.oldest = max(self.oldest, oldest)
        self.answers[number] = answer
        self.answers = {n: a for n, a in self.answers.items() if n >= self.oldest}


class Row(NamedTuple):
    """One limit of a request, and what it is to be charged."""

    limit: object
    cost: int
    most: int
    account: Field
    state: object

    @property
    def holds(self):
        """Whether it only holds others up, but is never waited for in the books."""
        return isinstance(self.limit, CalendarWindow | Concurrency)

    @property
    def per_unit(self):
        """Microseconds that the limit takes to admit one unit."""
        bucket = isinstance(self.limit, TokenBucket)
        units = self.limit.rate if bucket else self.limit.capacity
        return Fraction(self.limit.per_us, units)


class Rows:
    """The limits of a request, in the order of its policy."""

    def __init__(self, call, request):
        self.all = []
        pairs = zip(request.policy.limits, request.charges, strict=True)
        for limit, cost in pairs:
            most = max(cost, limit.capacity * request.part // 1000)
            found = call.find(request.policy, limit)
            self.all.append(Row(limit, cost, most, *found))
        charged = [(n, row) for n, row in enumerate(self.all, 1) if row.cost]
        self.rates = [(n, row) for n, row in charged if not row.holds]
        self.holders = [(n, row) for n, row in charged if row.holds]
        self.leases = any(isinstance(r.limit, Concurrency) for _, r in self.holders)

    def never(self):
        dear = (n for n, row in enumerate(self.all, 1) if row.cost > row.limit.capacity)
        return next(dear, None)

    @staticmethod
    def earliest(moment, rows):
        """When all of *rows* have room, and the first that has none before."""
        why = 0
        for number, row in rows:
            later = row.state.earliest(moment, row.cost, row.most)
            if later > moment:
                moment, why = later, number
        return moment, why

    def full(self, act):
        for number, row in enumerate(self.all, 1):
            moment = row.state.full(act, row.cost) if row.cost else None
            if moment is not None:
                return moment, number
        return None
