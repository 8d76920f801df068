"""
The rules of one scope in Python, for the scripts to be compared with.

Written from the rules and for reading: every call works on a copy of the state, and the
copy becomes the state if something was charged. See ``kinds`` for the limits.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import ceil

from paceline import CalendarWindow, Concurrency
from paceline._wire import grace_us, own_field, place
from proof.kinds import KINDS
from proof.parts import Answer, Field, Lane, Post, Reply, Rows

YES, NO, LATER, NEVER = 1, 0, 2, -1
DECIDED, AGAIN, FORGOTTEN = 1, 2, 3
COOL_DOWN = -1
# Turns to ask again are given out no further than this beyond the first.
TURNS = 10_000_000
# 429s are forgotten when none came for so long; by so much a clock may step back.
DAY, MOST_BACK = 86_400_000_000, 60_000_000


@dataclass
class Scope:
    """One hash: accounts by field name, and lanes by their name."""

    guard: int = 0
    fields: dict = field(default_factory=dict)
    lanes: dict = field(default_factory=dict)
    lives: int = 0
    refusals: dict = field(default_factory=dict)

    def acquire(self, now, requests, lane=None):
        """Decide the requests in order; return the Reply."""
        call = Call(self, now, [request.policy for request in requests])
        if lane and (known := self._lane(lane).recall(*lane[1:])) is not None:
            return self._again(call, requests, known)
        answers, charged = [], []
        for number, request in enumerate(requests, 1):
            code, act, why, posts = call.decide(request, number)
            answers.append(call.answer(request.policy, code, act - now, why))
            charged.append(posts)
        if call.save() and lane:
            outcome = [answer[:3] for answer in answers]
            self._lane(lane).keep(*lane[1:], (now, outcome, charged))
        return Reply(DECIDED, 0, answers, charged)

    def settle(self, now, policy, posts, actual, lane=None):
        """Post the true cost; return DECIDED, AGAIN or FORGOTTEN."""
        call = Call(self, now, [policy])
        if lane and (known := self._lane(lane).recall(*lane[1:])) is not None:
            return AGAIN if known else FORGOTTEN
        changed = [
            (limit, post, units - post.units)
            for limit, post, units in zip(policy.limits, posts, actual, strict=True)
            if units != post.units
        ]
        for number, (limit, post, change) in enumerate(changed, 1):
            call.settle(policy, limit, post, change, number)
        if call.save() and lane:
            self._lane(lane).keep(*lane[1:], (now, [], []))
        return DECIDED

    def renew(self, now, policy, posts):
        """Return the new ends of a booking's leases; 0 is a lost one."""
        call, ends = Call(self, now, [policy]), []
        for limit, post in zip(policy.limits, posts, strict=True):
            if isinstance(limit, Concurrency):
                account, lease = call.find(policy, limit)
                alive = post.life == account.life
                ends.append(lease.renew(now, post.moment) if alive else 0)
                account.dirty |= alive
        call.save()
        return ends

    def cool_down(self, now, policy, duration):
        call = Call(self, now, [replace(policy, shared=())], limits=False)
        account = call.fields[own_field(policy)]
        if now + duration > account.cool:
            account.cool, account.dirty = now + duration, True
        call.save()

    def refuse(self, now, policy, *, kept):
        """
        Count a 429; return how many there are since the first, and when that was.

        If the store did not keep it, it was purged, which only age is a reason for.
        """
        name = own_field(policy)
        count, since, last = self.refusals.get(name, (0, now, now))
        if now >= last + DAY or (count and not kept):
            assert now >= last + DAY - MOST_BACK
            count, since = 0, now
        self.refusals[name] = (count + 1, min(since, now), now)
        return self.refusals[name][:2]

    def peek(self, now, policy):
        return Call(self, now, [policy]).standing(policy)

    def forget(self, now, policy, kept):
        """Reset; of *kept* fields the store keeps another life that closes the old."""
        self.refusals.pop(own_field(policy), None)
        for name in (own_field(policy), *(["s"] if policy.shared else [])):
            old = self.fields.pop(name, None)
            if old is not None and name in kept:
                old.follow(now)
                self.lives += 1
                self.fields[name] = Field(self.lives, now, shift=old.shift)
        # The first write of another life lets idle fields go.
        for name in [name for name in self.fields if name not in kept]:
            gone = self.fields.pop(name)
            assert max(gone.cool, gone.tail, *gone.until.values(), 0) <= now
        # And lanes that nobody used for ten minutes.
        for name in [name for name in self.lanes if f"l:{name}" not in kept]:
            del self.lanes[name]

    def _lane(self, lane):
        return self.lanes.setdefault(lane[0], Lane())

    @staticmethod
    def _again(call, requests, known):
        if not known:
            return Reply(FORGOTTEN)
        then, outcomes, charged = known
        pairs = zip(requests, outcomes, strict=True)
        answers = [call.answer(r.policy, *outcome) for r, outcome in pairs]
        return Reply(AGAIN, call.now - then, answers, charged)


