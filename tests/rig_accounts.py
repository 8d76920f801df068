"""Load of which each permit and its true cost are known, whatever befalls the store."""

import asyncio
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from paceline import (
    Concurrency,
    PacelineError,
    RateLimiter,
    SlidingWindow,
    TokenBucket,
)

# They hold everybody up, each in its own way.
BINDING = {
    "window": SlidingWindow(150, 1.0),
    "bucket": TokenBucket(150, 1.0, burst=20),
    "places": Concurrency(6, lease=5.0),
}
# And these hold nobody up: what is charged to them is all that was ever charged.
WHOLE = [SlidingWindow(10**6, 3600.0), SlidingWindow(10**9, 3600.0, unit="tokens")]
CALLERS = 8
COST, MOST = 10, 20
# Seconds after which a caller gives up, or is cancelled.
PATIENCE = (0.0, 0.05, 0.3, 2.0)
CANCELLED = (0.002, 0.01, 0.05, 0.3, 1.0, 3.0)
STRUCK = (0.0003, 0.001, 0.003, 0.02, 0.3, 1.0)
OPTIONS = {"call_timeout": 0.5}


def limits(kind):
    return [*WHOLE, BINDING[kind]]


class Accounts:
    """What the callers of a process used, for all that they know."""

    def __init__(self, chance):
        self.used = Counter(requests=0, tokens=0)
        self.ends = Counter()
        self.chance = chance

    def admitted(self):
        """Note a permit; return its true cost."""
        tokens = self.chance.randint(0, MOST)
        self.used["requests"] += 1
        self.used["tokens"] += tokens
        return {"tokens": tokens}


def blocking(limiter, accounts, end):
    while time.monotonic() < end:
        patience = accounts.chance.choice(PATIENCE)
        try:
            permit = limiter.acquire("hot", {"tokens": COST}, timeout=patience)
        except PacelineError as error:
            accounts.ends[error.code] += 1
            time.sleep(0.01)
        else:
            permit.settle(accounts.admitted())


async def on_loop(limiter, accounts, end):
    while time.monotonic() < end:
        patience = accounts.chance.choice(PATIENCE)
        try:
            async with asyncio.timeout(accounts.chance.choice(CANCELLED)):
                permit = await limiter.acquire_async(
                    "hot", {"tokens": COST}, timeout=patience
                )
                cost = accounts.admitted()
                await permit.settle_async(cost)
        except TimeoutError:
            accounts.ends["cancelled"] += 1
        except PacelineError as error:
            accounts.ends[error.code] += 1
            await asyncio.sleep(0.01)


class Struck(Exception):  # noqa: N818 -- no error
    """Raised by a signal's handler, anywhere."""


def struck(limiter, accounts, end):
    """Ask in the main thread, where a handler raises at any moment of a call."""

    def strike(*_):
        raise Struck

    signal.signal(signal.SIGALRM, strike)
    while time.monotonic() < end:
        permit, patience = None, accounts.chance.choice(PATIENCE)
        try:
            signal.setitimer(signal.ITIMER_REAL, accounts.chance.choice(STRUCK), 0.05)
            try:
                permit = limiter.acquire("hot", {"tokens": COST}, timeout=patience)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
        except Struck:
            accounts.ends["struck"] += 1
        except PacelineError as error:
            accounts.ends[error.code] += 1
        if permit is not None:
            permit.settle(accounts.admitted())


def owes(limiter):
    engine = limiter._engine
    return bool(engine.desk.owed) or engine.owes


def work(url, place, seconds, seed, on_outage, kind, strikes):
    """
    Ask in threads, or in tasks of a loop, every other process.

    Where a handler *strikes* the main thread asks, too, and there are only threads.
    Call on until nothing is owed to the store. Return the units that were used, how
    callers ended without a permit, and whether something is still owed.
    """
    accounts = Accounts(random.Random(f"{seed} {place}"))
    end = time.monotonic() + seconds
    last = end + 20.0

    def in_threads():
        with RateLimiter(
            url, limits=limits(kind), on_outage=on_outage, **OPTIONS
        ) as limiter:
            with ThreadPoolExecutor(CALLERS) as pool:
                load = (limiter, accounts, end)
                jobs = [pool.submit(blocking, *load) for _ in range(CALLERS)]
                if strikes:
                    struck(*load)
            for job in jobs:
                job.result()
            while owes(limiter) and time.monotonic() < last:
                blocking(limiter, accounts, time.monotonic() + 0.1)
            return owes(limiter)

    async def in_tasks():
        async with RateLimiter(
            url, limits=limits(kind), on_outage=on_outage, **OPTIONS
        ) as limiter:
            await asyncio.gather(
                *(on_loop(limiter, accounts, end) for _ in range(CALLERS))
            )
            while owes(limiter) and time.monotonic() < last:
                await on_loop(limiter, accounts, time.monotonic() + 0.1)
            return owes(limiter)

    loops = place % 2 and not strikes
    left = asyncio.run(in_tasks()) if loops else in_threads()
    return dict(accounts.used), dict(accounts.ends), left
