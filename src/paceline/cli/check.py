"""``paceline check``: say what a configuration file says, or what is wrong with it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from .failure import as_fields, exit_code
from .options import json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paceline._config import Config
    from paceline._config.values import Section
    from paceline._errors import ConfigError
    from paceline._limits import Limit


@click.command(
    epilog="""
\b
Examples:
  paceline check
  paceline check deploy/paceline.toml
  paceline check --json | jq '.problems[] | {line, message}'
"""
)
@click.argument("file", required=False)
@json_option
def command(*, file: str | None, as_json: bool) -> int:
    """
    Check a paceline.toml, and print what it says.

    Without FILE it takes the one that from_config() would: $PACELINE_CONFIG, or else
    the first in the working directory or above it. Nothing is connected to, and no
    secret is shown. What is wrong goes to stdout, all of it, as of a compiler; the exit
    code is then 3.
    """
    from paceline._config import load  # noqa: PLC0415 -- not needed for help
    from paceline._errors import ConfigError  # noqa: PLC0415

    try:
        config = load(file)
    except ConfigError as error:
        return _refuse(error, as_json=as_json)
    unset = [name for name in config.variables() if not os.environ.get(name)]
    if as_json:
        click.echo(json.dumps(_document(config, unset)))
        return 0
    click.echo("\n".join(_lines(config)))
    for name in unset:
        click.echo(f"note: ${name} is not set here", err=True)
    for first, second in _doubles(config):
        click.echo(
            f"warning: {first} and {second} hold the same API key: one account, under "
            "the limits of whichever scope a call names",
            err=True,
        )
    return 0


def _refuse(error: ConfigError, *, as_json: bool) -> int:
    problems = error.problems or (error,)
    if as_json:
        told = [as_fields(each) for each in problems]
        click.echo(json.dumps({"file": error.file, "ok": False, "problems": told}))
        return exit_code(error)
    click.echo("\n".join(str(each) for each in problems))
    many = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
    click.echo(f"{many}. Nothing was loaded.", err=True)
    return exit_code(error)


def _lines(config: Config) -> Iterator[str]:
    from paceline._suggest import shown  # noqa: PLC0415 -- not needed for help

    yield f"{config.file}: ok"
    where = f"${config.store_env}" if config.store_env else config.store
    yield f"store: {where or '$PACELINE_STORE'}"
    if config.secret_env:
        yield f"secret: ${config.secret_env}"
    for name, value in config.options.items():
        yield f"{name}: {value if isinstance(value, str) else f'{value:g} s'}"
    for name, scope in config.scopes.items():
        key = f"the API key in ${scope.key_env}" if scope.key_env else "a name"
        yield f"\nscope {shown(name)}, {key}"
        yield from _section(scope.section)
    if config.section is not None:
        others = "every key that is in no scope" if config.scopes else "every key"
        yield f"\n{others}"
        yield from _section(config.section)


def _section(section: Section) -> Iterator[str]:
    rows = [(_model(pattern), limits) for pattern, limits in section.limits.items()]
    if section.shared:
        rows.append(("all models together", section.shared))
    widest = max(len(model) for model, _ in rows)
    for model, limits in rows:
        yield f"  {model:<{widest}}  {', '.join(map(_limit, limits))}"
    for family, members in section.families.items():
        yield f"  one account {_model(family)}: {', '.join(map(_model, members))}"


def _model(pattern: str) -> str:
    from paceline._suggest import shown  # noqa: PLC0415 -- not needed for help

    return "each model" if pattern == "*" else shown(pattern)[1:-1]


def _limit(limit: Limit) -> str:
    from paceline._format import format_limit  # noqa: PLC0415 -- not needed for help

    return format_limit(limit)


def _document(config: Config, unset: list[str]) -> dict[str, object]:
    others = config.section
    return {
        "file": config.file,
        "ok": True,
        "store": config.store,
        "store_env": config.store_env,
        "secret_env": config.secret_env,
        "options": dict(config.options),
        "scopes": {
            name: {"key_env": scope.key_env, **_fields(scope.section)}
            for name, scope in config.scopes.items()
        },
        "others": None if others is None else _fields(others),
        "variables": {name: name not in unset for name in config.variables()},
    }


def _fields(section: Section) -> dict[str, object]:
    return {
        "limits": {
            pattern: _described(limits) for pattern, limits in section.limits.items()
        },
        "families": {name: list(some) for name, some in section.families.items()},
        "shared": _described(section.shared),
    }


def _described(limits: Iterable[Limit]) -> list[dict[str, object]]:
    return [
        {
            "limit": _limit(limit),
            "name": limit.name,
            "unit": limit.unit,
            "capacity": limit.capacity,
        }
        for limit in limits
    ]


def _doubles(config: Config) -> Iterator[tuple[str, str]]:
    """Yield pairs of scopes whose variables hold the same API key."""
    seen: dict[str, str] = {}
    for name, scope in config.scopes.items():
        secret = os.environ.get(scope.key_env) if scope.key_env else None
        if secret and seen.setdefault(secret, name) != name:
            yield seen[secret], name
