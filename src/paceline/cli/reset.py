"""``paceline reset``: forget accounts."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from .options import (
    json_option,
    key_option,
    scope_tags,
    secret_option,
    store_option,
)

if TYPE_CHECKING:
    from paceline.ops.accounts import Account, Look, ScopeState


@click.command(
    epilog="""
\b
Examples:
  paceline reset team-a --model gpt-4o
  paceline reset team-a --all-models --yes
  paceline reset --key-env OPENAI_API_KEY --all-models
"""
)
@click.argument("word", metavar="KEY", required=False)
@store_option
@click.option("--model", metavar="MODEL", help="This model's, or family's, account.")
@click.option("--all-models", is_flag=True, help="All accounts of the key.")
@key_option
@secret_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def command(
    *,
    word: str | None,
    store: str | None,
    model: str | None,
    all_models: bool,
    key_env: str | None,
    secret_env: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """
    Forget what KEY used: the account of one model, or all of them.

    KEY is the name of a scope, or the first 8 digits that status shows a nameless one
    by. Limits shared over models are forgotten too, as limiter.reset() does, and so
    are cool-downs. Permits still out are not called back. Without --model or
    --all-models it is the account of calls that name no model.
    """
    if (word is None) == (key_env is None):
        raise click.UsageError("Give either KEY or --key-env NAME.")
    if model is not None and all_models:
        raise click.UsageError("Give either --model or --all-models.")
    from paceline.ops.accounts import Reader  # noqa: PLC0415 -- not for help

    words = () if word is None else (word,)
    tags = scope_tags(words, key_env, secret_env)
    with closing(Reader(store)) as reader:
        scope = _the_one(reader.look(words, tags), tags)
        chosen = _chosen(scope, model, all_models=all_models) if scope else []
        forgotten = 0
        if scope and chosen:
            if not yes:
                _ask(scope, chosen)
            forgotten = reader.forget(scope, [account.field for account in chosen])
    _tell(scope, chosen, forgotten, as_json=as_json)
    return 0


def _the_one(look: Look, tags: list[str]) -> ScopeState | None:
    exact = [scope for scope in look.scopes if scope.tag in tags]
    found = exact or list(look.scopes)
    if len(found) > 1:
        names = ", ".join(scope.tag for scope in found)
        raise click.UsageError(f"Several scopes go by that name: give one of {names}.")
    return found[0] if found else None


def _chosen(scope: ScopeState, model: str | None, *, all_models: bool) -> list[Account]:
    if all_models:
        return list(scope.accounts)
    own = [a for a in scope.accounts if not a.shared and a.model == model]
    others = [a.model for a in scope.accounts if a.model not in (None, model)]
    if not own and others:
        what = f"model {model}" if model else "calls without a model"
        raise click.UsageError(
            f"{scope.label} has no account for {what}, but for "
            f"{', '.join(map(str, others))}: give --model, or --all-models."
        )
    return [*own, *(account for account in scope.accounts if account.shared)]


def _names(accounts: list[Account]) -> str:
    return ", ".join(
        "limits over all models" if a.shared else a.model or "calls without a model"
        for a in accounts
    )


def _ask(scope: ScopeState, chosen: list[Account]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to ask: give --yes.")
    question = f"Forget what {scope.label} used ({_names(chosen)})?"
    click.confirm(question, abort=True, err=True)


def _tell(
    scope: ScopeState | None, chosen: list[Account], forgotten: int, *, as_json: bool
) -> None:
    if as_json:
        told = {
            "forgotten": forgotten,
            "scope": scope.label if scope else None,
            "tag": scope.tag if scope else None,
            "models": [a.model for a in chosen if not a.shared],
            "shared": any(a.shared for a in chosen),
        }
        click.echo(json.dumps(told))
    elif scope and chosen:
        accounts = "account" if forgotten == 1 else "accounts"
        click.echo(
            f"{forgotten} {accounts} of {scope.label} forgotten: {_names(chosen)}."
        )
    else:
        click.echo("0 accounts forgotten: there was none.")
