"""``paceline status``: how the accounts stand."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatchcase
from math import inf
from typing import TYPE_CHECKING

import click

from .options import (
    json_option,
    key_option,
    known_limits,
    limits_option,
    scope_tags,
    secret_option,
    store_option,
)

if TYPE_CHECKING:
    from paceline.ops.accounts import Look


@click.command(
    epilog="""
\b
Examples:
  paceline status
  paceline status team-a --model "gpt-4o*"
  paceline status --key-env OPENAI_API_KEY --json
"""
)
@click.argument("words", metavar="[KEY]...", nargs=-1)
@store_option
@click.option(
    "--model",
    metavar="MODEL",
    help='Only this model or family; a pattern such as "gpt-4o*" will do.',
)
@limits_option
@key_option
@secret_option
@json_option
def command(
    *,
    words: tuple[str, ...],
    store: str | None,
    model: str | None,
    limits: tuple[str, ...],
    key_env: str | None,
    secret_env: str | None,
    as_json: bool,
) -> int:
    """
    Show how the accounts stand: all, or those of each KEY.

    KEY is the name of a scope, or the first 8 digits that a nameless one is shown by.
    Of each limit: what is used and free, how much is booked by those who wait, and
    when it is as if never used. Of each model: its cool-down and 429s.
    Reads only; needs +scan +hgetall +time.
    """
    from paceline.ops.accounts import Reader  # noqa: PLC0415 -- not for help

    from .tables import as_json as document  # noqa: PLC0415

    tags = scope_tags(words, key_env, secret_env)
    with closing(Reader(store, known_limits(limits))) as reader:
        look = only_model(reader.look(words, tags), model)
        where = reader.where
    if as_json:
        click.echo(json.dumps(document(look, where)))
    elif look.scopes:
        _show(look)
    tell_rest(look, where)
    return 0


def _show(look: Look) -> None:
    from .tables import HEAD, fitting, grid, rows, table  # noqa: PLC0415 -- as above

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else inf
    head, lines = fitting(HEAD, rows(look), width)
    text = table(head, lines)
    if max(map(len, text.splitlines())) <= width:
        click.echo(text)
        return
    from rich.console import Console  # noqa: PLC0415 -- only where it is narrow

    # It would be broken anywhere: better within the columns.
    shown = grid(head, pad_edge=False)
    for line in lines:
        shown.add_row(*line)
    Console(highlight=False).print(shown)


def only_model(look: Look, model: str | None) -> Look:
    """Leave out accounts of other models; what all models share stays."""
    if model is None:
        return look
    scopes = [
        replace(
            scope,
            accounts=tuple(
                account
                for account in scope.accounts
                if account.shared or fnmatchcase(account.model or "", model)
            ),
        )
        for scope in look.scopes
    ]
    return replace(look, scopes=tuple(each for each in scopes if each.accounts))


def tell_rest(look: Look, where: str) -> None:
    """Say on stderr what the table does not show."""
    if not look.scopes:
        click.echo(f"No such account at {where}: never used, or long ago.", err=True)
    for scope in look.scopes:
        for account in scope.accounts:
            if account.gives_back:
                name = " ".join(filter(None, (scope.label, account.model)))
                click.echo(
                    f"{name}: unused tokens come back, answers showed.", err=True
                )
    unknown = sum(len(a.unknown) for scope in look.scopes for a in scope.accounts)
    if unknown:
        text = f"{unknown} limits are of a later release of paceline and not shown."
        click.echo(text, err=True)
    if look.strange:
        text = f"{look.strange} values under paceline:1: are none of ours; skipped."
        click.echo(text, err=True)
