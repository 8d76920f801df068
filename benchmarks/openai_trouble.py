"""
Ask how a fleet of OpenAI clients takes trouble: a refusal, and a rival.

    python benchmarks/openai_trouble.py [--only refusal|rival] [--rounds 3] [--check]

Four processes with sixteen tasks each call `paceline mock` with the openai SDK and
paceline, whose limits are the provider's. Each row is a JSON line, as the mock saw it.

`refusal`: after three seconds of load one call is answered with a 429 that asks to
wait for three seconds. A request travels for 50 ms, without jitter, so what arrives
later than 60 ms after the 429 had not left when it was answered. `early` of them came
before the wait was over, the last `last_early` seconds after the 429. Then `busiest` is
the most that arrived in any tenth of a second of the five seconds after the wait, in
which the quota refills `refilled`, and `first_second` what came in the first of them.

`rival`: a client without paceline, with the same key, uses half of the quota, evenly.
`ours_429` is what the mock refused of the fleet, of `ours` calls in `seconds`, and
`late_429` what of that came in the last two thirds; `rival_429` what it refused of the
rival; `used` the share of the quota that both used in the last two thirds. One row
where requests bind, one where tokens do.

With --check it ends with 1 if a call came 0.2 s after the 429 or later, before the wait
was over; if a tenth of a second after the wait had more than three times the refill; or
if one in a hundred of the fleet's calls met a 429.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

from paceline import RateLimiter
from paceline._parse import parse_limit
from paceline.mock import RunningMock, serve
from paceline.openai import limit
from paceline.stores.embedded import EmbeddedServer

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

PROCESSES, TASKS = 4, 16
LATENCY = 0.05
ANSWER, LONGEST = 100, 400
MODEL = "gpt-fleet"
GUARD = 0.1
START_SECONDS = 120.0

WAIT, WARM, AFTER = 3.0, 3.0, 5.0
TRAVEL = LATENCY + 0.01
REFUSAL_LIMITS = ["2400 requests/min burst 60"]
TENTH, HERD, HEARD = 0.1, 3, 0.2

RIVAL_LIMITS = {
    "requests": ["1200 requests/min burst 60", "12M tokens/min burst 2M"],
    "tokens": ["60k requests/min burst 6k", "480k tokens/min burst 40k"],
}
RIVAL_SECONDS = 60.0
# Calls a second, which cost what ours do: half of the quota.
RIVAL_RATE = 10.0


@dataclass(frozen=True)
class Order:
    """What a process needs to know."""

    base_url: str
    store: str
    api_key: str
    limits: list[str]
    seconds: float


_barrier: Barrier | None = None


def prepare(barrier: Barrier) -> None:
    """Take what only a starting process can be given."""
    global _barrier  # noqa: PLW0603 -- the way of multiprocessing's pools
    _barrier = barrier


def work(order: Order) -> int:
    """Let the tasks of one process call until the time is over; return how often."""
    return asyncio.run(_work(order))


async def ask(client: openai.AsyncOpenAI) -> None:
    """Make one call."""
    await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "How long will it take?"}],
        max_tokens=LONGEST,
    )


async def _work(order: Order) -> int:
    client = openai.AsyncOpenAI(base_url=order.base_url, api_key=order.api_key)
    await asyncio.gather(*(client.models.list() for _ in range(TASKS)))
    limiter = RateLimiter(
        order.store, limits=order.limits, guard=GUARD, call_timeout=2.0
    )
    limit(client, limiter)
    await limiter.peek_async("connect before the start")
    if _barrier is not None:
        await asyncio.to_thread(_barrier.wait, START_SECONDS)
    end, calls = time.monotonic() + order.seconds, 0

    async def again() -> None:
        nonlocal calls
        while time.monotonic() < end:
            calls += 1
            # Only the mock's count of 429s is of interest here.
            with contextlib.suppress(openai.RateLimitError):
                await ask(client)

    await asyncio.gather(*(again() for _ in range(TASKS)))
    await limiter.aclose()
    await client.close()
    return calls


class Fleet:
    """The processes, from the moment when all of them start to call."""

    def __init__(self, order: Order) -> None:
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(PROCESSES + 1)
        self._pool = ProcessPoolExecutor(PROCESSES, context, prepare, (barrier,))
        self._running = [self._pool.submit(work, order) for _ in range(PROCESSES)]
        barrier.wait(START_SECONDS)

    def end(self) -> int:
        """Wait for all; return how many calls they made."""
        with self._pool:
            return sum(each.result(START_SECONDS) for each in self._running)


def fresh_key() -> str:
    """Return a key that nobody used."""
    return f"key-{uuid.uuid4().hex}"


def refusal(store: str) -> dict[str, Any]:
    """Let one call of a busy fleet be refused."""
    seconds = WARM + WAIT + AFTER
    with serve(limits=REFUSAL_LIMITS, latency=LATENCY, jitter=0, seed=1) as mock:
        fleet = Fleet(Order(mock.base_url, store, fresh_key(), REFUSAL_LIMITS, seconds))
        time.sleep(WARM)
        mock.fail(f"rate_limit_requests next=1 wait={WAIT:g}s headers=seconds")
        fleet.end()
        log: Any = mock.log()
    (refused,) = [each["at"] for each in log if each["status"] == 429]
    later = sorted(each["at"] - refused for each in log if each["at"] > refused)
    early = [at for at in later if TRAVEL < at < WAIT]
    after = [at - WAIT for at in later if WAIT <= at < WAIT + AFTER]
    (rate,) = (each.rate / each.per for each in map(parse_limit, REFUSAL_LIMITS))
    return {
        "row": "refusal",
        "early": len(early),
        "last_early": round(max(early, default=0.0), 3),
        "first_second": sum(at < 1.0 for at in after),
        "busiest": max(sum(at <= x < at + TENTH for x in after) for at in after),
        "refilled": round(rate * TENTH, 1),
        "after": len(after),
    }


class Rival:
    """Somebody without paceline who uses half of the quota, evenly."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.calls = self.refused = 0
        self._where = {"base_url": base_url, "api_key": api_key}

    async def run(self, seconds: float) -> None:
        """Call for so long."""
        async with openai.AsyncOpenAI(**self._where, max_retries=0) as client:
            start = time.monotonic()
            async with asyncio.TaskGroup() as group:
                while (now := time.monotonic()) < start + seconds:
                    due = start + self.calls / RIVAL_RATE
                    if due > now:
                        await asyncio.sleep(due - now)
                    self.calls += 1
                    group.create_task(self._once(client))

    async def _once(self, client: openai.AsyncOpenAI) -> None:
        try:
            await ask(client)
        except openai.RateLimitError:
            self.refused += 1


