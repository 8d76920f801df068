"""``paceline plan``: how long a batch will take, before anything is sent."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from .options import Duration, json_option
from .quota import in_words, quota_of, quota_options

if TYPE_CHECKING:
    from paceline.batch import ModelPlan, Plan


@click.command()
@click.argument("source", metavar="INPUT.jsonl")
@quota_options
@click.option(
    "--store",
    metavar="URL",
    help="Begin with what is left in this store's account. Without it, and without a "
    "file, the limits are taken as unused.",
)
@click.option(
    "--tasks",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Requests at a time.",
)
@click.option(
    "--call-time",
    type=Duration(),
    default="1s",
    show_default=True,
    help="How long an answer takes.",
)
@click.option("--skip-invalid", is_flag=True, help="Leave lines out that are none.")
@json_option
def command(
    *,
    source: str,
    limits: tuple[str, ...],
    config: str | None,
    scope: str | None,
    key_env: str | None,
    store: str | None,
    tasks: int,
    call_time: float,
    skip_invalid: bool,
    as_json: bool,
) -> int:
    """
    Say how long a batch will take and which limit decides, before sending anything.

    INPUT.jsonl has requests in the format of OpenAI's Batch API. Tokens are estimated
    as `paceline batch` would reserve them, so the real run is no slower. For each
    model, the time under each limit alone shows what a higher one would bring.
    """
    from paceline.batch import plan_batch  # noqa: PLC0415 -- not needed for help

    quota = quota_of(limits, config, scope, key_env)
    ask = store is not None or not quota.limits
    with quota.limiter(store) if ask else nullcontext(quota.limits) as account:
        plan = plan_batch(
            source,
            account,
            api_key=quota.api_key() if ask else None,
            scope=scope,
            tasks=tasks,
            call_time=call_time,
            skip_invalid=skip_invalid,
        )
    if as_json:
        click.echo(json.dumps(plan.as_json()))
    else:
        click.echo(_report(plan, with_store=ask))
    return 0


def _report(plan: Plan, *, with_store: bool) -> str:
    lines = []
    for model in plan.models:
        lines += _model(model, with_store=with_store)
    if plan.invalid:
        lines.append(f"{plan.invalid:,} lines are no requests and were left out.")
    lines.append(f"{plan.rows:,} rows in at most {in_words(plan.seconds)}.")
    return "\n".join(lines)


def _model(model: ModelPlan, *, with_store: bool) -> list[str]:
    tokens = f", {model.cost['tokens']:,} tokens" if "tokens" in model.cost else ""
    decides = model.bottleneck or "no limit: they hold all of it"
    took = in_words(model.seconds)
    lines = [
        f"{model.model}: {model.rows:,} rows{tokens}, at most {took}",
        f"  what decides: {decides}",
    ]
    for limit in model.limits:
        left = f", {limit.remaining:,} left now" if with_store else ""
        lines.append(
            f"  {limit.name}: {limit.units:,} of {limit.capacity:,}{left}; alone "
            f"{in_words(limit.seconds)}"
        )
    return [*lines, ""]
