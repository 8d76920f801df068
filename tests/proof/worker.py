"""One process of many: calls the scripts, and logs what it asked, heard and when."""

from __future__ import annotations

import random
import time
from typing import NamedTuple

import redis

from paceline import _reply, _wire
from paceline._rules import Rules
from paceline._script import load

NAMES = ("small", "large")


class Entry(NamedTuple):
    """
    One call, by the clock of this machine (ns), which its processes share.

    *asked* is (charges, wait), or (which call is settled, true cost): a call is named
    by its process's seed and its place there.
    """

    began: int
    ended: int
    verb: str
    model: str
    asked: tuple
    reply: list


class Worker:
    """Asks, settles and cancels at random, on a connection of its own."""

    def __init__(self, path, key, limits, shared, seed):
        self.client = redis.Redis(
            unix_socket_path=path, decode_responses=True, protocol=2
        )
        rules = Rules(limits, shared=shared)
        self.policies = {name: rules.policy(name) for name in NAMES}
        self.scope, self.chance, self.seed = (
            _wire.Scope(key, ""),
            random.Random(seed),
            seed,
        )
        self.log, self.held = [], []

    def step(self):
        if self.held and self.chance.random() < 0.5:
            self.settle(*self.held.pop(self.chance.randrange(len(self.held))))
        else:
            self.acquire(self.chance.choice(NAMES))

    def acquire(self, model):
        policy = self.policies[model]
        charges = tuple(map(self.cost, policy.limits))
        wait = self.chance.choice([0, 20_000, 500_000])
        request = _wire.Request(policy, charges, wait)
        call = _wire.encode_acquire(self.scope, [request], self.clock())
        reply = self.send(call, "acquire", model, (charges, wait))
        answer = _reply.decode_acquire(reply, self.scope, [request])[0]
        if answer.booking:
            self.held.append((model, len(self.log) - 1, answer.booking))

    def cost(self, limit):
        most = 1 if limit.tag == "c" else max(1, limit.capacity // 4)
        return self.chance.randint(1, most)

    def settle(self, model, number, booking):
        policy, share = self.policies[model], self.chance.choice([0, 0, 0.4, 1.5])
        pairs = zip(policy.limits, booking.posts, strict=True)
        actual = tuple(
            0 if limit.tag == "c" else int(post.units * share) for limit, post in pairs
        )
        args = (self.scope, policy, booking, actual, self.clock())
        asked = ((self.seed, number), actual)
        self.send(_wire.encode_settle(*args), "settle", model, asked)

    def clock(self):
        """The server's own clock decides; calendars want the day."""
        return _wire.Clock(self.chance.randrange(10_000), int(time.time() * 1_000_000))

    def send(self, call, verb, model, asked):
        source, args = load(call.script).source, call.argv(None)
        began = time.monotonic_ns()
        reply = self.client.eval(source, 1, call.key, *args)
        ended = time.monotonic_ns()
        self.log.append(Entry(began, ended, verb, model, asked, reply))
        return reply


def work(path, key, limits, shared, seed, count):
    """Return the log of *count* calls."""
    worker = Worker(path, key, limits, shared, seed)
    for _ in range(count):
        worker.step()
    worker.client.close()
    return worker.log
