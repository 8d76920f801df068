"""
Ask how much of a quota is used when reservations are far above what is really used.

    python benchmarks/estimates.py [--url redis://...] [--minutes 60] [--processes 8]

A quota of 60,000 tokens per minute; calls reserve 500 to 1,500 tokens, use 10 to 50 %
of them, and say so within 20 seconds; five times the quota is offered, and nobody waits
longer than a minute. The scripts run on a real server, at times that the simulation
sets: an hour takes seconds. A settlement wakes who is first in its process.

Prints one JSON line per kind of limit: the share of the quota used, in actual tokens
and after ten minutes; what theory expects of it; by how many tokens the limit was ever
exceeded (0); calls of acquire per caller, those that gave up included. A token bucket
gets back what it had charged too much as long as that has not drained. A window is held
by estimates in flight to 0.98 / (1 + (c/a - 1) L/W), for c reserved, a used, settled
after L in a window of W.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import redis

from paceline import SlidingWindow, TokenBucket, _reply, _wire
from paceline._rules import Rules
from paceline._script import load
from paceline.stores.embedded import EmbeddedServer

SECOND = 1_000_000
BEGIN = 1_800_000_000 * SECOND
QUOTA = 60_000
OFFERED = 5
RESERVE, USE = (500, 1_500), (0.1, 0.5)
LATENCY = 20.0
PATIENCE = 60 * SECOND
HORIZON = SECOND
WARM_UP = 10 * 60 * SECOND

Limit = SlidingWindow | TokenBucket


@dataclass
class Caller:
    """One process: those of its callers that wait, in their order."""

    queue: deque[tuple[int, int]] = field(default_factory=deque)
    asking: bool = False
    asked: int = 0


class Simulation:
    """Processes that share one limit, and what they did."""

    def __init__(self, client: Any, limit: Limit, processes: int, seed: int) -> None:
        self.limit, self.random = limit, random.Random(seed)
        self.policy = Rules(limit).policy(None)
        self.scope = _wire.Scope(f"paceline:1:{{settlement-{limit.tag}-{seed}}}", "")
        names = ("acquire", "settle")
        self.scripts = {n: client.register_script(load(n).source) for n in names}
        self.callers = [Caller() for _ in range(processes)]
        self.events: list[tuple[int, int, Any, tuple[Any, ...]]] = []
        self.count, self.now, self.asks, self.arrived = itertools.count(), BEGIN, 0, 0
        self.acts: list[list[int]] = []
        client.delete(self.scope.key)

    def run(self, minutes: float) -> None:
        """Simulate so many minutes of arrivals."""
        stop = BEGIN + round(minutes * 60 * SECOND)
        self._at(BEGIN, self._arrive, stop)
        while self.events and self.events[0][0] < stop:
            self.now, _, do, args = heapq.heappop(self.events)
            do(*args)

    def _at(self, moment: int, do: Any, *args: Any) -> None:
        heapq.heappush(self.events, (moment, next(self.count), do, args))

    def _call(self, call: _wire.Call) -> Any:
        return self.scripts[call.script](keys=[call.key], args=call.argv(None))

    def _clock(self) -> _wire.Clock:
        return _wire.Clock(7, self.now, self.now)

    def _arrive(self, stop: int) -> None:
        caller = self.random.choice(self.callers)
        self.arrived += 1
        caller.queue.append((self.now, self.random.randint(*RESERVE)))
        if not caller.asking:
            self._ask(caller, again=False)
        # Offered in actual tokens: a call uses 300 on average.
        mean = sum(RESERVE) / 2 * sum(USE) / 2
        gap = self.random.expovariate(OFFERED * QUOTA / mean / 60)
        self._at(self.now + round(gap * SECOND), self._arrive, stop)

    def _ask(self, caller: Caller, *, again: bool) -> None:
        while caller.queue and self.now - caller.queue[0][0] > PATIENCE:
            caller.queue.popleft()
            again = False
        caller.asking = bool(caller.queue)
        if not caller.queue:
            return
        came, cost = caller.queue[0]
        left = came + PATIENCE - self.now
        request = _wire.Request(self.policy, (cost,), left, HORIZON, again=again)
        call = _wire.encode_acquire(self.scope, [request], self._clock())
        answer = _reply.decode_acquire(self._call(call), self.scope, [request])[0]
        self.asks += 1
        caller.asked += 1
        if answer.later:
            self._at(self.now + answer.wait_us, self._ask_again, caller, caller.asked)
            return
        caller.queue.popleft()
        if answer.booking:
            self._use(caller, answer, cost)
        self._ask(caller, again=False)

    def _ask_again(self, caller: Caller, asked: int) -> None:
        # Unless it was woken since.
        if caller.asked == asked and caller.asking:
            self._ask(caller, again=True)

    def _use(self, caller: Caller, answer: _reply.Answer, cost: int) -> None:
        """The call is made at its act; what it used is known some seconds later."""
        used = round(cost * self.random.uniform(*USE))
        act = self.now + answer.wait_us
        self.acts.append([act, used])
        done = act + round(self.random.uniform(0, LATENCY) * SECOND)
        self._at(done, self._settle, caller, answer.booking, used)

    def _settle(self, caller: Caller, booking: _wire.Booking, used: int) -> None:
        args = (self.scope, self.policy, booking, (used,), self._clock())
        self._call(_wire.encode_settle(*args))
        self._ask_again(caller, caller.asked)

    def share(self) -> float:
        """Of the quota, after the warm-up or half of the run."""
        first = min(BEGIN + WARM_UP, (BEGIN + self.now) // 2)
        used = sum(units for act, units in self.acts if first <= act < self.now)
        return used / (QUOTA * (self.now - first) / (60 * SECOND))

    def over(self) -> float:
        """By how many tokens the limit was ever exceeded, in what was really used."""
        acts = sorted(self.acts)
        if isinstance(self.limit, SlidingWindow):
            return most_in_window(acts, self.limit.per_us) - self.limit.limit
        rate = self.limit.rate / self.limit.per_us
        return most_debt(acts, rate) - self.limit.capacity


def most_in_window(acts: list[list[int]], length: int) -> int:
    """Return the most units within any window of *length* us."""
    most, inside, first = 0, 0, 0
    for act, units in acts:
        inside += units
        while acts[first][0] <= act - length:
            inside -= acts[first][1]
            first += 1
        most = max(most, inside)
    return most


def most_debt(acts: list[list[int]], rate: float) -> float:
    """Return the highest debt of a bucket that drains *rate* units per us."""
    most, debt, last = 0.0, 0.0, 0
    for act, units in acts:
        debt = max(0.0, debt - (act - last) * rate) + units
        most, last = max(most, debt), act
    return most


def expected(limit: Limit) -> float:
    """Return the share that theory promises."""
    if isinstance(limit, TokenBucket):
        return 0.99
    ratio = 1 / (sum(USE) / 2)
    return 0.98 / (1 + (ratio - 1) * (LATENCY / 2) / limit.per)


LIMITS = (
    TokenBucket.per_minute(QUOTA, burst=QUOTA, unit="tokens"),
    SlidingWindow.per_minute(QUOTA, unit="tokens"),
)


def measure(
    client: Any, limit: Limit, minutes: float, processes: int, seed: int = 1
) -> dict[str, Any]:
    """Run one configuration."""
    simulation = Simulation(client, limit, processes, seed)
    simulation.run(minutes)
    client.delete(simulation.scope.key)
    return {
        "limit": limit.name,
        "processes": processes,
        "admissions": len(simulation.acts),
        "quota_used": round(simulation.share(), 4),
        "expected": round(expected(limit), 4),
        "over": max(0.0, round(simulation.over(), 3)),
        "asks_per_caller": round(simulation.asks / simulation.arrived, 2),
    }


def main() -> None:
    """Measure a bucket and a window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server; default: the embedded one")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=8)
    options = parser.parse_args()
    url = options.url or f"unix://{EmbeddedServer().ensure()}"
    with redis.Redis.from_url(url, decode_responses=True) as client:
        for limit in LIMITS:
            row = measure(client, limit, options.minutes, options.processes)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
