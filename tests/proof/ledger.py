"""
What was really used, and whether any limit was exceeded: brute force, by definition.

Acts are kept in the time of their field: the server's clock, plus all by which it was
set back. A call that was used later than granted, within its guard or grace, counts
where it was used.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from paceline import CalendarWindow, Concurrency, SlidingWindow
from paceline._calendar import boundaries
from paceline._wire import lease_slot, place


@dataclass
class Act:
    moment: int
    units: int
    late: int = 0
    end: int = 0


@dataclass
class Ledger:
    """Acts by (field, tag), and the limits that they are held against."""

    acts: dict = field(default_factory=lambda: defaultdict(list))
    limits: dict = field(default_factory=dict)
    stepped_back: bool = False

    def add(self, held, now):
        held.acts = []
        for limit, post in zip(held.policy.limits, held.booking.posts, strict=True):
            moment = now + held.wait + post.shift
            late = 0
            if not isinstance(limit, CalendarWindow | Concurrency):
                late = post.moment + post.shift - moment
            act = Act(moment, post.units, late)
            where = place(held.policy, limit)
            if isinstance(limit, Concurrency):
                act.end = post.moment
                self._at_a_time(limit, self.acts[where], act)
            self.limits[where] = limit
            self.acts[where].append(act)
            held.acts.append(act)

    @staticmethod
    def _at_a_time(limit, acts, new):
        """Whoever began before and neither ended nor lost its lease is busy."""
        slot = lease_slot(limit)
        busy = sum(a.units for a in acts if a.end - slot > new.moment)
        assert busy + new.units <= limit.capacity

    def settle(self, held, actual):
        for act, units in zip(held.acts, actual, strict=True):
            act.units = min(act.units, units)
            act.end = act.end if units else 0

    def renew(self, held):
        for act, post in zip(held.acts, held.booking.posts, strict=True):
            if act.end:
                act.end = post.moment

    def forget(self, policy):
        for limit in policy.limits:
            self.acts.pop(place(policy, limit), None)

    def check(self):
        """At every place of the guard: all used at once, all late, and every other."""
        for where, acts in self.acts.items():
            for every in (1, 2, 3):
                used = sorted(
                    (
                        act.moment + (0 if i % every else act.late * (every > 1)),
                        act.units,
                    )
                    for i, act in enumerate(acts)
                )
                self._check(self.limits[where], used)

    def _check(self, limit, used):
        if isinstance(limit, SlidingWindow):
            assert window_excess(used, limit) <= 0, "I2"
        elif isinstance(limit, CalendarWindow):
            assert self.stepped_back or calendar_excess(used, limit) <= 0
        elif not isinstance(limit, Concurrency):
            assert bucket_excess(used, limit) <= 0, "I1"


def window_excess(used, limit):
    worst, inside, first = 0, 0, 0
    for moment, units in used:
        inside += units
        while used[first][0] <= moment - limit.per_us:
            inside -= used[first][1]
            first += 1
        worst = max(worst, inside - limit.capacity)
    return worst


def bucket_excess(used, limit):
    worst, debt, last = Fraction(0), Fraction(0), 0
    rate = Fraction(limit.rate, limit.per_us)
    for moment, units in used:
        debt = max(Fraction(0), debt - (moment - last) * rate) + units
        last = moment
        worst = max(worst, debt - limit.capacity)
    return worst


def calendar_excess(used, limit):
    counts = defaultdict(int)
    for moment, units in used:
        counts[boundaries(limit.period, limit.tz, moment)[0]] += units
    return max(counts.values(), default=0) - limit.capacity
