"""The scripts keep their promises under any history, on every kind of store."""

import fakeredis
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from paceline import (
    CalendarWindow,
    Concurrency,
    SlidingWindow,
    TokenBucket,
    _wire,
)
from paceline._rules import Rules
from proof.draws import EXAMPLES, QUIET
from proof.drive import Twins
from proof.machine import HOUR, Machine, Midnight
from scripts import SECOND


def _run(client, examples, kind=Machine):
    machine = type(kind.__name__, (kind,), {"client": client})
    checks = settings(max_examples=examples, stateful_step_count=40, **QUIET)
    run_state_machine_as_test(machine, settings=checks)


def test_a_server_keeps_every_promise(clean_server):
    """
    I1 to I12 hold, and every answer is the model's, on Valkey and Redis.
    """
    with clean_server.client() as client:
        _run(client, EXAMPLES)


def test_a_server_keeps_every_promise_around_midnight(clean_server):
    """
    The same where calendars turn, and bookings cross over.
    """
    with clean_server.client() as client:
        _run(client, EXAMPLES, Midnight)


def test_the_memory_store_keeps_every_promise():
    """
    The same scripts on fakeredis give the same answers.
    """
    server = fakeredis.FakeServer()
    with fakeredis.FakeRedis(server=server, decode_responses=True) as client:
        _run(client, max(5, EXAMPLES // 8))


def test_a_hint_holds_for_every_limit_at_that_moment(clean_server):
    """
    A lease ends tomorrow, and tomorrow is booked full though today has room.
    """
    limits = [
        CalendarWindow(2, "day", name="day"),
        Concurrency(1, 6.0, name="leases"),
        TokenBucket(1, 1.0, 1, name="bucket"),
    ]
    policy = Rules(limits).policy(None)
    with clean_server.client() as client:
        twins = Twins(client)
        twins.now += 16 * HOUR - SECOND // 2
        asked = [(1, 0, 1), (1, 0, 1), (1, 0, 1), (0, 1, 0), (1, 1, 0)]
        requests = [_wire.Request(policy, each, 9 * SECOND) for each in asked]
        answers, _ = twins.acquire(requests)
        assert [answer.code for answer in answers] == [1, 1, 1, 1, 0]
        assert answers[-1][1:3] == (24 * HOUR + SECOND // 2, 1)
        client.delete(twins.key)


def test_a_lane_remembers_what_may_be_asked_again(clean_server):
    """
    From the oldest number of which its client still wants to hear; none before it.
    """
    policy = Rules(SlidingWindow(100, 60.0)).policy(None)
    asked = [_wire.Request(policy, (1,), 0)]
    with clean_server.client() as client:
        twins = Twins(client)
        for number in range(1, 10):
            twins.acquire(asked, ("lane", number, max(1, number - 5)))
        before = twins.state()
        lanes = [("lane", number, 1) for number in range(1, 10)]
        again = [bool(twins.acquire(asked, lane)[0]) for lane in lanes]
        assert again == 3 * [False] + 6 * [True]
        assert before == twins.state()
        client.delete(twins.key)
