"""``paceline bench``: what a store and limits give."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import click

from .bench_bar import watch
from .options import Amount, Duration, json_option
from .table import columns

if TYPE_CHECKING:
    from paceline._limits import Limit
    from paceline.bench.latency import Latencies
    from paceline.bench.measure import Calls, Decisions
    from paceline.bench.plan import Plan

_MOST_PROCESSES = 64
_MOST_CALLERS = 1_000
_TASKS = 16
_STORE = "embedded://"
# Buckets, as OpenAI's: what is not used is there a little later.
_LIMITS = ("40 requests/s burst 40", "24k tokens/s burst 24k")
_HEAD = ("", "a second", "p50", "p90", "p99", "longest")
# When the pretend server can enforce none of the limits.
_ENDLESS = "4000000000 requests/s"


@click.command()
@click.option(
    "--store",
    metavar="URL",
    help="The store to measure, such as redis://localhost:6379/0.  [default: the "
    "file's, or embedded://]",
)
@click.option(
    "--limits",
    multiple=True,
    metavar="LIMIT",
    help='A limit, such as "500 requests/min". Repeats.  [default: the file\'s, or '
    f"{' and '.join(_LIMITS)}]",
)
@click.option(
    "--config",
    metavar="FILE",
    help="A paceline.toml that tells limits and store, in place of --limits.",
)
@click.option(
    "--scope",
    metavar="NAME",
    help="The scope in the file. Without it, the limits of keys that are in none.",
)
@click.option("--model", metavar="NAME", help="The model in the file.")
@click.option(
    "--cost",
    "given",
    multiple=True,
    type=Amount(),
    help="What a call costs. Repeats. Default: 500 tokens, 1 of any other unit.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, _MOST_PROCESSES),
    default=2,
    show_default=True,
    help="How many processes share the quota.",
)
@click.option(
    "--tasks",
    type=click.IntRange(1, _MOST_CALLERS),
    help=f"asyncio tasks in each process.  [default: {_TASKS}]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, _MOST_CALLERS),
    help="Threads in each process, in place of tasks.",
)
@click.option(
    "--seconds",
    type=Duration(),
    default="5s",
    show_default=True,
    help="How long each of the two parts takes.",
)
@click.option(
    "--guard",
    type=Duration(),
    default="80ms",
    show_default=True,
    help="The network's jitter that the limiter allows for; the pretend one has 20 ms, "
    "a busy machine adds to it.",
)
@json_option
def command(
    *,
    store: str | None,
    limits: tuple[str, ...],
    config: str | None,
    scope: str | None,
    model: str | None,
    given: tuple[tuple[str, int], ...],
    processes: int,
    tasks: int | None,
    threads: int | None,
    seconds: float,
    guard: float,
    as_json: bool,
) -> int:
    """
    Measure what your store and your limits give.

    First decisions: all callers ask as fast as they can, on limits of these kinds that
    are never reached. Then calls: all wait for their turn under your limits and call a
    pretend OpenAI server on this machine, which enforces them: how much of the quota
    is used, how long callers wait, and whether the server had to refuse one. The store
    is left as it was.

    Exits with 1 if a call failed or was refused with a 429.
    """
    import httpx  # noqa: F401, PLC0415 -- its lack has words before anything starts

    from paceline._format import format_limit  # noqa: PLC0415
    from paceline._parse import parse_limit  # noqa: PLC0415
    from paceline._rules import Rules  # noqa: PLC0415
    from paceline.bench.measure import (  # noqa: PLC0415
        measure_calls,
        measure_decisions,
    )
    from paceline.bench.plan import (  # noqa: PLC0415
        Plan,
        costs,
        enforceable,
        rates,
    )
    from paceline.mock import serve  # noqa: PLC0415

    if config is not None:
        if limits:
            raise click.UsageError("Give either --limits or --config.")
        place, some = _of_file(config, scope, model)
    elif scope is not None or model is not None:
        raise click.UsageError("--scope and --model are of a file: add --config.")
    else:
        place, some = None, [parse_limit(text) for text in limits or _LIMITS]
    place = store or place or _STORE
    _check(place, processes, tasks, threads, seconds)
    read = rates(some)
    plan = Plan(
        store=place,
        scope=f"bench-{uuid.uuid4().hex[:12]}",
        limits=read,
        cost=costs(read, dict(given)),
        processes=processes,
        callers=threads or tasks or _TASKS,
        threads=threads is not None,
        seconds=seconds,
        guard=guard,
    )
    Rules(read).policy(None).charges(plan.cost)  # a cost that makes no sense says so
    judged = [format_limit(limit) for limit in read if enforceable(limit)]
    click.echo(_introduction(plan, judged), err=True)
    with closing(watch()) as watcher, serve(limits=judged or [_ENDLESS]) as mock:
        decisions = measure_decisions(plan, watcher)
        calls = measure_calls(plan, mock, watcher)
    click.echo(
        json.dumps(_as_json(plan, judged, decisions, calls))
        if as_json
        else _report(plan, judged, decisions, calls)
    )
    return 1 if calls.failed or calls.upstream_429s or decisions.denied else 0


def _of_file(
    config: str, scope: str | None, model: str | None
) -> tuple[str | None, list[Limit]]:
    """Take the store's URL and the limits of a scope and a model from a file."""
    from paceline import Concurrency  # noqa: PLC0415 -- not needed for help
    from paceline._config import load  # noqa: PLC0415

    file = load(config)
    limits = file.rules(scope).policy(model).limits
    rates: list[Limit] = [each for each in limits if not isinstance(each, Concurrency)]
    if 0 < len(rates) < len(limits):
        click.echo("Limits on calls at a time have no rate: left out.", err=True)
    return file.place(), rates or list(limits)


