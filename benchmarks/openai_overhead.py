"""
Ask what paceline adds to a call of an OpenAI client: CPU, and to the first byte.

    python benchmarks/openai_overhead.py [--rounds 15] [--calls 100] [--kind sync|async]

The same client of the openai SDK, bare, limited, and with a bare INCR of redis-py
before each call (the least that any account kept in a store can cost), against
`paceline mock` without latency and with limits that never bind; a few calls of each
take turns, so that all meet the same neighbours. One JSON line for each kind:

* `sdk_us`, `added_us`, `incr_us`: this process's CPU per call that is not streamed, the
  SDK's own, what paceline adds, and what the INCR adds (with an embedded store in a
  process of its own), in microseconds, medians over the turns; `added`, `incr`: the
  latter two as shares of the first, `added` between its quartiles over the turns in
  `added_quartiles`.
* `first_byte_us`: from the call to the first event of a stream, bare; `later_us`,
  `incr_later_us`: by how much later it comes with paceline, and with the INCR; medians;
  `noise_us`: between the quartiles of the bare ones. What is later is the round trip
  for the permit, and no part of the stream: its events are handed on as they come.

On a busy host the CPU is worth more than the microseconds of the first byte.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import statistics
import sys
import time
import uuid
from typing import Any

import openai
import redis
import redis.asyncio

from paceline import RateLimiter
from paceline.mock import serve
from paceline.openai import limit
from paceline.stores.embedded import EmbeddedServer

# So many calls of one client in a row.
TURN = 10
LIMITS = ["60M requests/min", "4000M tokens/min"]
ASK: dict[str, Any] = {
    "model": "gpt-cost",
    "messages": [{"role": "user", "content": "How long will it take?" * 20}],
    "max_tokens": 400,
}


async def call(client: Any) -> None:
    """Make one call that is not streamed."""
    answer = client.chat.completions.create(**ASK)
    if inspect.isawaitable(answer):
        await answer


async def first_byte(client: Any) -> float:
    """Return the seconds to the first event of a stream, and read the rest."""
    start = time.perf_counter()
    stream = client.chat.completions.create(**ASK, stream=True)
    if inspect.isawaitable(stream):
        events = aiter(await stream)
        await anext(events)
        took = time.perf_counter() - start
        async for _ in events:
            pass
        return took
    next(stream)
    took = time.perf_counter() - start
    for _ in stream:
        pass
    return took


async def cpu(client: Any, calls: int) -> float:
    """Return this process's CPU seconds per call."""
    start = time.process_time()
    for _ in range(calls):
        await call(client)
    return (time.process_time() - start) / calls


def micros(seconds: float) -> float:
    """Return whole microseconds, and a tenth."""
    return round(seconds * 1e6, 1)


async def measure(kind: str, clients: list[Any], options: Any) -> dict[str, Any]:
    """Let all take turns: the bare one, the limited one, and that of the INCR."""
    for each in clients:
        await cpu(each, 20)
        await first_byte(each)
    used: list[list[float]] = [[], [], []]
    came: list[list[float]] = [[], [], []]
    for _ in range(options.rounds * options.calls // TURN):
        for client, costs in zip(clients, used, strict=True):
            costs.append(await cpu(client, TURN))
        for client, moments in zip(clients, came, strict=True):
            moments.append(await first_byte(client))
    own, plain = used[0], statistics.median(came[0])
    added, incr = ([b - a for a, b in zip(own, c, strict=True)] for c in used[1:])
    shares = [b / a for a, b in zip(own, added, strict=True)]
    low, _, high = statistics.quantiles(shares, n=4)
    least, _, most = statistics.quantiles(came[0], n=4)
    return {
        "kind": kind,
        "sdk_us": micros(statistics.median(own)),
        "added_us": micros(statistics.median(added)),
        "added": round(statistics.median(shares), 3),
        "added_quartiles": [round(low, 3), round(high, 3)],
        "incr_us": micros(statistics.median(incr)),
        "incr": round(statistics.median(incr) / statistics.median(own), 3),
        "first_byte_us": micros(plain),
        "later_us": micros(statistics.median(came[1]) - plain),
        "incr_later_us": micros(statistics.median(came[2]) - plain),
        "noise_us": micros(most - least),
    }


def counting(client: Any, store: str) -> Any:
    """Let a client count its calls with a bare INCR, awaited before each is sent."""
    http = client._client  # noqa: SLF001 -- as the adapter does
    send = http.send
    if isinstance(client, openai.AsyncOpenAI):
        counter: Any = redis.asyncio.Redis.from_url(store)

        async def count_async(request: Any, **more: Any) -> Any:
            await counter.incr("calls")
            return await send(request, **more)

        http.send = count_async
        return client
    counter = redis.Redis.from_url(store)

    def count(request: Any, **more: Any) -> Any:
        counter.incr("calls")
        return send(request, **more)

    http.send = count
    return client


def main() -> int:
    """Measure both kinds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100, help="of each, in a round")
    parser.add_argument("--kind", choices=["sync", "async"])
    options = parser.parse_args()
    store = f"unix://{EmbeddedServer().ensure()}"
    with serve(limits=LIMITS, latency=0, jitter=0, seed=1) as mock:
        where = {"base_url": mock.base_url, "api_key": f"key-{uuid.uuid4().hex}"}
        for kind, make in (("sync", openai.OpenAI), ("async", openai.AsyncOpenAI)):
            if options.kind not in {None, kind}:
                continue
            with RateLimiter(store, limits=LIMITS) as limiter:
                limited = limit(make(**where), limiter)  # type: ignore[type-var]
                clients = [make(**where), limited, counting(make(**where), store)]
                run = measure(kind, clients, options)
                result = asyncio.run(run) if kind == "async" else outside_a_loop(run)
            print(json.dumps(result), flush=True)
    return 0


def outside_a_loop(run: Any) -> Any:
    """Run what never waits: blocking calls may not be made in an event loop."""
    try:
        run.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a sync client waited")


if __name__ == "__main__":
    sys.exit(main())
