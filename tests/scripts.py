"""Drives the scripts with a clock of the test's own, through the real encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from paceline import _reply, _sight, _wire
from paceline._rules import Rules
from paceline._script import load

T0 = 1_800_000_000_000_000
SECOND = 1_000_000


@dataclass
class Account:
    """One scope and policy on one server, at a time that the test sets."""

    client: object
    limits: object
    shared: object = ()
    model: str | None = None
    key: str = "paceline:1:{test}"
    display: str = ""
    guard_us: int = 0
    now: int = T0
    lane: tuple | None = None
    log: list = field(default_factory=list)

    def __post_init__(self):
        self.policy = Rules(self.limits, shared=self.shared).policy(self.model)
        self.scope = _wire.Scope(self.key, self.display, self.guard_us)

    def clock(self):
        return _wire.Clock(nonce=7, day_us=self.now, now_us=self.now)

    def run(self, call):
        script = load(call.script)
        return self.client.eval(script.source, 1, call.key, *call.argv(self.lane))

    def request(self, cost, wait=0.0, **more):
        charges = cost if isinstance(cost, tuple) else self.policy.charges(cost)
        return _wire.Request(self.policy, charges, round(wait * SECOND), **more)

    def acquire(self, cost=1, wait=0.0, **more):
        """Return the Answer to one request; *wait* in seconds."""
        return self.batch([self.request(cost, wait, **more)])[0]

    def batch(self, requests):
        call = _wire.encode_acquire(self.scope, requests, self.clock())
        return _reply.decode_acquire(self.run(call), self.scope, requests)

    def settle(self, booking, cost):
        actual = cost if isinstance(cost, tuple) else self.policy.charges(cost)
        clock = self.clock()
        call = _wire.encode_settle(self.scope, self.policy, booking, actual, clock)
        return self.run(call)

    def cancel(self, booking):
        return self.settle(booking, (0,) * len(self.policy.limits))

    def renew(self, booking):
        """Return the new ends of a booking's leases; 0 is a lost one."""
        pairs = zip(self.policy.limits, booking.posts, strict=True)
        holds = [(self.policy, *pair) for pair in pairs if pair[0].tag == "c"]
        reply = self.run(_wire.encode_renew(self.scope, holds, self.clock()))
        return _reply.decode_renew(reply, len(holds))

    def peek(self):
        reply = self.run(_wire.encode_peek(self.scope, self.policy, self.clock()))
        return _reply.decode_peek(reply, self.policy)

    def cool_down(self, seconds, *, refused=False):
        how = (self.scope, self.policy, round(seconds * SECOND), self.clock())
        return self.run(_wire.encode_cool_down(*how, refused=refused))

    def heal(self, epoch, seq, units, rest, cool=0.0, **more):
        """Tell what a lost life held; seconds. Return what was new."""
        limit = self.policy.limits[0]
        ghosts = ()
        if units or more:
            more = {
                k: round(v * (SECOND if k == "last_us" else 1)) for k, v in more.items()
            }
            ghosts = (_sight.Ghost(limit, units, round(rest * SECOND), **more),)
        field = _wire.own_field(self.policy)
        lost = _sight.Lost(field, (epoch * 20)[:20], seq, round(cool * SECOND), ghosts)
        call = _sight.encode_heal(self.scope, self.policy, [lost], self.clock())
        return sum(_sight.restored(call.limits, self.run(call)).values())

    def reset(self, known=()):
        return self.run(
            _wire.encode_reset(self.scope, self.policy, self.clock(), known)
        )

    def state(self):
        return self.client.hgetall(self.key)
