"""
Load on one account whose store loses data, and what each admission was charged with.

What may be over is what the first who told the store had not seen yet: each booking of
a lost life that came after its sight. Everything else must fit the limit.
"""

import asyncio
import contextlib
import time
from pathlib import Path

from paceline import RateLimiter, RateLimitExceeded, StoreError, StoreUnavailable
from paceline._desk import Desk

SECOND = 1_000_000


@contextlib.contextmanager
def noting(told):
    """Note (when, lives) each time that this process tells a store what it lacks."""
    note = Desk.healed

    def healed(desk, scope, policy, before, restored, now):
        lives = [(life.epoch, life.seq) for life in before[0].lives] if before else []
        told.append((time.monotonic(), lives))
        note(desk, scope, policy, before, restored, now)

    Desk.healed = healed
    try:
        yield
    finally:
        Desk.healed = note


def charged(permit):
    """
    Return (moment, epoch, seq) of a permit, as the store has them, and when it is used.

    How late this loaded machine wakes its tasks is no question of either: a permit that
    is had before the last moment for which the store counts it is used then. Both are
    by the clock of this host, which is the server's, plus what it has stepped back by:
    it does, by a fraction of a millisecond, once in a while. No store knows of a permit
    without an epoch.
    """
    post, now = permit.booking.posts[0], time.time_ns() // 1000
    moment = (post.moment or now) + post.shift
    return moment, post.epoch, post.stamp // 1000, min(moment, now + post.shift)


def unseen(admitted, told):
    """Return the calls that the first who told of their life had not seen."""
    first = {}
    for _, lives in told:
        for epoch, seq in lives:
            first.setdefault(epoch, seq)
    return [call for call in admitted if call[2] > first.get(call[1], call[2])]


def most_inside(moments, length):
    """Return the most that any interval of a length (us) holds."""
    start = most = 0
    for end, moment in enumerate(moments):
        while moments[start] <= moment - length:
            start += 1
        most = max(most, end - start + 1)
    return most


async def patient(limiter, admitted, end):
    """Wait for a turn, without a timeout: whatever is raised is a failure."""
    while time.monotonic() < end:
        permit = await limiter.acquire_async("hot", timeout=None)
        admitted.append(charged(permit))


async def impatient(limiter, admitted, end):
    """Come back soon: who waits for no turn asks first when the store is back."""
    while time.monotonic() < end:
        try:
            permit = await limiter.acquire_async("hot", timeout=0.2)
        except (RateLimitExceeded, StoreUnavailable):
            await asyncio.sleep(0.02)
        else:
            admitted.append(charged(permit))


async def look(limiter, looks, end):
    """Note when a look began and ended that the store answered."""
    while (began := time.monotonic()) < end:
        with contextlib.suppress(StoreError):
            await limiter.peek_async("hot")
            looks.append((began, time.monotonic()))
        await asyncio.sleep(0.02)


def ready(directory, place):
    """Say so, and wait for the word."""
    Path(directory, str(place)).touch()
    while not Path(directory, "go").exists():
        time.sleep(0.005)


def ask(url, limits, seconds, heals, on_outage, directory, place):
    """
    Take a turn each, then, told to go, as many as eight callers may have.

    Return the admitted calls, what was told, and when the store answered a look.
    """
    admitted, told, looks = [], [], []

    async def run():
        async with RateLimiter(url, limits=limits, on_outage=on_outage) as limiter:
            limiter._engine.desk.heals = heals
            admitted.append(charged(await limiter.acquire_async("hot")))
            await asyncio.to_thread(ready, directory, place)
            end = time.monotonic() + seconds
            callers = [patient, impatient] * 4
            await asyncio.gather(
                look(limiter, looks, end),
                *(caller(limiter, admitted, end) for caller in callers),
            )

    with noting(told):
        asyncio.run(run())
    return admitted, told, looks
