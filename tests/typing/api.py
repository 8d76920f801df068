"""What type checkers must see of the public surface. Checked by mypy, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from paceline import (
    CalendarWindow,
    ConfigError,
    Decision,
    Key,
    KeyTemplate,
    LimitStatus,
    Permit,
    RateLimiter,
    Reservation,
    SlidingWindow,
    TokenBucket,
    current_permit,
    events,
)
from paceline.batch import Progress, plan_batch, run_batch
from paceline.otel import accounts, metrics
from paceline.testing import (
    Clock,
    ClockedLimiter,
    InstantLimiter,
    Recorded,
    RecordingLimiter,
    RefusingLimiter,
)

limiter = RateLimiter(
    "redis://localhost:6379/0",
    limits={
        "gpt-4o": ["500 requests/min", SlidingWindow.per_minute(30_000, unit="tokens")],
        "*": TokenBucket(10, 1.0),
    },
    families={"gpt-4o": ["gpt-4o-*"]},
    shared=[CalendarWindow(10_000, "day")],
)
key = Key(api_key="k", model="gpt-4o")


def note(event: events.Event) -> None:
    """Take a handler of events; its kinds are told apart by isinstance."""
    if isinstance(event, events.Refused):
        assert_type(event.retry_after, float)


observed = RateLimiter("memory://", limits="9/min", on_event=note)
measured = RateLimiter("memory://", limits="9/min", on_event=metrics())
assert_type(accounts("memory://").close(), None)


def verbs() -> None:
    """Blocking verbs."""
    assert_type(limiter.try_acquire(key, {"tokens": 1}), Decision)
    permit = limiter.acquire("team-a", 1, timeout=None)
    assert_type(permit, Permit)
    assert_type(permit.waited, float)
    permit.settle({"tokens": 2})
    assert_type(limiter.peek(key), tuple[LimitStatus, ...])
    assert_type(current_permit(), Permit)
    with limiter.reserve(key, {"tokens": 1}) as reservation:
        assert_type(reservation, Reservation)
        reservation.settle({"tokens": 2})


def files() -> None:
    """Limiters from files, and what a file's error has."""
    assert_type(RateLimiter.from_config(), RateLimiter)
    assert_type(ClockedLimiter.from_config("p.toml", scope="a"), ClockedLimiter)
    try:
        RateLimiter.from_config(store="memory://")
    except ConfigError as error:
        assert_type(error.line, int | None)
        assert_type(error.suggestion, str | None)
        assert_type(error.problems, tuple[ConfigError, ...])


def stand_ins() -> None:
    """Each passes for a RateLimiter."""
    clocked = ClockedLimiter(limits="5/min", clock=Clock())
    assert_type(clocked.clock, Clock)
    recorder = RecordingLimiter(RefusingLimiter(retry_after=1.0))
    assert_type(recorder.calls, list[Recorded])
    some: list[RateLimiter] = [InstantLimiter(), clocked, recorder]
    assert_type(some[0].acquire("team-a"), Permit)


async def twins() -> None:
    """Verbs of event loops."""
    assert_type(await limiter.try_acquire_async(key), Decision)
    permit = await limiter.acquire_async(key, timeout=5)
    await permit.cancel_async()
    async with limiter.reserve(key) as reservation:
        assert_type(reservation.waited, float)
    async with limiter:
        pass


@limiter.limited(KeyTemplate(scope="{team}"), cost=lambda team, n: {"tokens": n})
def plain(team: str, n: int) -> list[str]:
    """Keep its type."""
    return [team] * n


@limiter.limited(key)
async def coroutine(n: int) -> int:
    """Keep its type."""
    return n


@limiter.limited(key)
def generator(n: int) -> Iterator[int]:
    """Keep its type."""
    yield n


@limiter.limited(key)
async def stream(n: int) -> AsyncIterator[int]:
    """Keep its type."""
    yield n


async def decorated() -> None:
    """Decorated functions keep their types."""
    assert_type(plain("a", 2), list[str])
    assert_type(await coroutine(2), int)
    for item in generator(2):
        assert_type(item, int)
    async for item in stream(2):
        assert_type(item, int)


async def batches() -> None:
    """A run and a plan of a batch have types of their own."""
    summary = await run_batch("in.jsonl", "out.jsonl", limiter, progress=watch)
    assert_type(summary.done, int)
    assert_type(summary.errors, str | None)
    plan = plan_batch("in.jsonl", ["500 requests/min"], call_time=2.0)
    assert_type(plan.models[0].bottleneck, str | None)


def watch(progress: Progress) -> None:
    """See how far a run is."""
    assert_type(progress.eta, float | None)
    assert_type(progress.limits[0].status.remaining, int)
