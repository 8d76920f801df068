"""
Linearizability without search: what several processes saw is one history.

Every field counts its writes. In the order of that count, with the server's own times,
the model gives every answer that was given; and who was answered before another began
comes first. So the calls took effect one at a time, each while its caller waited.
"""

from paceline import (
    CalendarWindow,
    Concurrency,
    SlidingWindow,
    TokenBucket,
    _wire,
)
from paceline._rules import Rules
from proof.draws import HISTORIES
from proof.drive import decode
from proof.model import Scope
from proof.worker import NAMES, work
from rig import run_processes

LIMITS = {
    "small": [
        SlidingWindow(40, 0.05, slots=10, name="window"),
        TokenBucket(2_000, 1.0, 60, name="bucket"),
    ],
    "large": [Concurrency(8, 5.0, name="leases"), CalendarWindow(100_000, "day")],
}
SHARED = [TokenBucket(5_000, 1.0, 80, name="all")]
PROCESSES, CALLS = 4, 150


def test_what_processes_saw_is_one_history(clean_server):
    """
    Four processes acquire, settle and cancel: replayed, every answer is the model's.
    """
    for number in range(max(1, HISTORIES // 60)):
        key = f"paceline:1:{{history{number}}}"
        jobs = [
            (clean_server.socket, key, LIMITS, SHARED, 100 * number + i, CALLS)
            for i in range(PROCESSES)
        ]
        logs = run_processes(work, jobs)
        rows = [r for i, log in enumerate(logs) for r in read(100 * number + i, log)]
        rows.sort(key=lambda row: row.order)
        for field in ("m:small", "m:large", "s"):
            in_real_time([row for row in rows if field in row.wrote], field)
        charged = replay(rows)
        print(f"{len(rows)} calls, {charged} charged")
        assert len(rows) == PROCESSES * CALLS
        assert charged > CALLS / 4


class Row:
    """A logged call, and where it stands in each field's count."""

    def __init__(self, name, entry, policies, booked):
        self.name, self.entry = name, entry
        self.policy = policies[entry.model]
        self.own = f"m:{entry.model}"
        self.now = entry.reply[1]
        self.seq = {self.own: entry.reply[3], "s": entry.reply[7]}
        self.wrote = self._wrote(booked)
        if entry.verb == "acquire":
            charges, wait = entry.asked
            self.request = _wire.Request(self.policy, charges, wait)
            self.answer = decode(entry.reply, [self.request]).answers[0]
            if self.answer.code == 1:
                self.wrote = {self.own, "s"}
                booked[name] = charges

    def _wrote(self, booked):
        if self.entry.verb == "acquire":
            return set()
        which, actual = self.entry.asked
        limits = zip(self.policy.limits, booked[which], actual, strict=True)
        return {
            _wire.place(self.policy, limit)[0]
            for limit, units, true in limits
            if true != units
        }

    @property
    def order(self):
        """By the count of what all write, then of the own field; writers first."""
        shared, own = (self.seq[f] for f in ("s", self.own))
        last = "s" not in self.wrote
        return shared, last, self.own, own, self.own not in self.wrote, self.now


def read(seed, log):
    rules, booked = Rules(LIMITS, shared=SHARED), {}
    policies = {name: rules.policy(name) for name in NAMES}
    return [
        Row((seed, number), entry, policies, booked) for number, entry in enumerate(log)
    ]


def in_real_time(writes, field):
    """Each number once, none missing; nobody is before one that had been answered."""
    assert [row.seq[field] for row in writes] == list(range(1, len(writes) + 1))
    times = [row.now for row in writes]
    assert times == sorted(times)
    answered = float("inf")
    for row in reversed(writes):
        assert row.entry.began <= answered
        answered = min(answered, row.entry.ended)


def replay(rows):
    """Give every call to the model, at the server's time; count what was charged."""
    model, held = Scope(), {}
    for row in rows:
        if row.entry.verb == "acquire":
            seen = model.acquire(row.now, [row.request])
            assert seen.answers[0] == row.answer, row.entry
            held[row.name] = seen.charged[0]
        else:
            which, actual = row.entry.asked
            model.settle(row.now, row.policy, held[which], actual)
        for field in row.wrote:
            assert model.fields[field].seq == row.seq[field]
    return sum(posts is not None for posts in held.values())
