"""One way to write a test for both kinds of caller."""

import asyncio
import time

import pytest

import rig
from paceline import RateLimiter

# For the fixture "server", indirectly: what takes seconds is shown on pip's server in
# the plain run, and on each with -m soak. All servers run the same scripts, which
# tests/lua shows.
SERVERS = [
    pytest.param(server, id=server[0], marks=[pytest.mark.soak] if number else [])
    for number, server in enumerate(rig.servers())
]

# How a primary ends under which kind of caller; all of them with -m soak.
ENDS = [
    pytest.param("sync", "kill"),
    pytest.param("async", "pause"),
    pytest.param("sync", "pause", marks=pytest.mark.soak),
    pytest.param("async", "kill", marks=pytest.mark.soak),
]


class Blocking:
    """Calls the blocking verbs of a limiter."""

    def __init__(self, *args, **options):
        # These tests are about the store: what it cannot do is to be seen.
        self.limiter = RateLimiter(*args, **{"on_outage": "raise", **options})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.limiter.close()

    def acquire(self, *args, **options):
        return self.limiter.acquire(*args, **options)

    def try_acquire(self, *args):
        return self.limiter.try_acquire(*args)


class OnLoop(Blocking):
    """Calls the asyncio verbs, on a loop of its own."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.runner = asyncio.Runner()

    def __exit__(self, *_):
        self.runner.run(self.limiter.aclose())
        self.runner.close()

    def acquire(self, *args, **options):
        return self.runner.run(self.limiter.acquire_async(*args, **options))

    def try_acquire(self, *args):
        return self.runner.run(self.limiter.try_acquire_async(*args))


def timed(work, *args, **options):
    """Return what work returns or raises, and the seconds that it took."""
    start = time.monotonic()
    try:
        result = work(*args, **options)
    except Exception as error:  # noqa: BLE001 -- judged by the test
        result = error
    return result, time.monotonic() - start
