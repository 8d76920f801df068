"""
Ask what paceline adds to a call of an OpenAI client: CPU, and to the first byte.

    python benchmarks/openai_overhead.py [--rounds 15] [--calls 100] [--kind sync|async]

The same client of the openai SDK, bare and limited, against `paceline mock` without
latency and with limits that never bind; rounds of calls of one and of the other take
turns, so that both meet the same neighbours. One JSON line for each kind:

* `sdk_us`, `added_us`: this process's CPU per call that is not streamed, the SDK's own
  and what paceline adds (with an embedded store in a process of its own), in
  microseconds, medians over the rounds; `added`: the second as a share of the first,
  between its quartiles over the rounds in `added_quartiles`.
* `first_byte_us`: from the call to the first event of a stream, bare; `later_us`: by
  how much later it comes with paceline; medians; `noise_us`: between the quartiles of
  the bare ones. What is later is the round trip for the permit, and no part of the
  stream: its events are handed on as they come.

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

from paceline import RateLimiter
from paceline.mock import serve
from paceline.openai import limit
from paceline.stores.embedded import EmbeddedServer

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


async def measure(kind: str, bare: Any, limited: Any, options: Any) -> dict[str, Any]:
    """Let both take turns."""
    for each in (bare, limited):
        await cpu(each, 20)
        await first_byte(each)
    own, added, plain, later = [], [], [], []
    for _ in range(options.rounds):
        first, second = (
            await cpu(bare, options.calls),
            await cpu(limited, options.calls),
        )
        own.append(first)
        added.append(second - first)
        for _ in range(options.calls // 5):
            plain.append(await first_byte(bare))
            later.append(await first_byte(limited))
    shares = [b / a for a, b in zip(own, added, strict=True)]
    low, _, high = statistics.quantiles(shares, n=4)
    least, middle, most = statistics.quantiles(plain, n=4)
    return {
        "kind": kind,
        "sdk_us": micros(statistics.median(own)),
        "added_us": micros(statistics.median(added)),
        "added": round(statistics.median(shares), 3),
        "added_quartiles": [round(low, 3), round(high, 3)],
        "first_byte_us": micros(middle),
        "later_us": micros(statistics.median(later) - middle),
        "noise_us": micros(most - least),
    }


def main() -> int:
    """Measure both kinds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100, help="in a round")
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
                if kind == "async":
                    run = measure(kind, make(**where), limited, options)
                    result = asyncio.run(run)
                else:
                    run = measure(kind, make(**where), limited, options)
                    result = outside_a_loop(run)
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
