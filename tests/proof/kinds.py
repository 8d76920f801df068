"""
The four kinds of limit, as their rules say them: plain lists of what was booked.

Moments are integer microseconds, debts exact fractions of a unit. Nothing is encoded,
nothing bounded, nothing rounded but moments: what the scripts do to be small and fast,
they must do without being seen here.
"""
# ruff: noqa: ARG002 -- the four kinds are asked alike

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from paceline._calendar import boundaries


@dataclass
class Window:
    """Slots of acts: the moment of the last one in it, and their costs."""

    limit: SlidingWindow
    slots: list[list[int]] = field(default_factory=list)

    @property
    def width(self):
        return -(-self.limit.per_us // self.limit.slots)

    def open(self, now, shift):
        self.slots = [s for s in self.slots if s[0] > now - self.limit.per_us]

    def move(self, back):
        self.slots = [[moment - back, cost] for moment, cost in self.slots]

    def used(self, moment):
        """Units in the window that ends at *moment*, those booked ahead included."""
        return sum(c for t, c in self.slots if t > moment - self.limit.per_us)

    def earliest(self, now, cost, most):
        ends = sorted(t + self.limit.per_us for t, _ in self.slots)
        return next(t for t in (now, *ends) if self.used(t) + cost <= most)

    def full(self, act, cost):
        """Waiting bookings fill eight windows of slots or five of units, no more."""
        many = len(self.slots) >= 8 * self.limit.slots
        if many or self.used(-(10**30)) + cost > 5 * self.limit.capacity:
            return self.slots[0][0] + self.limit.per_us
        return None

    def _slot(self, moment):
        """The slot that holds a booking of *moment*: the first not before it, or one
        that it would lengthen."""
        number = moment // self.width
        later = [s for s in self.slots if s[0] >= moment][:1]
        before = [s for s in self.slots if s[0] < moment][-1:]
        return next((s for s in later + before if s[0] // self.width == number), None)

    def book(self, now, moment, cost, stamp):
        slot = self._slot(moment)
        if slot is None:
            self.slots.append([moment, cost])
            self.slots.sort(key=lambda each: each[0])
        else:
            slot[0], slot[1] = max(slot[0], moment), slot[1] + cost

    def settle(self, now, moment, change, stamp, new_stamp, moved):
        """In the slot of the booking; if all of it has left, there is nothing left to
        post. Once slots were moved, others may stand where a lost one was."""
        if moment <= now - self.limit.per_us and (change > 0 or moved):
            return
        if change > 0:
            self.book(now, moment, change, new_stamp)
            return
        slot = self._slot(moment)
        if slot is not None and slot[0] >= moment:
            slot[1] = max(0, slot[1] + change)

    def remaining(self, now):
        return max(0, self.limit.capacity - self.used(now))

    def reset(self, now):
        ends = [t + self.limit.per_us - now for t, cost in self.slots if cost]
        return max(ends, default=0)


@dataclass
class Act:
    """A booking of a bucket; *entry* is shared by those that count as one."""

    stamp: int
    moment: int
    cost: int
    entry: int


@dataclass
class Bucket:
    """
    All bookings, in the order in which they were made; the debt is what they add up to.

    A refund lowers the cost of its booking, and the past is added up again.
    """

    limit: TokenBucket
    acts: list[Act] = field(default_factory=list)

    @property
    def rate(self):
        return Fraction(self.limit.rate, self.limit.per_us)

    @property
    def width(self):
        fill = self.limit.per_us * self.limit.capacity // self.limit.rate
        return max(1, fill // 60)

    def open(self, now, shift):
        pass

    def move(self, back):
        for act in self.acts:
            act.moment -= back

    def owed(self, acts=None):
        """The moment of the last booking, and what was owed then (Lindley)."""
        last, debt = -(10**18), Fraction(0)
        for act in self.acts if acts is None else acts:
            debt = max(Fraction(0), debt - (act.moment - last) * self.rate) + act.cost
            last = act.moment
        return last, debt

    def debt(self, now):
        last, debt = self.owed()
        return max(Fraction(0), debt - (now - last) * self.rate)

    def earliest(self, now, cost, most):
        last, debt = self.owed()
        return max(now, last + ceil((debt + cost - most) / self.rate))

    def full(self, act, cost):
        return None

    def book(self, now, moment, cost, stamp):
        """Never before one made earlier; in one entry with it if nothing drains in vain
        between those before it and the new one."""
        last, _ = self.owed()
        moment = max(moment, last)
        entry = stamp
        if self.acts and last > now:
            tail = [a for a in self.acts if a.entry == self.acts[-1].entry]
            before, debt = self.owed([a for a in self.acts if a not in tail])
            together = last // self.width == moment // self.width
            if together and debt >= (moment - before) * self.rate:
                entry = tail[0].entry
                for act in tail:
                    act.moment = moment
        self.acts.append(Act(stamp, moment, cost, entry))

    def settle(self, now, moment, change, stamp, new_stamp, moved):
        if change > 0:
            self.book(now, now, change, new_stamp)
            return
        act = next((a for a in self.acts if a.stamp == stamp), None)
        if act is None:
            return
        act.cost = max(0, act.cost + change)
        rest = [a for a in self.acts if a.entry == act.entry]
        if act.moment > now and not any(a.cost for a in rest):
            self.acts = [a for a in self.acts if a.entry != act.entry]

    def remaining(self, now):
        return max(0, floor(self.limit.capacity - self.debt(now)))

    def reset(self, now):
        last, debt = self.owed()
        return max(0, last + ceil(debt / self.rate) - now) if debt else 0


@dataclass
class Calendar:
    """Counts of the period that holds now and of the next; a stored one stands."""

    limit: CalendarWindow
    edges: tuple[int, int, int] = (0, 0, 0)
    counts: list[int] = field(default_factory=lambda: [0, 0])

    def open(self, now, shift):
        edges = boundaries(self.limit.period, self.limit.tz, now)
        start, stop, after = self.edges
        if now >= after:
            self.edges, self.counts = edges, [0, 0]
        elif now < start:
            self.edges, self.counts = edges, [self.counts[0], max(self.counts)]
        elif now >= stop:
            self.edges, self.counts = (stop, after, edges[2]), [self.counts[1], 0]

    def move(self, back):
        pass

    def earliest(self, now, cost, most):
        _, stop, after = self.edges
        moments = ((now, 0), (max(now, stop), 1))
        for (moment, period), end in zip(moments, (stop, after), strict=True):
            if moment < end and self.counts[period] + cost <= most:
                return moment
        return max(now, after)

    def full(self, act, cost):
        return self.edges[1] if act >= self.edges[2] else None

    def book(self, now, moment, cost, stamp):
        start, stop, after = self.edges
        if start <= moment < after:
            period = 0 if moment < stop else 1
            self.counts[period] = max(0, self.counts[period] + cost)

    def settle(self, now, moment, change, stamp, new_stamp, moved):
        self.book(now, moment, change, new_stamp)

    def remaining(self, now):
        return max(0, self.limit.capacity - self.counts[0])

    def reset(self, now):
        ends = [e - now for e, n in zip(self.edges[1:], self.counts, strict=True) if n]
        return max(ends, default=0)


@dataclass
class Leases:
    """Ends of the leases that are held, by a clock that never steps back."""

    limit: Concurrency
    ends: list[int] = field(default_factory=list)
    shift: int = 0

    def open(self, now, shift):
        self.shift = shift
        self.ends = sorted(end for end in self.ends if end > now + shift)

    def move(self, back):
        pass

    def end(self, now):
        slot = -(-self.limit.lease_us // 60)
        return -(-(now + self.shift + self.limit.lease_us) // slot) * slot

    def earliest(self, now, cost, most):
        """When so many have ended that it fits."""
        over = len(self.ends) + cost - most
        if over <= 0:
            return now
        return self.ends[min(over, len(self.ends)) - 1] - self.shift

    def full(self, act, cost):
        return None

    def book(self, now, moment, cost, stamp):
        self.ends = sorted([*self.ends, self.end(now)])

    def settle(self, now, end, change, stamp, new_stamp, moved):
        if end in self.ends:
            self.ends.remove(end)

    def renew(self, now, end):
        if end in self.ends:
            self.ends.remove(end)
        elif len(self.ends) >= self.limit.capacity:
            return 0
        self.book(now, now, 1, 0)
        return self.end(now)

    def remaining(self, now):
        return max(0, self.limit.capacity - len(self.ends))

    def reset(self, now):
        return self.ends[-1] - self.shift - now if self.ends else 0


KINDS = {
    SlidingWindow: Window,
    TokenBucket: Bucket,
    CalendarWindow: Calendar,
    Concurrency: Leases,
}