def _check(
    store: str, processes: int, tasks: int | None, threads: int | None, seconds: float
) -> None:
    if tasks is not None and threads is not None:
        raise click.UsageError("Give --tasks or --threads, not both.")
    if store.startswith("memory:") and processes > 1:
        raise click.UsageError(
            "A store in memory is one process's own: add --processes 1."
        )
    if not seconds:
        raise click.BadParameter("0 seconds measure nothing.", param_hint="--seconds")


def _callers(plan: Plan) -> str:
    kind = "thread" if plan.threads else "task"
    words = [(plan.processes, "process", "es"), (plan.callers, kind, "s")]
    return " of ".join(
        f"{number} {word}{plural if number > 1 else ''}"
        for number, word, plural in words
    )


def _introduction(plan: Plan, judged: list[str]) -> str:
    cost = ", ".join(f"{number:,} {unit}" for unit, number in plan.cost.items())
    judge = " and ".join(judged) or "none of these limits"
    return (
        f"{_callers(plan)}; a call costs {cost}.\n"
        f"A pretend OpenAI server enforces {judge}."
    )


def _as_json(
    plan: Plan, judged: list[str], decisions: Decisions, calls: Calls
) -> dict[str, object]:
    from paceline._format import format_limit  # noqa: PLC0415

    return {
        # The URL may hold a password.
        "store": plan.store.partition(":")[0],
        "limits": [format_limit(limit) for limit in plan.limits],
        "enforced_upstream": judged,
        "cost": plan.cost,
        "processes": plan.processes,
        "threads" if plan.threads else "tasks": plan.callers,
        "seconds": plan.seconds,
        "guard": plan.guard,
        "decisions": decisions.as_json(),
        "calls": calls.as_json(),
    }


def _report(plan: Plan, judged: list[str], decisions: Decisions, calls: Calls) -> str:
    rows = [
        ("decisions", f"{decisions.per_second:,.0f}", *_times(decisions.latencies)),
        ("calls", f"{calls.per_second:,.1f}", *_times(calls.waits)),
    ]
    shares = ", ".join(f"{share:.1%} of {name}" for name, share in calls.used.items())
    refused = f"{calls.upstream_429s:,}" if judged else "nobody counted"
    return (
        f"\n{columns(_HEAD, rows)}\n\n"
        f"quota used: {shares}\n"
        f"429s: {refused}; failed: {calls.failed:,}; "
        f"let through: {calls.count:,} in {plan.seconds:g} s\n"
        "(decisions: how long a caller waits for an answer; calls: for its turn.\n"
        "Used: of what the limit could grant in this time, its first burst included)"
    )


def _times(latencies: Latencies) -> list[str]:
    shown = [latencies.percentile(percent) for percent in (50, 90, 99)]
    return [_duration(seconds) for seconds in (*shown, latencies.most)]


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return (
        f"{seconds * 1e3:.1f} ms" if seconds * 1e3 >= 1 else f"{seconds * 1e6:.0f} us"
    )
