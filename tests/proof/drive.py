"""
Drives the scripts and the model with the same calls, and compares what they say.

Also reads a field of the state, for what must be equal but for its numbering.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from paceline import SlidingWindow, TokenBucket, _reply, _wire
from paceline._facts import Refusals, read_facts, read_refusals
from paceline._script import load
from proof.model import AGAIN, DECIDED, FORGOTTEN, YES, Scope
from proof.parts import Answer, Reply
from scripts import T0

HEAD, SECTION = 113, 53
_keys = itertools.count()


@dataclass
class Held:
    """A booking, as the scripts and as the model name it."""

    policy: object
    booking: object
    posts: list
    at: int
    wait: int


@dataclass
class Twins:
    """One scope, in a store and in the model, at a time that the test sets."""

    client: object
    guard: int = 0
    now: int = T0
    key: str = ""
    nonce: int = 0
    left: int = -1
    model: Scope = None
    lives: dict = field(default_factory=dict)

    def __post_init__(self):
        self.key = self.key or f"paceline:1:{{proof{next(_keys)}}}"
        self.model = self.model or Scope(self.guard)
        self.scope = _wire.Scope(self.key, "", self.guard)

    def clock(self):
        return _wire.Clock(nonce=self.nonce, day_us=self.now, now_us=self.now)

    def run(self, call, lane=None):
        """Call a script; its key's TTL, which runs by the server's clock, is noted and
        taken off at once."""
        with self.client.pipeline() as pipe:
            pipe.eval(load(call.script).source, 1, self.key, *call.argv(lane))
            raw, self.left, _ = pipe.pttl(self.key).persist(self.key).execute()
        return raw

    def acquire(self, requests, lane=None):
        """Ask both; return the answers, and a Held per request that was charged."""
        call = _wire.encode_acquire(self.scope, requests, self.clock())
        raw = self.run(call, lane)
        expected = self.model.acquire(self.now, requests, lane)
        seen = decode(raw, requests)
        assert expected[:3] == seen[:3], (expected[:3], seen[:3])
        if seen.kind == FORGOTTEN:
            return [], []
        answers = _reply.decode_acquire(raw, self.scope, requests)
        held = []
        for request, posts, answer in zip(
            requests, expected.charged, answers, strict=True
        ):
            assert (posts is None) == (answer.booking is None)
            if posts is not None:
                self._compare(request.policy, posts, answer.booking.posts)
                then = answer.now_us
                wait = answer.wait_us + seen.age
                mine = list(posts)
                held.append(Held(request.policy, answer.booking, mine, then, wait))
        return seen.answers, held

    def _compare(self, policy, expected, seen):
        for limit, mine, theirs in zip(policy.limits, expected, seen, strict=True):
            if mine.units:
                life = (_wire.place(policy, limit)[0], theirs.epoch)
                assert mine.life == self.lives.setdefault(life, mine.life)
                assert tuple(mine[:2]) == (theirs.moment, theirs.units), (
                    limit,
                    mine,
                    theirs,
                )
                assert tuple(mine[3:]) == (theirs.shift, theirs.stamp)

    def settle(self, held, actual, lane=None):
        args = (self.scope, held.policy, held.booking, actual, self.clock())
        raw = self.run(_wire.encode_settle(*args), lane)
        kind = self.model.settle(self.now, held.policy, held.posts, actual, lane)
        assert kind == raw[0]

    def renew(self, held):
        """Return the new ends of the leases; the booking goes by them from now on."""
        policy = held.policy
        places = [i for i, limit in enumerate(policy.limits) if limit.tag == "c"]
        posts = list(held.booking.posts)
        holds = [(policy, policy.limits[i], posts[i]) for i in places]
        raw = self.run(_wire.encode_renew(self.scope, holds, self.clock()))
        ends = _reply.decode_renew(raw, len(holds))
        assert self.model.renew(self.now, policy, held.posts) == ends
        for i, end in zip(places, ends, strict=True):
            posts[i] = posts[i]._replace(moment=end)
            held.posts[i] = held.posts[i]._replace(moment=end)
        held.booking = _wire.Booking(tuple(posts))
        return ends

    def cool_down(self, policy, duration, *, refused=False):
        kept = f"f:{policy.account}" in self.state()
        args = (self.scope, policy, duration, self.clock())
        raw = self.run(_wire.encode_cool_down(*args, refused=refused))
        self.model.cool_down(self.now, policy, duration)
        cool = self.model.fields[_wire.own_field(policy)].cool
        assert cool - self.now == raw[-1]
        if refused:
            count, since = self.model.refuse(self.now, policy, kept=kept)
            assert self._refusals(policy) == Refusals(count, self.now - since, 0)

    def _refusals(self, policy):
        value = self.state().get(f"f:{policy.account}", "")
        return read_refusals(read_facts(value, self.now), self.now)

    def reset(self, policy):
        self.run(_wire.encode_reset(self.scope, policy, self.clock()))
        kept = set(self.state())
        self.model.forget(self.now, policy, kept)
        assert self._refusals(policy) == Refusals()
        self.nonce += 1

    def peek(self, policy):
        """Return (remaining, reset) of each limit."""
        raw = self.run(_wire.encode_peek(self.scope, policy, self.clock()))
        seen = pairs(raw[2 + 4 * (1 + bool(policy.shared)) :])
        assert self.model.peek(self.now, policy) == seen
        return seen

    def state(self):
        return self.client.hgetall(self.key)


def pairs(values):
    return tuple(zip(values[::2], values[1::2], strict=True))


def decode(raw, requests):
    """Read a reply of acquire; *why* becomes a place in the request's policy."""
    if raw[0] == FORGOTTEN:
        return Reply(FORGOTTEN)
    age = 0
    if raw[0] == AGAIN:
        age, raw, kind = raw[1], raw[2:], AGAIN
    else:
        assert raw[0] == DECIDED
        kind = DECIDED
    book = _wire.Book(requests, 0)
    at, answers = 2 + 4 * len(book.fields), []
    for request in requests:
        policy, end = request.policy, at + 3 + 2 * len(request.charges)
        code, wait, why = raw[at : at + 3]
        if why > 0:
            numbers = [book.limits[_wire.place(policy, each)] for each in policy.limits]
            why = numbers.index(why) + 1
        answers.append(Answer(code, wait, why, pairs(raw[at + 3 : end])))
        at = end
    return Reply(kind, age, answers)


