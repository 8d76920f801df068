"""
What does a scrape of ``paceline.prometheus.accounts`` cost?

    python -m benchmarks.scrape [--scopes 100 1000] [--times 20]

A private server with so many named scopes, each with strict windows of requests and
tokens per minute and requests per day, every slot of them taken, and the lanes of eight
processes: as a busy fleet leaves them. Every scope is told apart. Each scrape looks
anew and writes the exposition.

Prints one JSON line per number of scopes. ``wall_ms`` is the median of how long a
scrape took; ``client_ms`` and ``server_ms`` are CPU time per scrape, which a busy
machine disturbs less; ``from_server_bytes`` is what the store sent, ``text_bytes`` what
the scraper got, ``series`` how many lines of values that is.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from paceline import SlidingWindow
from paceline.prometheus import accounts

from .harness.scripts import SECOND_US, Scripted, on_lane, prepare
from .harness.server import BenchServer, private_server

LIMITS = (
    SlidingWindow.per_minute(100_000),
    SlidingWindow.per_minute(100_000_000, unit="tokens"),
    SlidingWindow.per_day(10_000_000),
)
PROCESSES = 8
# Seconds before now, so that each slot of a minute's and of a day's window is taken.
AGES = sorted({each * step for step in (1, 1_440) for each in range(1, 60)})


def fill(client: Any, scopes: int) -> None:
    """Make one account that is used as much as can be, and copies of it."""
    prepare(client)
    first = Scripted(LIMITS, f"paceline:1:{{{0:032x}}}")
    now = client.time()[0] * SECOND_US
    for turn, age in enumerate(reversed(AGES)):
        words = first.acquire([{"tokens": 900}], now - age * SECOND_US)
        number, lane = divmod(turn, PROCESSES)
        client.execute_command(*on_lane(words, f"process-{lane:06}", number + 1))
    pipeline = client.pipeline(transaction=False)
    for number in range(scopes):
        key = f"paceline:1:{{{number:032x}}}"
        if number:
            pipeline.copy(first.key, key)
        pipeline.hset(key, "n", f"team-{number:04}")
    pipeline.execute()


def measure(server: BenchServer, scopes: int, times: int) -> dict[str, Any]:
    """Scrape so often; return what one scrape cost."""
    server.clear()
    fill(server.client, scopes)
    registry = CollectorRegistry()
    text, spans = b"", []
    how = {"most_labels": scopes, "timeout": 60.0, "max_age": 0.0}
    with closing(accounts(server.url, registry=registry, **how)):
        generate_latest(registry)  # connects
        sent = server.client.info("stats")["total_net_output_bytes"]
        cpu, theirs = time.process_time(), server.cpu_seconds()
        for _ in range(times):
            begun = time.perf_counter()
            text = generate_latest(registry)
            spans.append(time.perf_counter() - begun)
        cpu, theirs = time.process_time() - cpu, server.cpu_seconds() - theirs
        sent = server.client.info("stats")["total_net_output_bytes"] - sent
    lines = [each for each in text.splitlines() if not each.startswith(b"#")]
    assert registry.get_sample_value("paceline_store_up") is None  # closed
    assert b"paceline_store_up 1.0" in lines
    return {
        "scopes": scopes,
        "wall_ms": round(median(spans) * 1_000, 1),
        "client_ms": round(cpu / times * 1_000, 1),
        "server_ms": round(theirs / times * 1_000, 2),
        "from_server_bytes": round(sent / times),
        "series": len(lines),
        "text_bytes": len(text),
    }


def main() -> None:
    """Measure each number of scopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scopes", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    with private_server() as server:
        print(server.version())
        for scopes in options.scopes:
            print(json.dumps(measure(server, scopes, options.times)), flush=True)


if __name__ == "__main__":
    main()
