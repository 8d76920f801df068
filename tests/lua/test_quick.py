"""The quick way of acquire decides and writes what the rest of the script would."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import (
    CalendarWindow,
    Concurrency,
    SlidingWindow,
    TokenBucket,
    _script,
    _wire,
)
from paceline._script import load
from paceline._state import read_field
from scripts import SECOND, Account

CHECKS = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
QUICK = "local quick_reply = quick()"
SLOW = load("acquire").source.replace(QUICK, "local quick_reply = nil")

LIMITS = (
    st.builds(
        SlidingWindow,
        st.sampled_from([3, 20, 1_000]),
        st.sampled_from([0.5, 10.0]),
        slots=st.sampled_from([2, 60]),
    ),
    st.builds(
        TokenBucket,
        st.sampled_from([1, 10, 50]),
        st.sampled_from([1.0, 7.0]),
        st.sampled_from([3, 40, 2_000]),
        unit=st.just("tokens"),
    ),
    st.builds(
        CalendarWindow,
        st.sampled_from([50, 500]),
        st.sampled_from(["day", "month"]),
        unit=st.just("credits"),
    ),
    st.builds(Concurrency, st.sampled_from([2, 30]), lease=st.just(5.0)),
)
ANOTHER = SlidingWindow(7, 33.0)
policies = st.lists(
    st.one_of(LIMITS[0], LIMITS[1], LIMITS[1], LIMITS[2], *LIMITS),
    min_size=1,
    max_size=3,
    unique_by=lambda limit: limit.unit,
)
steps = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([0, 0, 1, 10, SECOND // 3, -SECOND, 86_400 * SECOND]),
            st.integers(0, 5 * SECOND),
        ),
        st.lists(st.integers(0, 12), min_size=1, max_size=6),
        st.sampled_from([0.0, 0.0, 0.0, 3.0]),
        st.sampled_from(["keep", "keep", "keep", "settle", "cool", "other"]),
        st.sampled_from([0, 0, 1]),
    ),
    min_size=1,
    max_size=25,
)


class Twin:
    """Two accounts of one history: one whose script may be quick, one whose may not."""

    def __init__(self, client, limits, shared):
        self.quick, self.slow = (
            Account(client, limits, shared, key=f"paceline:1:{{{name}}}")
            for name in ("quick", "slow")
        )
        self.replies = []
        self.quick.run = partial(self.run, self.quick, load("acquire").source)
        self.slow.run = partial(self.run, self.slow, SLOW)

    def run(self, one, acquire, call):
        source = acquire if call.script == "acquire" else load(call.script).source
        reply = one.client.eval(source, 1, call.key, *call.argv(one.lane))
        self.replies.append(reply)
        return reply

    def both(self, act):
        """Do something to both; return what came of it, which must be the same."""
        self.replies.clear()
        one, other = act(self.quick), act(self.slow)
        half = len(self.replies) // 2
        assert self.replies[:half] == self.replies[half:]
        assert one == other
        return one

    def compare(self):
        """Look at the state, which must be the same but for the order in a field."""
        found = []
        for one in (self.quick, self.slow):
            fields = one.state()
            told = {
                name: (value[:113], sorted(sections(value, one.now)))
                for name, value in fields.items()
                if name[:2] in ("m:", "s")
            }
            lanes = {name: value for name, value in fields.items() if name[:2] == "l:"}
            found.append((told, lanes, one.client.pttl(one.key) // 2_000))
        assert found[0][:2] == found[1][:2]
        assert abs(found[0][2] - found[1][2]) <= 1


def sections(value, now):
    """Return the live parts of a field."""
    field = read_field(value, now)
    return [
        (part.tag, part.capacity, part.at, part.stop, part.body)
        for part in field.sections
    ]


def batch(one, costs, wait=0.0):
    """Return what is seen of the answers to a batch."""
    answers = one.batch([one.request(cost, wait) for cost in costs])
    return [
        (answer.decision, answer.wait_us, answer.booking, answer.others)
        for answer in answers
    ]


def walk(twin, history, lane):
    pair = (twin.quick, twin.slow)
    count = len(twin.quick.policy.limits)
    for number, (passed, amounts, wait, then, oldest) in enumerate(history, 1):
        for one in pair:
            one.now += passed
            one.lane = ("lane", number, max(1, number - oldest)) if lane else None
        costs = [tuple(max(0, cost - i) for i in range(count)) for cost in amounts]
        answers = twin.both(partial(batch, costs=costs, wait=wait))
        twin.compare()
        for one in pair:
            one.lane = None
            if then == "settle" and (booking := answers[0][2]):
                one.settle(booking, (5,) * count)
            elif then == "cool":
                one.cool_down(0.2)
            elif then == "other":
                Account(one.client, ANOTHER, key=one.key, now=one.now).acquire()


@CHECKS
@given(limits=policies, history=steps, lane=st.booleans(), shared=st.booleans())
def test_the_quick_way_is_the_other_way(clean_server, limits, history, lane, shared):
    """
    Replies, fields, lanes and expiry are the same after each step of any history.
    """
    client = clean_server.client()
    client.flushall()
    over_all = [SlidingWindow(900, 20.0)] if shared else []
    walk(Twin(client, limits, over_all), history, lane)


EDGES = {
    "window": [SlidingWindow(5, 10.0, slots=5)],
    "bucket": [TokenBucket(1, 3.0, 5)],
    "calendar": [CalendarWindow(30, "day")],
    "all": [
        SlidingWindow(9, 10.0, slots=5),
        TokenBucket(1, 1.0, 7, unit="tokens"),
        CalendarWindow(90, "day", unit="credits"),
    ],
}
PASSED = (0, 0, 0, 1, SECOND, 3 * SECOND - 1, 3 * SECOND, 10 * SECOND - 1, 10 * SECOND)
RARELY = (-1, -SECOND, 3_600 * SECOND, 40_000 * SECOND)
COSTS = ([1], [2], [1, 1], [0], [1, 3], [4])
THEN = ("keep",) * 5 + ("settle", "cool", "other")


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("kind", EDGES)
def test_the_quick_way_is_the_other_way_at_the_edges(clean_server, kind, lane):
    """
    Limits are nearly full, moments are those at which something fits or ends.
    """
    chance = Random(f"{kind} {lane}")
    history = [
        (
            chance.choice(RARELY if chance.random() < 0.05 else PASSED),
            chance.choice(COSTS),
            chance.choice((0.0, 0.0, 0.0, 5.0)),
            chance.choice(THEN),
            chance.choice((0, 0, 1)),
        )
        for _ in range(250)
    ]
    walk(Twin(clean_server.client(), EDGES[kind], []), history, lane)


def test_a_bucket_is_as_exact_on_the_quick_way(clean_server):
    """
    One tick before there is room the cost does not fit; at it, it does.
    """
    one = Account(clean_server.client(), [TokenBucket(1, 3.0, 5)])
    assert one.acquire(1).decision
    assert one.acquire(4).decision
    for passed, fits in ((3 * SECOND - 1, False), (1, True), (3 * SECOND, True)):
        one.now += passed
        assert bool(one.acquire(1).decision) is fits


def test_what_a_bucket_cannot_hold_never_fits(clean_server):
    """
    Not even where a process thinks that it drained long ago, as another does not.
    """
    client = clean_server.client()
    Twin(client, [TokenBucket(1, 3.0, 5)], ()).both(partial(batch, costs=[(5,)]))
    twin = Twin(client, [TokenBucket(1_000, 3.0, 5)], ())
    for one in (twin.quick, twin.slow):
        one.now += SECOND
    for costs, fits in (([(6,)], False), ([(3,), (3,)], True), ([(5,)], False)):
        answers = twin.both(partial(batch, costs=costs))
        assert answers[0][0].allowed is fits
        twin.compare()


def test_the_quick_way_does_not_overtake_who_is_booked_ahead(clean_server):
    """
    Another policy's waiter stands in the window at its own moment, and stays there.
    """
    window = SlidingWindow(5, 10.0, slots=5)
    client = clean_server.client()
    waiter = Account(client, [window, TokenBucket(1, 8.0, 1, unit="tokens")])
    assert waiter.acquire((1, 1)).decision
    assert waiter.acquire((3, 1), wait=20.0).wait_us == 8 * SECOND
    other = Account(client, [window])
    assert other.acquire(1).decision
    other.now += 12 * SECOND
    assert other.peek()[0].remaining == 2


def test_the_least_debts_of_a_large_batch_are_those_of_single_bookings(clean_server):
    """
    More bookings than a bucket remembers lows of, in one script and in several.
    """
    twin = Twin(clean_server.client(), [TokenBucket(1, 10.0, 400)], ())
    for count in (5, 31, 1, 60, 2):
        twin.both(partial(batch, costs=[(1,), (2,)] * count))
        twin.compare()
        for one in (twin.quick, twin.slow):
            one.now += 25 * SECOND


RPM_TPM = (SlidingWindow(9, 60.0), TokenBucket(9, 60.0, unit="tokens"))


@pytest.mark.parametrize(
    ("limits", "quick"),
    [
        (RPM_TPM, [True, True, True, False]),
        ((*RPM_TPM, CalendarWindow(9, "day")), [False, True, True, False]),
    ],
    ids=["first", "later"],
)
def test_most_calls_go_the_quick_way(clean_server, limits, quick):
    """
    What fits is decided without the rest of the script: at once, but for the first
    count of a calendar's period.
    """
    one = Account(clean_server.client(), limits)
    one.run = lambda call: one.client.eval(
        load("acquire").source.replace("return quick_reply\n", "return 7\n"),
        1,
        call.key,
        *call.argv(None),
    )
    call = _wire.encode_acquire(
        one.scope, [one.request({"tokens": 1})] * 3, one.clock()
    )
    replies = [one.run(call) for _ in range(4)]
    assert [reply == 7 for reply in replies] == quick


def test_an_account_that_was_idle_is_named_again_on_the_quick_way(clean_server):
    """
    A field that expired is made anew, with the name that people see.
    """
    client = clean_server.client()
    one = Account(client, [SlidingWindow(9, 1.0)])
    one.scope = replace(one.scope, display="team")
    one.acquire(1)
    assert client.hget(one.key, "n") == "team"


def test_what_has_left_a_window_goes_with_a_charge_elsewhere(clean_server):
    """
    A window that this cost does not count in is written again, without its past.
    """
    limits = [SlidingWindow(5, 10.0, slots=5), TokenBucket(1, 1.0, 7, unit="tokens")]
    twin = Twin(clean_server.client(), limits, ())
    for cost, passed in (((1, 1), 4), ((1, 1), 7), ((0, 1), 1), ((0, 0), 1)):
        twin.both(partial(batch, costs=[cost]))
        twin.compare()
        for one in (twin.quick, twin.slow):
            one.now += passed * SECOND


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("HEAD", _wire.HEAD),
        ("LIMIT", _wire.LIMIT),
        ("REQUEST", _wire.REQUEST),
        ("CHARGE", _wire.CHARGE),
    ],
)
def test_the_quick_way_knows_how_long_rows_are(name, row):
    """
    It reads arguments by their places, which are those of the encoder.
    """
    source = _script._root().joinpath("lib/quick.lua").read_text("utf-8")
    names, numbers = re.search(
        r"local (QUICK_HEAD.*QUICK_CHARGE) = ([\d, ]+)\n", source
    ).groups()
    lengths = dict(zip(names.split(", "), map(int, numbers.split(", ")), strict=True))
    assert len(row) == lengths[f"QUICK_{name}"]
