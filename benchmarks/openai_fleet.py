"""
Ask what a fleet of OpenAI clients does to a quota: alone, and with paceline.

    python benchmarks/openai_fleet.py [--seconds 30] [--only TEXT] [--check]

Four processes with sixteen tasks each call `paceline mock` with the openai SDK. A
request travels for half a second; max_tokens is four times the answer. Rows differ in

* binding: whether the limit on requests or the one on tokens binds,
* charge: whether unused tokens come back at the provider ("actual") or do not,
* client: the SDK alone (two retries, the server's Retry-After), or with paceline; where
  tokens bind and come back, once with the default (`refund="shown"`: it must find out
  by itself) and once told so (`refund="always"`).

Each row is a JSON line, as the mock counted it: `answers_429` from start to end, and
`used`, the share of the binding limit that was used over the last two thirds of the
time, when the bucket that was full at the start is empty: of requests and of tokens
that stay charged, what was admitted; of tokens that come back, what answers used.
`failed` are calls that failed in the end. `over_bucket` is by how many units arrivals
overran the bucket at the worst moment. `found_out_after` is when the last process knew
that tokens come back; the row that must find that out by itself runs for fifteen
seconds more before its share counts. With --check it ends with 1 if paceline met a 429,
or used less than 95 %, in any row.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import openai

from paceline import RateLimiter
from paceline.mock import RunningMock, serve
from paceline.openai import learnt, limit
from paceline.stores.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Barrier

PROCESSES, TASKS = 4, 16
LATENCY = 0.5
MODEL = "gpt-fleet"
ANSWER, LONGEST = 100, 400
# The provider's own terms. The limit that does not bind is far away.
LIMITS = {
    "requests": ["1200 requests/min burst 60", "12M tokens/min burst 2M"],
    "tokens": ["60k requests/min burst 6k", "240k tokens/min burst 40k"],
}
# The journeys spread over 20 ms; the rest is for a busy machine.
GUARD = 0.1
START_SECONDS = 120.0
ANSWER_SECONDS = 20.0
LEAST_USED = 0.95
# To find out how it is charged, and to get going.
LEARNING_SECONDS = 15.0


@dataclass(frozen=True)
class Row:
    """One configuration."""

    binding: str
    charge: Literal["reserve", "actual"]
    client: str

    @property
    def lead(self) -> float:
        """Seconds after which it runs as it will."""
        untold = (self.charge, self.client) == ("actual", "paceline")
        return LEARNING_SECONDS if untold and self.binding == "tokens" else 0.0


@dataclass(frozen=True)
class Order:
    """What a process needs to know."""

    row: Row
    base_url: str
    store: str
    api_key: str
    seconds: float


_barrier: Barrier | None = None


def prepare(barrier: Barrier) -> None:
    """Take what only a starting process can be given."""
    global _barrier  # noqa: PLW0603 -- the way of multiprocessing's pools
    _barrier = barrier


def rows() -> Iterator[Row]:
    """Return what is compared."""
    for binding in LIMITS:
        for charge in ("reserve", "actual"):
            yield Row(binding, charge, "sdk")
            yield Row(binding, charge, "paceline")
            if (binding, charge) == ("tokens", "actual"):
                yield Row(binding, charge, 'paceline refund="always"')


def work(order: Order) -> dict[str, float]:
    """Let the tasks of one process call until the time is over."""
    return asyncio.run(_work(order))


async def _work(order: Order) -> dict[str, float]:
    counts: dict[str, float] = {"calls": 0, "failed": 0}
    # An answer that never comes is a failed call, not a benchmark that never ends.
    client = openai.AsyncOpenAI(
        base_url=order.base_url, api_key=order.api_key, timeout=ANSWER_SECONDS
    )
    limiter = None
    # A fleet that has run for a while has its connections open.
    await asyncio.gather(*(client.models.list() for _ in range(TASKS)))
    if order.row.client != "sdk":
        limiter = RateLimiter(
            order.store,
            limits=LIMITS[order.row.binding],
            guard=GUARD,
            call_timeout=2.0,
        )
        told = "always" in order.row.client
        limit(client, limiter, refund="always" if told else None)
        await limiter.peek_async("connect before the start")
    if _barrier is not None:
        await asyncio.to_thread(_barrier.wait, START_SECONDS)
    start = time.monotonic()
    end = start + order.row.lead + order.seconds

    async def again() -> None:
        while time.monotonic() < end:
            counts["calls"] += 1
            try:
                await client.chat.completions.create(
                    model=MODEL,
                    messages=[{"role": "user", "content": "How long will it take?"}],
                    max_tokens=LONGEST,
                )
            except openai.APIError:
                counts["failed"] += 1

    async def watch() -> None:
        while limiter is not None and time.monotonic() < end:
            if any(each.gives_back for each in learnt(client)):
                counts["found_out_after"] = time.monotonic() - start
                return
            await asyncio.sleep(0.05)

    await asyncio.gather(watch(), *(again() for _ in range(TASKS)))
    if limiter is not None:
        await limiter.aclose()
    await client.close()
    return counts


def account_of(mock: RunningMock, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the mock counted, and what of the limit that binds."""
    stats: Any = mock.stats()
    (account,) = stats["accounts"]
    (binding,) = [each for each in account["limits"] if each["unit"] == row.binding]
    return account, binding


def measure(row: Row, store: str, seconds: float) -> dict[str, Any]:
    """Run one configuration against a mock of its own."""
    context = multiprocessing.get_context("spawn")
    with serve(
        limits=LIMITS[row.binding],
        latency=LATENCY,
        charge=row.charge,
        completion_tokens=ANSWER,
        seed=1,
    ) as mock:
        order = Order(row, mock.base_url, store, f"key-{uuid.uuid4().hex}", seconds)
        barrier = context.Barrier(PROCESSES + 1)
        with ProcessPoolExecutor(PROCESSES, context, prepare, (barrier,)) as pool:
            running = [pool.submit(work, order) for _ in range(PROCESSES)]
            barrier.wait(START_SECONDS)
            time.sleep(row.lead + seconds / 3)
            before, earlier = time.monotonic(), account_of(mock, row)[1]
            time.sleep(seconds * 2 / 3)
            after, later = time.monotonic(), account_of(mock, row)[1]
            parts = [each.result(START_SECONDS) for each in running]
        account, binding = account_of(mock, row)
    comes_back = (row.binding, row.charge) == ("tokens", "actual")
    what = "settled" if comes_back else "admitted"
    rate = binding["limit"] / binding["per"]
    found = [each["found_out_after"] for each in parts if "found_out_after" in each]
    used = (later[what] - earlier[what]) / (rate * (after - before))
    return {
        **asdict(row),
        "calls": sum(part["calls"] for part in parts),
        "failed": sum(part["failed"] for part in parts),
        "answers_429": account["answers_429"],
        "used": round(used, 4),
        "over_bucket": round(binding["offered_bucket_excess"], 1),
        "processes_that_found_out": len(found),
        "found_out_after": round(max(found), 1) if found else None,
    }


def main() -> int:
    """Measure all rows, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--only", default="", help="rows that have this text")
    parser.add_argument("--check", action="store_true", help="end with 1 if it fails")
    options = parser.parse_args()
    store = f"unix://{EmbeddedServer().ensure()}"
    wrong = 0
    for row in rows():
        if options.only not in " ".join(asdict(row).values()):
            continue
        result = measure(row, store, options.seconds)
        print(json.dumps(result), flush=True)
        if row.client == "sdk":
            continue
        wrong += result["answers_429"] > 0
        wrong += result["used"] < LEAST_USED
    return int(options.check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