class Call:
    """One script's view: the fields it names, as of now, until it saves them."""

    def __init__(self, scope, now, policies, *, limits=True):
        self.scope, self.now, self.fields = scope, now, {}
        for policy in policies:
            for name in (own_field(policy), *(["s"] if policy.shared else [])):
                if name not in self.fields:
                    self.fields[name] = self._open(name)
        self.opened = {}
        for policy in policies if limits else ():
            for limit in policy.limits:
                where = place(policy, limit)
                if where not in self.opened:
                    account = self.fields[where[0]]
                    new = KINDS[type(limit)](limit)
                    self.opened[where] = account.limits.setdefault(where[1], new)
                    self.opened[where].open(now, account.shift)

    def _open(self, name):
        account = deepcopy(self.scope.fields.get(name))
        if account is None:
            self.scope.lives += 1
            return Field(self.scope.lives, self.now)
        account.follow(self.now)
        return account

    def find(self, policy, limit):
        where = place(policy, limit)
        return self.fields[where[0]], self.opened[where]

    def save(self):
        """Whatever is dirty becomes the state."""
        for (name, tag), limit in self.opened.items():
            if self.fields[name].dirty:
                self.fields[name].until[tag] = self.now + limit.reset(self.now)
        saved = {n: account for n, account in self.fields.items() if account.dirty}
        for name, account in saved.items():
            account.seq, account.last = account.seq + 1, max(account.last, self.now)
            account.dirty = False
            self.scope.fields[name] = account
        return bool(saved)

    def standing(self, policy):
        limits = [self.find(policy, limit)[1] for limit in policy.limits]
        return tuple(
            (each.remaining(self.now), each.reset(self.now)) for each in limits
        )

    def answer(self, policy, code, wait, why):
        return Answer(code, wait, why, self.standing(policy))

    def decide(self, request, number):
        """Return code, act, why, and what was charged or None."""
        rows = Rows(self, request)
        if too_dear := rows.never():
            return NEVER, self.now, too_dear, None
        act, why = rows.earliest(self.now, rows.rates)
        held, holder = self._hold(request, rows, act, why)
        if held > act:
            return NO, held, holder, None
        if act > self.now:
            if rows.leases or act - self.now > request.max_wait_us:
                return NO, act, why, None
            turn = request.horizon_us >= 0 and self._turn(request, rows, act, why)
            if turn:
                return LATER, turn, why, None
            if full := rows.full(act):
                return NO, *full, None
        return (
            YES,
            act,
            why,
            [self._book(request, row, act, number) for row in rows.all],
        )

    def _hold(self, request, rows, act, why):
        """The moment when cool-down, calendars and leases let go too."""
        cool = self.fields[own_field(request.policy)].cool
        if cool > act:
            act, why = cool, COOL_DOWN
        while True:
            later, reason = rows.earliest(act, rows.holders)
            if later == act:
                return act, why
            act, why = later, reason

    def _turn(self, request, rows, act, why):
        """A booking reaches as far as the horizon and its own time of service."""
        row = rows.all[why - 1]
        service = ceil(row.cost * row.per_unit)
        due = act - request.horizon_us - service
        if due <= self.now:
            return None
        if request.again and due - self.now <= service:
            return due
        turn = min(max(due, row.account.tail), due + TURNS)
        row.account.tail = turn + service + grace_us(row.limit)
        row.account.dirty = True
        return turn

    def _book(self, request, row, act, number):
        moment, stamp = act, (row.account.seq + 1) * 1000 + number
        if not row.holds:
            waited = act > self.now
            late = max(grace_us(row.limit), request.span_us) if waited else 0
            moment = act + self.scope.guard + late
        if row.cost:
            row.state.book(self.now, moment, row.cost, stamp)
            row.account.dirty = True
        if isinstance(row.limit, Concurrency):
            moment = row.state.end(self.now)
        return Post(moment, row.cost, row.account.life, row.account.shift, stamp)

    def settle(self, policy, limit, post, change, number):
        account, state = self.find(policy, limit)
        same = post.life == account.life
        moment = post.moment
        if same and not isinstance(limit, CalendarWindow | Concurrency):
            moment += post.shift - account.shift
        if (change < 0 and same) or (change > 0 and not isinstance(limit, Concurrency)):
            stamp = (account.seq + 1) * 1000 + number
            moved = post.shift != account.shift
            state.settle(self.now, moment, change, post.stamp, stamp, moved)
            account.dirty = True
