"""What each process does: decide as fast as it can, or call in turn."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline import Key, RateLimiter, RateLimitExceeded
from paceline.mock.ask import OK, PATH, TOO_MANY, async_clients, body, client

from .latency import Latencies
from .plan import roomy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from threading import Barrier

    import httpx

    from paceline import Decision
    from paceline._http import Clients

    from .plan import Plan

MODEL = "gpt-4o"
_START_SECONDS = 60.0
# A store that is far away, or busy with us, may take its time.
_CALL_TIMEOUT = 2.0


@dataclass(slots=True)
class Seen:
    """
    What one caller saw, or all of one process.

    Attributes:
        latencies: How long decisions took, or how long calls waited.

        moments: When calls were let through, on the host's monotonic clock.

        denied: Decisions that were denials.

        failed: Calls that were answered neither with success nor with a 429.

        end: When no more is asked.
    """

    latencies: Latencies = field(default_factory=Latencies)
    moments: list[float] = field(default_factory=list)
    denied: int = 0
    failed: int = 0
    end: float = 0.0

    def decided(self, began: float, decision: Decision) -> None:
        """Count a decision that was asked for at the moment *began*."""
        self.latencies.add(time.monotonic() - began)
        self.denied += not decision

    def admitted(self, waited: float) -> None:
        """Count a call that is let through now, after so many seconds."""
        self.moments.append(time.monotonic())
        self.latencies.add(waited)

    def answered(self, status: int) -> None:
        """Count the answer to a call."""
        self.failed += status not in (OK, TOO_MANY)


def open_limiter(plan: Plan, *, deciding: bool) -> RateLimiter:
    """Make a limiter: of the plan's limits, or, to decide only, of roomy ones."""
    limits = [roomy(limit) for limit in plan.limits] if deciding else plan.limits
    guard = 0.0 if deciding else plan.guard
    return RateLimiter(
        plan.store, limits=limits, guard=guard, call_timeout=_CALL_TIMEOUT
    )


def key_of(plan: Plan, *, deciding: bool) -> Key:
    """Name the quota: deciding and calling have one each."""
    return Key(scope=f"{plan.scope}-decisions" if deciding else plan.scope)


def decide(barrier: Barrier, plan: Plan) -> Seen:
    """Ask as fast as possible, never waiting."""
    key = key_of(plan, deciding=True)
    limiter = open_limiter(plan, deciding=True)

    def blocking(seen: Seen) -> None:
        while (began := time.monotonic()) < seen.end:
            seen.decided(began, limiter.try_acquire(key, plan.cost))

    async def waiting(seen: Seen) -> None:
        while (began := time.monotonic()) < seen.end:
            seen.decided(began, await limiter.try_acquire_async(key, plan.cost))

    async def tasks() -> Seen:
        async with limiter:
            await limiter.peek_async(key)  # connect before the start
            return await _in_tasks(barrier, plan, waiting)

    if not plan.threads:
        return asyncio.run(tasks())
    with limiter:
        limiter.peek(key)
        return _in_threads(barrier, plan, blocking)


def call(barrier: Barrier, plan: Plan, base_url: str) -> Seen:
    """Wait for turns and call the pretend server, until the time is over."""
    key = key_of(plan, deciding=False)
    limiter = open_limiter(plan, deciding=False)
    request = body(MODEL, plan.cost.get("tokens", 0))

    def blocking(seen: Seen, http: httpx.Client) -> None:
        while (left := seen.end - time.monotonic()) > 0:
            try:
                permit = limiter.acquire(key, plan.cost, timeout=left)
            except RateLimitExceeded:
                return  # its turn would come after the end
            seen.admitted(permit.waited)
            seen.answered(http.post(PATH, json=request).status_code)

    async def waiting(seen: Seen, http: Clients) -> None:
        while (left := seen.end - time.monotonic()) > 0:
            try:
                permit = await limiter.acquire_async(key, plan.cost, timeout=left)
            except RateLimitExceeded:
                return
            seen.admitted(permit.waited)
            seen.answered((await http.post(PATH, json=request)).status_code)

    async def tasks() -> Seen:
        async with limiter, async_clients(base_url) as http:
            await limiter.peek_async(key)
            # A path that the server does not know, and does not count.
            await asyncio.gather(*(http.get("/") for _ in range(plan.callers)))
            return await _in_tasks(barrier, plan, lambda seen: waiting(seen, http))

    if not plan.threads:
        return asyncio.run(tasks())
    with limiter, client(base_url, plan.callers) as http:
        limiter.peek(key)
        return _in_threads(barrier, plan, lambda seen: blocking(seen, http))


async def _in_tasks(
    barrier: Barrier, plan: Plan, work: Callable[[Seen], Awaitable[None]]
) -> Seen:
    await asyncio.to_thread(barrier.wait, _START_SECONDS)
    crew = _crew(plan)
    await asyncio.gather(*(work(seen) for seen in crew))
    return _together(crew)


def _in_threads(barrier: Barrier, plan: Plan, work: Callable[[Seen], None]) -> Seen:
    with ThreadPoolExecutor(plan.callers) as pool:
        barrier.wait(_START_SECONDS)
        crew = _crew(plan)
        for job in [pool.submit(work, seen) for seen in crew]:
            job.result()
    return _together(crew)


def _crew(plan: Plan) -> list[Seen]:
    # Each caller counts for itself: threads would lose counts that they share.
    end = time.monotonic() + plan.seconds
    return [Seen(end=end) for _ in range(plan.callers)]


def _together(crew: list[Seen]) -> Seen:
    all_ = Seen(end=crew[0].end)
    for seen in crew:
        all_.latencies.merge(seen.latencies)
        all_.moments += seen.moments
        all_.denied += seen.denied
        all_.failed += seen.failed
    return all_
