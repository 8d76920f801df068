"""One run of a batch, from its files to its summary."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from paceline._errors import ConfigError

from ._identity import DEFAULT_KEY_ENV, check_key, key_from, keys_of, policies_of
from ._output import Errors, Output
from ._report import Progress, Summary, Tally
from ._rows import Row, read_rows, refuse_problems
from ._send import DEFAULT_BASE_URL, Sender
from ._verdict import How
from ._work import Work

if TYPE_CHECKING:
    from paceline import RateLimiter

    from ._verdict import Refund

DEFAULT_TASKS = 64
DEFAULT_RETRIES = 10
DEFAULT_REQUEST_TIMEOUT = 600.0


async def run_batch(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    limiter: RateLimiter,
    *,
    api_key: str | None = None,
    scope: str | None = None,
    base_url: str | None = None,
    errors: str | os.PathLike[str] | None = None,
    tasks: int = DEFAULT_TASKS,
    retries: int = DEFAULT_RETRIES,
    timeout: float | None = None,
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT,
    refund: Refund = "never",
    skip_invalid: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Summary:
    """
    Send the requests of a file through the limiter, and write the answers to another.

    Both files are in the format of OpenAI's Batch API. Rows that *output* already
    answers are not sent again, so the same call goes on where a run was stopped or
    killed. Its calls have the priority "batch": others go first.

    Args:
        source: The requests: custom_id, method, url and body in each line.

        output: Where answers go, in the order in which they come.

        limiter: Whose limits hold.

        api_key: Of the provider, hashed to name the quota. Default: $OPENAI_API_KEY.

        scope: Names the quota instead of the key, which may then be missing.

        base_url: Of the provider. Default: $OPENAI_BASE_URL, or OpenAI's.

        errors: Where rows go that failed; it can be a source again. Default: that of
            the output with ".errors" before its suffix.

        tasks: Requests at a time, at most; one for each model at least.

        retries: Attempts of a row after its first, where waiting may help.

        timeout: Seconds that a row may wait for its turn. None is no bound.

        request_timeout: Seconds that an answer may take.

        refund: Whether the provider gives back tokens that were reserved and not used.

        skip_invalid: Leave lines out that are no requests.

        progress: Called twice a second, and at the end.

        stop: Once set, nothing more is sent, and what was sent is waited for.

    Raises:
        ConfigError: If rows are no requests (P701), or a file, the key or the URL
            cannot be used (P702 to P706).

        RateLimitExceeded: If a row waited longer than *timeout* (P301).

        StoreError: If the store is not there (P2xx). What was answered is safe.
    """
    start = time.monotonic()
    _check_counts(tasks, retries)
    source, output = Path(source), Path(output)
    errors_path = errors_beside(output) if errors is None else Path(errors)
    _check_distinct(source, output, errors_path)
    if api_key is None:
        api_key = key_from(DEFAULT_KEY_ENV, scope)
    check_key(api_key)
    key_of = keys_of(api_key, scope)
    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    rows = await asyncio.to_thread(read_rows, source, key_of, policies_of(limiter))
    if not skip_invalid:
        refuse_problems(rows)
    replaces = _same(errors_path, source)
    if replaces and rows.problems:
        raise ConfigError(
            f"{source} is replaced by what is left of it at the end, and "
            f"{len(rows.problems):,} lines that are no requests would be lost",
            code="P703",
            hint="Mend them, or let rows that fail go elsewhere: --errors FILE.",
        )
    with Output(output) as answers, rows.open() as fields:
        todo = [row for row in rows.rows if row.custom_id not in answers.answered]
        tally = Tally(len(rows.rows), len(rows.rows) - len(todo), start)
        tally.progress(start)
        shares = _shares(todo, tasks)
        failures = Errors(errors_path)
        try:
            async with Sender(base_url, api_key, timeout=request_timeout) as sender:
                work = Work(
                    todo,
                    fields,
                    limiter,
                    {model: key_of(model) for model in shares},
                    sender,
                    answers,
                    failures,
                    tally,
                    How(timeout, retries, refund),
                )
                await work.look()  # a store that is not there is told before all else
                try:
                    await work.run(shares, stop or asyncio.Event(), progress)
                finally:
                    over = answers.answered | work.failed
                    if replaces:
                        for row in todo:
                            if row.custom_id not in over:
                                failures.add(fields(row), response=None, error=None)
                    kept = failures.finish()
        finally:
            failures.discard()
    left = tally.rows - tally.already_done - tally.over
    return Summary(
        tally.rows,
        len(rows.problems),
        tally.already_done,
        tally.done,
        tally.failed,
        left,
        tally.retried,
        tally.refused,
        tally.tokens["input_tokens"],
        tally.tokens["output_tokens"],
        time.monotonic() - start,
        dict(tally.reasons.most_common()),
        work.stopped if left or tally.failed else "",
        str(output),
        None if kept is None else str(kept),
    )


def errors_beside(output: Path) -> Path:
    """Return the usual place of the rows that failed: out.errors.jsonl."""
    return output.with_name(f"{output.stem}.errors{output.suffix}")


def _check_counts(tasks: int, retries: int) -> None:
    for what, count, least in (("tasks", tasks, 1), ("retries", retries, 0)):
        if count < least:
            hint = f"Give {least} or more."
            raise ConfigError(f"{what} is {count}", code="P706", hint=hint)


def _check_distinct(source: Path, output: Path, errors: Path) -> None:
    for other, what in ((source, "input"), (errors, "file of errors")):
        if _same(output, other):
            raise ConfigError(
                f"{output} is both the output and the {what}",
                code="P703",
                hint="Give each a file of its own.",
            )


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _shares(rows: Iterable[Row], tasks: int) -> dict[str, int]:
    """Deal the workers out over the models, by their rows; each gets one at least."""
    counts = Counter(row.model for row in rows)
    total = counts.total()
    return {
        model: min(count, max(1, tasks * count // total))
        for model, count in counts.items()
    }
