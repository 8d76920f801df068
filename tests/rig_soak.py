"""Load on one account for as long as wanted, told of as it goes, with what it holds."""

import asyncio
import contextlib
import os
import threading
import time
from collections import Counter
from pathlib import Path

import rig_loss
from paceline import (
    Concurrency,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    StoreUnavailable,
    TokenBucket,
    _wire,
)

RATE, PLACES = 100, 12
LIMITS = [
    SlidingWindow(RATE, 1.0),
    TokenBucket(20 * RATE, 1.0, burst=20 * RATE, unit="tokens"),
    Concurrency(PLACES, lease=5.0),
]
COST = {"tokens": 10}
HELD = 0.01
CALLERS = 4


def held_by_process():
    """Return what leaks: KB of memory, open files, threads."""
    (pages,) = Path("/proc/self/statm").read_text().split()[1:2]
    memory = int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024
    return memory, len(os.listdir("/proc/self/fd")), threading.active_count()


@contextlib.contextmanager
def giving_back(returned):
    """Note (epoch, stamp) of each booking of which this process gives all back."""
    encode = _wire.encode_settle

    def noted(scope, policy, booking, actual, clock):
        if not any(actual):
            returned.append(name_of(booking))
        return encode(scope, policy, booking, actual, clock)

    _wire.encode_settle = noted
    try:
        yield
    finally:
        _wire.encode_settle = encode


def name_of(booking):
    return booking.posts[0].epoch, booking.posts[0].stamp


class Diary:
    """What a process did, on disk: what it keeps must not look like a leak."""

    def __init__(self, path):
        self.file = path.open("w", buffering=1 << 16)
        self.errors = Counter()
        # A text file that is written by two threads at once may get anything.
        self._lock = threading.Lock()

    def __call__(self, permit, began):
        got = time.monotonic()
        moment, *_ = rig_loss.charged(permit)
        epoch, stamp = name_of(permit.booking)
        with self._lock:
            self.file.write(f"{moment} {epoch} {stamp} {began} {got}\n")


def blocking(limiter, diary, end):
    while (began := time.monotonic()) < end:
        try:
            permit = limiter.acquire("hot", COST, timeout=2.0)
            diary(permit, began)
            time.sleep(HELD)
            permit.settle({"tokens": 9})
        except (RateLimitExceeded, StoreUnavailable) as error:
            diary.errors[type(error).__name__] += 1


async def on_loop(limiter, diary, end):
    while (began := time.monotonic()) < end:
        try:
            permit = await limiter.acquire_async("hot", COST, timeout=2.0)
            diary(permit, began)
            await asyncio.sleep(HELD)
            await permit.settle_async({"tokens": 9})
        except (RateLimitExceeded, StoreUnavailable) as error:
            diary.errors[type(error).__name__] += 1


def work(url, place, seconds, directory):
    """
    Ask in threads, or in tasks of a loop, every other process.

    Return what was told, the kinds of errors, (second, KB, files, threads, tasks) each
    second, what was given back, and what was left when the limiter was closed.
    """
    told, samples, returned = [], [], []
    diary = Diary(Path(directory, str(place)))
    start = time.monotonic()
    end = start + seconds

    def sample(tasks):
        samples.append((time.monotonic() - start, *held_by_process(), tasks))

    def in_threads():
        with RateLimiter(url, limits=LIMITS, on_outage="wait") as limiter:
            jobs = [
                threading.Thread(target=blocking, args=(limiter, diary, end))
                for _ in range(CALLERS)
            ]
            for job in jobs:
                job.start()
            while time.monotonic() < end:
                time.sleep(1.0)
                sample(0)
            for job in jobs:
                job.join()

    async def in_tasks():
        async with RateLimiter(url, limits=LIMITS, on_outage="wait") as limiter:
            jobs = [
                asyncio.create_task(on_loop(limiter, diary, end))
                for _ in range(CALLERS)
            ]
            while time.monotonic() < end:
                await asyncio.sleep(1.0)
                sample(len(asyncio.all_tasks()))
            await asyncio.gather(*jobs)
        await asyncio.sleep(0.1)
        return len(asyncio.all_tasks()) - 1

    with rig_loss.noting(told), giving_back(returned):
        left = asyncio.run(in_tasks()) if place % 2 else in_threads() or 0
    diary.file.close()
    return told, dict(diary.errors), samples, returned, left
