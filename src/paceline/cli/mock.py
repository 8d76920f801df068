"""``paceline mock``: run the pretend OpenAI server until told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Literal

import click

from .failure import INTERRUPTED
from .options import Duration, json_option

DEFAULT_PORT = 8429
DEFAULT_LIMITS = ("500 requests/min", "30k tokens/min")


@click.command()
@click.option(
    "--limits",
    multiple=True,
    metavar="LIMIT",
    default=DEFAULT_LIMITS,
    show_default=True,
    help='A limit of every key and model, such as "30k tokens/min". Repeats. A bucket '
    "that holds the limit and refills all the time, as OpenAI's.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to listen; 0 picks a free port.",
)
@click.option(
    "--latency",
    type=Duration(),
    default="20ms",
    show_default=True,
    help="How long a request travels before it is counted.",
)
@click.option(
    "--jitter",
    type=Duration(),
    default="10ms",
    show_default=True,
    help="It travels up to so much more or less.",
)
@click.option(
    "--service-time",
    type=Duration(),
    default="0s",
    show_default=True,
    help="How long an answer takes after the request was counted; of a stream, its "
    "first byte.",
)
@click.option(
    "--chunk-delay",
    type=Duration(),
    default="0s",
    show_default=True,
    help="How long a stream pauses between two events.",
)
@click.option(
    "--chunk-tokens",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many tokens an event of a stream has.",
)
@click.option(
    "--split-events",
    is_flag=True,
    help="Send every event of a stream in two pieces.",
)
@click.option(
    "--completion-tokens",
    default="16",
    show_default=True,
    metavar="TOKENS",
    help="How long answers are, in tokens, or as a share of the longest that a request "
    'allows, such as "50%".',
)
@click.option(
    "--charge",
    type=click.Choice(["reserve", "actual"]),
    default="reserve",
    show_default=True,
    help="What a request pays in tokens: the longest answer that it allows, with "
    "nothing given back; or that, corrected after the answer to what it used.",
)
@click.option(
    "--enforce-per",
    type=Duration(),
    help="Enforce limits in slices of so long: with 1s, 60k a minute is 1,000 a "
    "second.",
)
@click.option(
    "--gzip/--no-gzip",
    default=True,
    show_default=True,
    help="Compress answers for clients that accept it.",
)
@click.option("--seed", type=int, help="Make the journeys repeatable.")
@click.option(
    "--count-failed",
    is_flag=True,
    help="Let refused requests count towards limits on requests. OpenAI says that they "
    "do; off by default, so that clients which retry look no worse than they must.",
)
@click.option(
    "--share-keys",
    is_flag=True,
    help="Let all keys share one account for each model, as those of one project do.",
)
@click.option(
    "--limit-headers",
    type=click.Choice(["all", "none", "unknown", "project"]),
    default="all",
    show_default=True,
    help="How the headers x-ratelimit-* are: all in order; none, as with some "
    "endpoints; unknown, -1, as Azure has sent; with those of the project too.",
)
@click.option(
    "--error",
    "errors",
    multiple=True,
    metavar="ERROR",
    help='An error to answer with, such as "server_error", or "rate_limit_tokens '
    'model=gpt-4o key=sk-1 after=5 next=3 wait=6m0s". Repeats.',
)
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    hidden=True,
    help="End when stdin does: whoever started this is gone.",
)
@json_option
def command(
    *,
    limits: tuple[str, ...],
    host: str,
    port: int,
    latency: float,
    jitter: float,
    service_time: float,
    chunk_delay: float,
    chunk_tokens: int,
    split_events: bool,
    completion_tokens: str,
    charge: Literal["reserve", "actual"],
    enforce_per: float | None,
    gzip: bool,
    seed: int | None,
    count_failed: bool,
    share_keys: bool,
    limit_headers: Literal["all", "none", "unknown", "project"],
    errors: tuple[str, ...],
    stop_with_stdin: bool,
    as_json: bool,
) -> int:
    """
    Run a pretend OpenAI server that really enforces limits.

    It answers POST /v1/chat/completions, /v1/responses and /v1/embeddings, at once or
    as streams, on Azure's paths too. It keeps an account per key and model: GET /stats
    tells the counts, GET /log the last requests, POST /reset clears both, and POST
    /errors makes it fail. The first line on stdout is its base URL:

        export OPENAI_BASE_URL=http://127.0.0.1:8429/v1
    """
    from paceline.mock.listen import (  # noqa: PLC0415 -- it needs aiohttp
        serve_until_stopped,
    )
    from paceline.mock.quota import Quota  # noqa: PLC0415 -- not needed for help
    from paceline.mock.settings import Settings  # noqa: PLC0415 -- as above

    settings = Settings(
        quotas=tuple(Quota.read(limit).sliced(enforce_per) for limit in limits),
        latency=latency,
        jitter=jitter,
        service_time=service_time,
        chunk_delay=chunk_delay,
        chunk_tokens=chunk_tokens,
        split_events=split_events,
        completion_tokens=completion_tokens,
        charge=charge,
        gzip=gzip,
        count_failed=count_failed,
        share_keys=share_keys,
        limit_headers=limit_headers,
        errors=errors,
        seed=seed,
    )

    def started(base_url: str) -> None:
        root = base_url.removesuffix("/v1")
        if as_json:
            urls = {"base_url": base_url, "stats_url": f"{root}/stats"}
            click.echo(json.dumps({**urls, "pid": os.getpid()}))
        else:
            click.echo(base_url)
        click.echo(f"Limits per key and model: {', '.join(limits)}.", err=True)
        click.echo(f"Counts: {root}/stats   Stop: Ctrl-C.", err=True)

    serving = serve_until_stopped(
        settings, host, port, started, stop_with_stdin=stop_with_stdin
    )
    return INTERRUPTED if asyncio.run(serving) == signal.SIGINT else 0
