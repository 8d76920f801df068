"""``paceline batch``: send a file of requests through the limiter."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import click

from paceline._errors import PacelineError

from .failure import INTERRUPTED, ROWS_FAILED
from .options import Duration, json_option
from .quota import in_words, quota_of, quota_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline.batch import Summary

    from .batch_bar import Watcher


@click.command()
@click.argument("source", metavar="INPUT.jsonl")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where answers go.")
@quota_options
@click.option(
    "--store",
    metavar="URL",
    help="Where the account of the quota is kept. Default: $PACELINE_STORE, or the "
    "file's.",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="Of the provider. Default: $OPENAI_BASE_URL, or https://api.openai.com/v1.",
)
@click.option(
    "--errors",
    metavar="FILE",
    help="Where rows go that failed. Default: as the output, with .errors in its name.",
)
@click.option(
    "--tasks",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Requests at a time, at most.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Attempts of a row after its first, where waiting may help.",
)
@click.option(
    "--timeout",
    type=Duration(),
    help="How long a row may wait for its turn. Without it, as long as it takes.",
)
@click.option(
    "--request-timeout",
    type=Duration(),
    default="10min",
    show_default=True,
    help="How long an answer may take.",
)
@click.option(
    "--refund",
    type=click.Choice(["never", "always"]),
    default="never",
    show_default=True,
    help="Whether the provider gives back tokens that were reserved and not used.",
)
@click.option(
    "--skip-invalid",
    is_flag=True,
    help="Leave lines out that are no requests, and tell which.",
)
@json_option
def command(
    *,
    source: str,
    output: str,
    limits: tuple[str, ...],
    config: str | None,
    scope: str | None,
    key_env: str | None,
    store: str | None,
    base_url: str | None,
    errors: str | None,
    tasks: int,
    retries: int,
    timeout: float | None,
    request_timeout: float,
    refund: Literal["never", "always"],
    skip_invalid: bool,
    as_json: bool,
) -> int:
    """
    Send a file of requests, in the format of OpenAI's Batch API, through the limiter.

    All rows are checked before one is sent. Each waits for its turn behind interactive
    calls. Answers are appended as they come, in any order. Rows that the output answers
    already are not sent again: the same command goes on after Ctrl-C or a crash. Rows
    that failed go to a file that can be the input of another run.

    Exits with 6 if rows failed, 130 if interrupted, 5 if a row got no turn in time.
    """
    from paceline.batch import run_batch  # noqa: PLC0415 -- not needed for help

    from .batch_bar import watcher  # noqa: PLC0415

    quota = quota_of(limits, config, scope, key_env)
    api_key = quota.api_key()
    limiter = quota.limiter(store)

    async def main(watching: Watcher) -> Summary:
        stop = asyncio.Event()
        async with limiter:
            with _two_signals(stop):
                return await run_batch(
                    source,
                    output,
                    limiter,
                    api_key=api_key,
                    scope=scope,
                    base_url=base_url,
                    errors=errors,
                    tasks=tasks,
                    retries=retries,
                    timeout=timeout,
                    request_timeout=request_timeout,
                    refund=refund,
                    skip_invalid=skip_invalid,
                    progress=watching.look,
                    stop=stop,
                )

    with watcher() as watching:
        try:
            summary = asyncio.run(main(watching))
        except (asyncio.CancelledError, KeyboardInterrupt):
            click.echo(_safe(watching.done, output), err=True)
            return INTERRUPTED
        except PacelineError:
            if watching.done:
                click.echo(_safe(watching.done, output), err=True)
            raise
    if as_json:
        click.echo(json.dumps(summary.as_json()))
    click.echo(_report(summary), err=True)
    if summary.stopped == "interrupted":
        return INTERRUPTED
    return 0 if summary.complete else ROWS_FAILED


@contextmanager
def _two_signals(stop: asyncio.Event) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) end it cleanly, and the second at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        elif not stop.is_set():
            stop.set()
            told = "Stopping: waiting for what was sent. Ctrl-C again stops at once."
            click.echo(told, err=True)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not the loop's own handlers: there are none on Windows.
        before[number] = signal.signal(
            number, lambda *_: loop.call_soon_threadsafe(interrupt)
        )
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _safe(done: int, output: str) -> str:
    return (
        f"{done:,} answers of this run are safe in {output}. The same command goes on."
    )


def _report(summary: Summary) -> str:
    before = f", {summary.already_done:,} before" if summary.already_done else ""
    took = in_words(summary.seconds)
    rest = f"{summary.not_sent:,} not sent"
    if summary.invalid:
        rest += f", {summary.invalid:,} lines left out that are no requests"
    used = f"{summary.input_tokens:,} in, {summary.output_tokens:,} out"
    lines = [
        f"{summary.done:,} of {summary.rows:,} rows answered in {took}{before}",
        f"{summary.failed:,} failed, {rest}",
        f"tokens: {used}",
        f"told to wait {summary.refused:,}, repeated {summary.retried:,}",
    ]
    if summary.reasons:
        reasons = ", ".join(f"{n:,} x {code}" for code, n in summary.reasons.items())
        lines.append(f"failed: {reasons}")
    if summary.errors:
        lines.append(
            f"Rows that failed are in {summary.errors}, which can be the input of "
            "another run."
        )
    if summary.stopped:
        lines.append(f"Stopped before the end: {summary.stopped}.")
    if summary.not_sent:
        lines.append("The same command goes on from here.")
    return "\n".join(lines)
