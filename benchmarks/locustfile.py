"""
Users of an OpenAI API for Locust, which share one quota or fight for it.

    locust -f benchmarks/locustfile.py --headless --users 40 --run-time 30s

Environment variables:
    LOAD_BASE_URL: the API, e.g. what `paceline mock` prints.
    LOAD_STORE: the store's URL. Not set: the SDK alone.
    LOAD_LIMITS: the quota, ";" between limits. Default: 1200 requests/min burst 60.
    OPENAI_API_KEY: any text, for a mock.

Each call is shown with the time from asking to the answer, the wait for its turn
included. A call that fails in the end is a failure of Locust, which then ends with 1.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache

import openai
from locust import User, constant_throughput, task

from paceline import RateLimiter
from paceline.openai import limit

MODEL = os.environ.get("LOAD_MODEL", "gpt-4o")
LIMITS = os.environ.get("LOAD_LIMITS", "1200 requests/min burst 60")


@lru_cache(maxsize=1)
def client() -> openai.OpenAI:
    """Return the client of this process, which all of its users share."""
    made = openai.OpenAI(
        base_url=os.environ.get("LOAD_BASE_URL"),
        api_key=os.environ.get("OPENAI_API_KEY", "sk-load"),
    )
    store = os.environ.get("LOAD_STORE")
    if store:
        limits = [each.strip() for each in LIMITS.split(";")]
        # A guard for the jitter of a busy host; see docs/how-to/many-hosts.md.
        limiter = RateLimiter(store, limits=limits, guard=0.1, call_timeout=2.0)
        limit(made, limiter)
    return made


class Caller(User):  # type: ignore[misc]
    """Calls as often as it can, at most twice a second."""

    wait_time = constant_throughput(2)

    def on_start(self) -> None:
        """Connect before the first call is timed."""
        client().models.list()

    @task
    def chat(self) -> None:
        """Make a call."""
        start, failure, length = time.perf_counter(), None, 0
        try:
            answer = client().chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "How long will it take?"}],
                max_tokens=64,
            )
            length = len(answer.choices[0].message.content or "")
        except openai.APIError as error:
            failure = error
        self.environment.events.request.fire(
            request_type="chat",
            name=MODEL,
            response_time=(time.perf_counter() - start) * 1000,
            response_length=length,
            exception=failure,
        )
