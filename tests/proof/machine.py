"""
One scope under every kind of call, in any order: the scripts beside the model.

Invariants: I1 a bucket's debt and I2 every window are within the limit, I3 acts are
never past, nor later than the caller waits, I4 a refusal changes nothing, I5 a batch is
its requests one by one, I6 a call sent again is answered again, I7 a settlement counts
once, I8 the state is that of the true costs, I9 idle limits are full, I10 nobody waits
in vain, I11 memory is bounded, I12 "never" is what exceeds a capacity. I8 and I10 are
the model's: it has only true costs, and grants at the first moment with room.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from paceline import _wire
from paceline._wire import place
from proof import draws
from proof.drive import Twins, most_bytes, unnumbered
from proof.ledger import Ledger
from proof.model import LATER, NEVER, NO, YES
from scripts import SECOND

# The lows of a bucket are merged beyond so many bookings; the model keeps them all.
MOST_BOOKINGS = 32
HOUR = 3600 * SECOND
requests = st.fixed_dictionaries(
    {
        "wait": st.sampled_from([0, 0, SECOND, 30 * SECOND, 700 * SECOND]),
        "horizon_us": st.sampled_from([-1, -1, 0, SECOND]),
        "span_us": st.sampled_from([0, 0, 30_000]),
        "part": st.sampled_from([1_000, 1_000, 800, 300]),
        "again": st.booleans(),
    }
)


class Machine(RuleBasedStateMachine):
    """Two models of one key, their shared limits, and two lanes."""

    client = None
    kinds = draws.limits
    until_midnight = (16 * HOUR, 9 * SECOND)

    def __init__(self):
        super().__init__()
        self.held, self.calls, self.booked, self.numbers = [], [], 0, {"x": 0, "y": 0}

    @initialize(
        data=st.data(),
        guard=st.sampled_from([0, 0, 0, 20_000]),
    )
    def begin(self, data, guard):
        self.pair = data.draw(draws.policies(self.kinds))
        self.twins = Twins(self.client, guard)
        # It begins at 8 in the morning.
        left = data.draw(st.sampled_from(self.until_midnight))
        self.twins.now += 16 * HOUR - left
        self.hint, self.ledger, self.resets = self.twins.now, Ledger(), 0
        self.again = Twins(self.client, guard)

    @rule(pause=draws.pauses)
    def wait(self, pause):
        self.twins.now += pause

    @precondition(lambda self: self.hint > self.twins.now)
    @rule(early=st.sampled_from([0, 0, 1]))
    def come_back(self, early):
        """When the last who was not charged was told to, or a little before."""
        self.twins.now = self.hint - early

    @rule(back=st.sampled_from([1, 3_000, 700_000, 4 * SECOND]))
    def step_back(self, back):
        self.twins.now -= back
        self.ledger.stepped_back = True

    @precondition(lambda self: self.booked < MOST_BOOKINGS)
    @rule(
        data=st.data(),
        options=st.lists(requests, min_size=1, max_size=3),
        lane=st.sampled_from(["", "x", "x", "y"]),
    )
    def ask(self, data, options, lane):
        asked = [self._request(data, option) for option in options]
        sent = self._lane(lane)
        before = self.twins.state()
        back = self._is_back(asked)
        self._copy(before)
        answers, held = self.twins.acquire(asked, sent)
        self._check(asked, answers, held)
        if not back and all(a.code not in (YES, LATER) for a in answers):
            assert before == self.twins.state(), "I4"
        self._one_by_one(asked, answers)
        self._after(asked)
        self._keep(held)
        if sent:
            self.calls.append((asked, sent))

    def _request(self, data, option):
        policy = data.draw(st.sampled_from(self.pair))
        charges = data.draw(draws.charges(policy, beyond=1))
        more = {key: value for key, value in option.items() if key != "wait"}
        return _wire.Request(policy, charges, option["wait"], **more)

    def _lane(self, name):
        if not name:
            return None
        number = self.numbers[name] = self.numbers[name] + 1
        # It waits for a few answers at most.
        return name, number, max(1, number - number % 5)

    def _is_back(self, asked):
        names = {place(r.policy, limit)[0] for r in asked for limit in r.policy.limits}
        names |= {_wire.own_field(r.policy) for r in asked}
        known = [
            self.twins.model.fields[n] for n in names if n in self.twins.model.fields
        ]
        return any(account.last > self.twins.now for account in known)

    def _check(self, asked, answers, held):
        now, kept = self.twins.now, iter(held)
        for request, answer in zip(asked, answers, strict=True):
            pairs = zip(request.charges, request.policy.limits, strict=True)
            never = any(cost > limit.capacity for cost, limit in pairs)
            assert never == (answer.code == NEVER), "I12"
            assert answer.wait >= 0, "I3"
            if answer.code in (NO, LATER):
                self.hint = now + answer.wait
            if answer.code == YES:
                assert answer.wait <= request.max_wait_us, "I3"
                self.ledger.add(next(kept), now)

    def _copy(self, before):
        self.client.delete(self.again.key)
        if before:
            self.client.hset(self.again.key, mapping=before)

    def _one_by_one(self, asked, answers):
        """I5: the same answers and the same state, asked one after the other."""
        self.again.now, self.again.nonce = self.twins.now, self.twins.nonce
        for request, answer in zip(asked, answers, strict=True):
            call = _wire.encode_acquire(self.again.scope, [request], self.again.clock())
            raw = self.again.run(call)
            assert answer[:2] == tuple(
                raw[2 + 4 * len(_wire.Book([request], 0).fields) :][:2]
            ), "I5"
        alike = [
            {n: unnumbered(v) for n, v in each.state().items() if n[:1] in "ms"}
            for each in (self.twins, self.again)
        ]
        assert alike[0] == alike[1], "I5"
        self.client.delete(self.again.key)

    def _keep(self, held):
        self.held += held
        self.booked += len(held)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def send_again(self, data):
        """I6: the same answer, and no change; what is too old is forgotten."""
        asked, sent = data.draw(st.sampled_from(self.calls))
        known = (
            self.twins.model.lanes[sent[0]].recall(*sent[1:])
            if self._lanes(sent)
            else None
        )
        if known is None:
            return  # Nothing was written, so it would be decided anew.
        before = self.twins.state()
        self.twins.acquire(asked, sent)
        assert before == self.twins.state(), "I6"

    def _lanes(self, sent):
        return sent[0] in self.twins.model.lanes

    @precondition(lambda self: self.held and self.booked < MOST_BOOKINGS)
    @rule(
        data=st.data(),
        how=st.sampled_from(["cancel", "part", "part", "part", "over", "same"]),
        lane=st.sampled_from(["", "x", "x", "y"]),
    )
    def settle(self, data, how, lane):
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        booked = [post.units for post in held.booking.posts]
        share = {"cancel": 0, "part": data.draw(st.integers(0, 99)), "over": 150}
        part = share.get(how, 100)
        actual = tuple(
            units if limit.tag == "c" and how != "cancel" else -(-units * part // 100)
            for units, limit in zip(booked, held.policy.limits, strict=True)
        )
        sent = self._lane(lane)
        self.twins.settle(held, actual, sent)
        self.ledger.settle(held, actual)
        self.booked += how == "over"
        if sent:
            before = self.twins.state()
            self.twins.settle(held, actual, sent)
            assert before == self.twins.state(), "I7"
        self._after([_wire.Request(held.policy, actual, 0)])

    @precondition(lambda self: any(held.policy.leases for held in self.held))
    @rule(data=st.data())
    def renew(self, data):
        held = data.draw(st.sampled_from([h for h in self.held if h.policy.leases]))
        if all(post.units for post in held.booking.posts):
            self.twins.renew(held)
            self.ledger.renew(held)
            self._after([_wire.Request(held.policy, (), 0)])

    @rule(
        number=st.integers(0, 1),
        duration=st.sampled_from([0, 1, 50_000, 3 * SECOND]),
        refused=st.booleans(),
    )
    def cool_down(self, number, duration, refused):
        self.twins.cool_down(self.pair[number], duration, refused=refused)

    @rule(number=st.integers(0, 1))
    def look(self, number):
        before = self.twins.state()
        self.twins.peek(self.pair[number])
        assert before == self.twins.state()

    @rule(number=st.integers(0, 1), sure=st.integers(0, 9))
    def reset(self, number, sure):
        if sure == 0:
            self.resets += 1
            self.twins.reset(self.pair[number])
            self.ledger.forget(self.pair[number])

    def _after(self, asked):
        """I11, and every key has a TTL for as long as it matters."""
        now, model = self.twins.now, self.twins.model
        if self.twins.left >= 0:
            names = {_wire.own_field(request.policy) for request in asked}
            names |= {"s" for request in asked if request.policy.shared}
            known = [model.fields[n] for n in names if n in model.fields]
            ends = [e for f in known for e in (f.cool, f.tail, *f.until.values())]
            assert self.twins.left * 1000 >= max(ends, default=now) - now
        for name, value in self.twins.state().items():
            limits = {x.tag: x for p in self.pair for x in p.limits}
            most = sum(53 + len(x.tag) + most_bytes(x) for x in limits.values())
            # Lives that are closed for as long as anybody may remember them.
            most += 54 + 109 * min(64, self.resets)
            assert len(value) <= (29 + 8 * 300 if name[:2] == "l:" else 113 + most), (
                "I11"
            )

    def teardown(self):
        if not hasattr(self, "twins"):
            return
        try:
            self.ledger.check()
            self._idle()
        finally:
            self.client.delete(self.twins.key, self.again.key)

    def _idle(self):
        """I9: after the longest window and what is booked ahead, all is free."""
        accounts = self.twins.model.fields.values()
        moments = [moment for each in accounts for moment in (each.last, each.cool)]
        self.twins.now = max([self.twins.now, *moments])
        for policy in self.pair:
            self.twins.now += max(reset for _, reset in self.twins.peek(policy))
            full = [(limit.capacity, 0) for limit in policy.limits]
            assert full == list(self.twins.peek(policy)), "I9"
            most = tuple(1 if x.tag == "c" else x.capacity for x in policy.limits)
            answers, _ = self.twins.acquire([_wire.Request(policy, most, 0)])
            assert (answers[0].code, answers[0].wait) == (YES, 0), "I9"


class Midnight(Machine):
    """Calendars of two zones whose day is about to end, and what is booked across."""

    kinds = draws.midnight
    until_midnight = (9 * SECOND, SECOND, 30_000, 1)
