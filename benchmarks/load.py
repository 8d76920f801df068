"""
Ask what a load test with Locust sees, without paceline and with it.

    pip install -e '.[load]'
    python benchmarks/load.py [--users 60] [--processes 2] [--seconds 20] [--check]

Runs `locustfile.py` headless against `paceline mock`: users who want twice to six times
what the quota grants. Prints one JSON line per run: what Locust saw (calls per second,
failures, median and 95th percentile of the time to the answer in ms, the wait for the
turn included) and what the mock counted (429s, the share of the refill that was used).
With --check it ends with 1 if there was a 429 or a failure with paceline.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from paceline.mock import serve
from paceline.stores.embedded import EmbeddedServer

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LIMIT = "1200 requests/min burst 60"
LATENCY = 0.05


def run(
    options: argparse.Namespace, base_url: str, store: str | None
) -> dict[str, Any]:
    """Run Locust once; return what it saw."""
    environment = {
        **{name: v for name, v in os.environ.items() if name != "LOAD_STORE"},
        "LOAD_BASE_URL": base_url,
        "LOAD_LIMITS": LIMIT,
        "OPENAI_API_KEY": f"sk-load-{uuid.uuid4().hex}",
    }
    if store:
        environment["LOAD_STORE"] = store
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"),
            *("--users", str(options.users), "--spawn-rate", str(options.users)),
            *("--run-time", f"{options.seconds:g}s", "--stop-timeout", "30"),
            *("--processes", str(options.processes), "--only-summary"),
            *("--csv", f"{folder}/load", "--loglevel", "WARNING"),
        ]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        stats = Path(folder, "load_stats.csv")
        if done.returncode not in (0, 1) or not stats.exists():
            sys.exit(f"locust failed ({done.returncode}):\n{done.stderr}")
        rows = csv.DictReader(stats.read_text("utf-8").splitlines())
        total = next(row for row in rows if row["Name"] == "Aggregated")
    return {
        "client": "paceline" if store else "sdk",
        "calls": int(total["Request Count"]),
        "failed": int(total["Failure Count"]),
        "calls_per_second": round(float(total["Requests/s"]), 1),
        "median_ms": float(total["50%"]),
        "p95_ms": float(total["95%"]),
    }


def measure(options: argparse.Namespace, store: str | None) -> dict[str, Any]:
    """Run Locust against a mock of its own; add what the mock counted."""
    with serve(limits=[LIMIT], latency=LATENCY, seed=1) as mock:
        seen = run(options, mock.base_url, store)
        stats: Any = mock.stats()
    (account,) = stats["accounts"]
    (limit,) = account["limits"]
    counted = {"answers_429": account["answers_429"], "used": round(limit["used"], 4)}
    return seen | counted


def main() -> int:
    """Run without and with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--check", action="store_true", help="end with 1 if it fails")
    options = parser.parse_args()
    wrong = False
    for store in (None, f"unix://{EmbeddedServer().ensure()}"):
        result = measure(options, store)
        print(json.dumps(result), flush=True)
        wrong = store is not None and (result["answers_429"] or result["failed"]) > 0
    return int(options.check and wrong)


if __name__ == "__main__":
    sys.exit(main())
