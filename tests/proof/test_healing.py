"""
Healing on random histories: several clients, losses of all data, older states, resets.

The clients run the real plans, on the test's clock. What may be over the limit is only
what nobody had seen who could tell it; everything else must fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import (
    CalendarWindow,
    Concurrency,
    SlidingWindow,
    TokenBucket,
    _plans,
)
from paceline._almanac import Almanac
from paceline._batch import serve
from paceline._calls import Call, Clock, Request, Scope
from paceline._desk import Desk
from paceline._effects import Ask, Now
from paceline._rules import Rules
from paceline._script import load
from scripts import SECOND, T0

KEY = "paceline:1:{healing}"
SCOPE = Scope(KEY, "")
DAY = 86_400 * SECOND
LIMITS = {
    "window": SlidingWindow(10, 3.0, slots=6),
    "bucket": TokenBucket(5, 1.0, burst=10),
    "day": CalendarWindow(10, "day"),
    "leases": Concurrency(4, 6.0),
}
CHECKS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("ask"),
            st.integers(0, 2),
            st.integers(1, 4),
            st.sampled_from([0, 0, 1, 4]),
        ),
        st.tuples(st.just("wait"), st.sampled_from([1, 90_000, 700_000, 2 * SECOND])),
        st.tuples(st.sampled_from(["lose", "keep", "older"])),
        st.tuples(st.just("reset"), st.integers(0, 2)),
    ),
    max_size=30,
)


class Act(NamedTuple):
    """One booking that may be used, and what names it."""

    moment: int
    units: int
    epoch: str
    seq: int


@dataclass
class World:
    """A server, its clock, and what is true of it."""

    server: object
    limit: object
    now: int = T0
    acts: list = field(default_factory=list)
    excused: set = field(default_factory=set)
    told: dict = field(default_factory=dict)
    losses: int = 0
    saved: tuple | None = None

    def __post_init__(self):
        self.policy = Rules(self.limit).policy("m")
        self.clients = [Client(self) for _ in range(3)]

    def ask(self, number, cost, wait):
        cost = 1 if isinstance(self.limit, Concurrency) else cost
        client = self.clients[number]
        stranger = (KEY, "m") not in client.desk.seen
        request = Request(self.policy, (cost,), wait * SECOND)
        answer = client.drive(_plans.decide(client.desk, SCOPE, request))
        if answer.booking:
            post = answer.booking.posts[0]
            self.acts.append(Act(post.moment, cost, post.epoch, post.stamp // 1000))
            if stranger:
                self.excused.add(self.acts[-1])

    def wait(self, us):
        self.now += us

    def lose(self):
        self.losses += 1
        self.server.delete(KEY)

    def keep(self):
        self.saved = (self.server.hgetall(KEY), len(self.acts))

    def older(self):
        """A replica is promoted that has nothing of what came after a moment."""
        if self.saved and self.saved[0]:
            self.losses += 1
            self.server.delete(KEY)
            self.server.hset(KEY, mapping=self.saved[0])
            # It may catch up before anybody sees it.
            self.excused.update(self.acts[self.saved[1] :])

    def reset(self, number):
        client = self.clients[number]
        client.drive(_plans.reset(client.desk, SCOPE, self.policy))
        self.losses += 1  # for the others it is another life
        self.acts.clear()
        self.saved = None

    def seen(self):
        """What was booked, but for what nobody could tell."""
        return [
            act
            for act in self.acts
            if act not in self.excused and act.seq <= self.told.get(act.epoch, act.seq)
        ]

    def check(self):
        acts = sorted(self.seen())
        if isinstance(self.limit, CalendarWindow):
            assert sum(act.units for act in acts) <= 10
            return
        length = {"w": 3 * SECOND, "c": 1, "b": None}[self.limit.tag[0]]
        for i, first in enumerate(acts):
            total = 0
            for act in acts[i:]:
                if length is None:
                    total += act.units
                    assert total <= 10 + 5 * (act.moment - first.moment) / SECOND + 1e-6
                elif act.moment < first.moment + length:
                    total += act.units
            assert total <= self.limit.capacity or length is None


class Ticking(Almanac):
    """Tells the scripts what time it is."""

    def clock(self):
        return Clock(self.nonce(), self.world.now, self.world.now)


class Client:
    """A process: what it remembers, and the plans that it runs."""

    def __init__(self, world):
        self.world, self.chance = world, iter(range(10**6))
        almanac = Ticking(lambda: (id(self) // 16 + next(self.chance)) % 10_000)
        almanac.world = world
        self.desk = Desk(almanac)

    def drive(self, plan):
        step, value = plan.send, None
        try:
            while True:
                effect = step(value)
                value = self.perform(effect)
        except StopIteration as stop:
            return stop.value

    def perform(self, effect):
        if isinstance(effect, Ask):
            return self.drive(serve([effect]))[0]
        if isinstance(effect, Now):
            return self.world.now / SECOND
        if isinstance(effect, Call):
            if effect.script == "heal":
                self.note()
            source = load(effect.script).source
            reply = self.world.server.eval(source, 1, effect.key, *effect.argv(None))
            self.world.server.persist(effect.key)  # it would expire by real time
            return reply
        return None

    def note(self):
        """Remember who told first of a life, and how much of it he had seen."""
        assert self.world.losses
        sight = self.desk.seen[KEY, "m"]
        for life in sight[0].lives:
            self.world.told.setdefault(life.epoch, life.seq)


def play(server, limit, steps):
    with server.client() as client:
        client.delete(KEY)
        world = World(client, limit)
        for number in range(3):
            world.ask(number, 1, 0)
        for verb, *how in steps:
            getattr(world, verb)(*how)
        if not isinstance(limit, Concurrency):
            world.check()
        client.delete(KEY)
        return world


@pytest.mark.parametrize("kind", ["window", "bucket", "day"])
def test_what_anybody_had_seen_is_never_granted_twice(clean_server, kind):
    """
    Whatever is lost, however often, and whoever tells first.
    """

    @CHECKS
    @given(STEPS)
    def run(steps):
        play(clean_server, LIMITS[kind], steps)

    run()


@pytest.mark.parametrize("kind", list(LIMITS))
def test_without_a_loss_nobody_tells(clean_server, kind):
    """
    Other clients, expiry, resets and clocks are no loss.
    """

    @CHECKS
    @given(STEPS)
    def run(steps):
        # A reset is seen as another life, which is told in vain.
        quiet = [step for step in steps if step[0] not in ("lose", "older", "reset")]
        play(clean_server, LIMITS[kind], quiet)

    run()


@pytest.mark.parametrize("kind", list(LIMITS))
def test_a_loss_costs_one_window_at_most(clean_server, kind):
    """
    When what is booked ahead has acted and a window is over, all is free again.
    """

    @CHECKS
    @given(STEPS)
    def run(steps):
        with clean_server.client() as client:
            client.delete(KEY)
            world = World(client, LIMITS[kind])
            for verb, *how in steps:
                getattr(world, verb)(*how)
            last = max([world.now, *(act.moment for act in world.acts)])
            window = {"window": 3, "bucket": 2 * 2, "day": 2 * 86_400, "leases": 6.2}
            world.now = last + round(window[kind] * SECOND)
            before = len(world.acts)
            for _ in range(world.limit.capacity):
                world.ask(0, 1, 0)
            assert len(world.acts) - before == world.limit.capacity
            client.delete(KEY)

    run()