@dataclass(frozen=True)
class Moment:
    """How things stood: the fleet's 429s, and what of the binding limit was used."""

    at: float
    ours_429: int
    admitted: int
    rate: float


def stand(mock: RunningMock, unit: str, rival: Rival) -> Moment:
    """See how things stand."""
    stats: Any = mock.stats()
    (account,) = stats["accounts"]
    (binding,) = [each for each in account["limits"] if each["unit"] == unit]
    rate = binding["limit"] / binding["per"]
    refused = account["answers_429"] - rival.refused
    return Moment(time.monotonic(), refused, binding["admitted"], rate)


def share_with_rival(store: str, unit: str, seconds: float) -> dict[str, Any]:
    """Let somebody else use half of the quota."""
    limits = RIVAL_LIMITS[unit]
    with serve(
        limits=limits, latency=LATENCY, completion_tokens=ANSWER, seed=1
    ) as mock:
        order = Order(mock.base_url, store, fresh_key(), limits, seconds)
        rival = Rival(mock.base_url, order.api_key)
        fleet = Fleet(order)

        async def both() -> tuple[Moment, Moment]:
            running = asyncio.create_task(rival.run(seconds))
            await asyncio.sleep(seconds / 3)
            first = stand(mock, unit, rival)
            await asyncio.sleep(seconds * 2 / 3 - 0.5)
            last = stand(mock, unit, rival)
            await running
            return first, last

        first, last = asyncio.run(both())
        ours = fleet.end()
        end = stand(mock, unit, rival)
    used = (last.admitted - first.admitted) / ((last.at - first.at) * last.rate)
    return {
        "row": f"rival {unit}",
        "seconds": seconds,
        "ours": ours,
        "ours_429": end.ours_429,
        "late_429": end.ours_429 - first.ours_429,
        "rival": rival.calls,
        "rival_429": rival.refused,
        "used": round(used, 4),
    }


def main() -> int:
    """Measure all rows, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=RIVAL_SECONDS)
    parser.add_argument("--rounds", type=int, default=3, help="of the refusal")
    parser.add_argument("--only", default="", help="rows that have this text")
    parser.add_argument("--check", action="store_true", help="end with 1 if it fails")
    options = parser.parse_args()
    store = f"unix://{EmbeddedServer().ensure()}"
    wrong = 0
    if options.only in "refusal":
        for _ in range(options.rounds):
            row = refusal(store)
            print(json.dumps(row), flush=True)
            wrong += (
                row["last_early"] > HEARD or row["busiest"] > HERD * row["refilled"]
            )
    for unit in RIVAL_LIMITS:
        if options.only in f"rival {unit}":
            row = share_with_rival(store, unit, options.seconds)
            print(json.dumps(row), flush=True)
            wrong += row["ours_429"] * 100 > row["ours"]
    return int(options.check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