def allowed(answers):
    return [answer.code == YES for answer in answers]


def unnumbered(value):
    """A field's value without what counts calls: its seq, and the stamps of buckets."""
    sections, at = [], HEAD
    while at < len(value):
        tag_end = at + SECTION + int(value[at : at + 2])
        end = tag_end + int(value[at + 2 : at + 8])
        tag, body = value[at + SECTION : tag_end], value[tag_end:end]
        content = _bucket(body) if tag[0] == "b" else [body]
        # Where a limit stands in the field says only when it was last idle.
        sections.append((tag, value[at + 8 : at + SECTION], content))
        at = end
    return value[:20], value[33:HEAD], sorted(sections)


def _bucket(body):
    ahead = 91 + 41 * int(body[87:91])
    entries = [body[i : i + 13] + body[i + 29 : i + 41] for i in range(91, ahead, 41)]
    lows = [body[i + 16 : i + 32] for i in range(ahead, len(body), 32)]
    return [body[:91], entries, lows]


def most_bytes(limit):
    """How long the body of a limit's state ever gets."""
    if isinstance(limit, SlidingWindow):
        return 7 + 14 * (9 * limit.slots + 3)
    if isinstance(limit, TokenBucket):
        return 91 + 41 * 481 + 32 * 33
    return 29 * 62 if limit.tag == "c" else 74
