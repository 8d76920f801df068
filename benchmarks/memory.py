"""
How much memory does the server need per key and model?

MEMORY USAGE of all keys, every element counted, per account; the server's table of
keys (some 50 to 100 bytes a key) is not in it. "fresh" has been asked once
through the public API; "worn" has the fullest log that steady use leaves: an act in
every slot of every window. ``bytes`` leaves the lanes out, a small field per process
that makes a call that is sent twice count once: ``lane_bytes`` is what the one lane
here takes. It does not depend on the limit (a million needs what 500
needs), which the rows show. Ten models of one key share a hash, so they need less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline import CalendarWindow, Key, RateLimiter, SlidingWindow, TokenBucket

from .harness import single
from .harness.scripts import LANE, NOON_US, SECOND_US, Scripted, prepare

if TYPE_CHECKING:
    from paceline import Limit

    from .harness import Row, Run

PLOTS = {"bytes": "Memory per key and model"}


def _three(most: int) -> tuple[Limit, ...]:
    return (
        SlidingWindow.per_minute(most),
        SlidingWindow.per_minute(most * 1_000, unit="tokens"),
        SlidingWindow.per_day(most * 100),
    )


LIMITS: dict[str, tuple[Limit, ...]] = {
    "a bucket": (TokenBucket.per_minute(500),),
    "a calendar day": (CalendarWindow(10_000, "day"),),
    "a window of 500": (SlidingWindow.per_minute(500),),
    "a window of 1,000,000": (SlidingWindow.per_minute(1_000_000),),
    "RPM, TPM, RPD of 500": _three(500),
    "RPM, TPM, RPD of 1,000,000": _three(1_000_000),
}


def ask(run: Run) -> list[Row]:
    """Count fresh accounts and worn ones."""
    keys = run.pick(400, 100)
    rows = []
    for name, limits in LIMITS.items():
        run.tick(name)
        rows += [
            single(f"paceline, {name}, fresh", _fresh(run, limits, keys, 1)),
            single(f"paceline, {name}, worn", _worn(run, limits, keys // 10)),
        ]
    rows.append(
        single(
            "paceline, RPM, TPM, RPD of 500, fresh, 10 models a key",
            _fresh(run, _three(500), keys, 10),
        )
    )
    return rows


def _cost(limits: tuple[Limit, ...]) -> dict[str, int]:
    return {limit.unit: 1 for limit in limits if limit.unit != "requests"}


def _fresh(
    run: Run, limits: tuple[Limit, ...], accounts: int, models: int
) -> dict[str, float]:
    run.server.clear()
    cost = _cost(limits)
    with RateLimiter(run.server.url, limits=limits) as limiter:
        for number in range(accounts):
            key = Key(scope=f"key-{number // models}", model=f"m-{number % models}")
            limiter.try_acquire(key, cost)
        return _memory(run, accounts)


def _worn(run: Run, limits: tuple[Limit, ...], accounts: int) -> dict[str, float]:
    run.server.clear()
    prepare(run.server.client)
    moments = _moments(limits)
    for number in range(accounts):
        scripted = Scripted(limits, f"paceline:1:{{{number:032x}}}")
        pipeline = run.server.client.pipeline(transaction=False)
        for moment in moments:
            pipeline.execute_command(*scripted.acquire([_cost(limits)], moment))
        pipeline.execute()
    return _memory(run, accounts)


def _memory(run: Run, accounts: int) -> dict[str, float]:
    """Measure all keys, then again without their lanes."""
    whole = run.server.memory()
    client = run.server.client
    for key in client.scan_iter(count=1000):
        if lanes := [name for name in client.hkeys(key) if name.startswith(LANE)]:
            client.hdel(key, *lanes)
    bare = run.server.memory()
    return {"bytes": bare / accounts, "lane_bytes": (whole - bare) / accounts}


def _moments(limits: tuple[Limit, ...]) -> list[int]:
    """Spread acts over each window, so that every slot of its log is taken."""
    periods = {
        limit.per: limit.slots for limit in limits if isinstance(limit, SlidingWindow)
    }
    seconds = {
        -period + (slot + 0.5) * period / slots
        for period, slots in periods.items()
        for slot in range(slots)
    }
    return [NOON_US + round(each * SECOND_US) for each in sorted(seconds or {0.0})]
