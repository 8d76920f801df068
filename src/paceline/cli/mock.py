"""``paceline mock``: run the pretend OpenAI server until told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal

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
    help="How long an answer takes after the request was counted.",
)
@click.option(
    "--completion-tokens",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="How long answers claim to be.",
)
@click.option("--seed", type=int, help="Make the journeys repeatable.")
@click.option(
    "--count-failed",
    is_flag=True,
    help="Let refused requests count towards limits on requests. OpenAI says that they "
    "do; off by default, so that clients which retry look no worse than they must.",
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
    completion_tokens: int,
    seed: int | None,
    count_failed: bool,
    stop_with_stdin: bool,
    as_json: bool,
) -> int:
    """
    Run a pretend OpenAI server that really enforces limits.

    It answers POST /v1/chat/completions and keeps an account per key and model, which
    GET /stats tells and POST /reset clears. The first line on stdout is its base URL:

        export OPENAI_BASE_URL=http://127.0.0.1:8429/v1
    """
    from paceline.mock.listen import (  # noqa: PLC0415 -- it needs aiohttp
        serve_until_stopped,
    )
    from paceline.mock.quota import Quota  # noqa: PLC0415 -- not needed for help
    from paceline.mock.server import Settings  # noqa: PLC0415 -- it needs aiohttp

    settings = Settings(
        quotas=tuple(Quota.read(limit) for limit in limits),
        latency=latency,
        jitter=jitter,
        service_time=service_time,
        completion_tokens=completion_tokens,
        count_failed=count_failed,
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
