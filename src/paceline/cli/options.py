"""Options that several commands share."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from paceline._limits import Limit

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s|min|m|)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0}


if TYPE_CHECKING:
    FloatType = click.ParamType[float]
    AmountType = click.ParamType[tuple[str, int]]
else:
    FloatType = AmountType = click.ParamType  # generic from click 8.2 on; 8.1 will do


class Duration(FloatType):
    """A time such as ``20ms``, ``1.5s`` or ``0.02``, read as seconds."""

    name = "duration"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Read *value*; a number is taken as it is."""
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            self.fail(
                f"{value!r} is no time. Write it like 20ms, 1.5s or 0.02.", param, ctx
            )
        return float(match[1]) * _SECONDS[match[2]]


class Amount(AmountType):
    """A cost such as ``tokens=500``, read as a unit and a number."""

    name = "UNIT=NUMBER"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        """Read *value*; a pair is taken as it is."""
        if isinstance(value, tuple):
            return value
        unit, _, number = str(value).partition("=")
        if not unit or not (number.isascii() and number.isdigit()) or int(number) < 1:
            self.fail(f"{value!r} is no cost. Write it like tokens=500.", param, ctx)
        return unit, int(number)


F = TypeVar("F", bound="Callable[..., object]")


def json_option(function: F) -> F:
    """Add ``--json`` to a command."""
    text = "Print JSON to stdout, errors too."
    return click.option("--json", "as_json", is_flag=True, help=text)(function)


def store_option(function: F) -> F:
    """Add ``--store`` to a command; ``--url`` is what people try first."""
    return click.option(
        "--store",
        "--url",
        "store",
        metavar="URL",
        help="The store: redis://localhost:6379/0. Without it, $PACELINE_STORE.",
    )(function)


def secret_option(function: F) -> F:
    """Add ``--secret-env`` to a command that finds scopes by their name."""
    return click.option(
        "--secret-env",
        metavar="NAME",
        help="The variable that holds the limiters' secret=, if they have one.",
    )(function)


def key_option(function: F) -> F:
    """Add ``--key-env`` to a command that finds scopes by their key."""
    return click.option(
        "--key-env",
        metavar="NAME",
        help="The variable that holds an API key: its scope.",
    )(function)


def limits_option(function: F) -> F:
    """Add ``--limits`` to a command that shows limits."""
    return click.option(
        "--limits",
        multiple=True,
        metavar="LIMIT",
        help='A limit as the limiters have it, such as "30k tokens/min": then it is '
        "shown where it was never used, too. Repeats.",
    )(function)


def from_variable(name: str, option: str) -> str:
    """
    Return what an environment variable holds.

    Raises:
        click.UsageError: If it is not set, or empty.
    """
    from paceline._key import looks_secret  # noqa: PLC0415 -- not for help

    with suppress(UnicodeError):  # no variable has such a name
        if value := os.environ.get(name):
            return value
    # Whoever gives the key itself in place of the name must not find it in a log.
    named = _NAME.fullmatch(name) and not looks_secret(name)
    raise click.UsageError(
        f"{option}: the variable {name} is not set."
        if named
        else f"{option} wants the name of a variable."
    )


def scope_tags(
    words: tuple[str, ...], key_env: str | None, secret_env: str | None
) -> list[str]:
    """
    Return the tags of scopes by their names, and of an API key in a variable.

    Raises:
        click.UsageError: If a word looks like an API key, or a variable is not set.
    """
    from paceline._key import Key, looks_secret  # noqa: PLC0415 -- not for help

    secret = from_variable(secret_env, "--secret-env").encode() if secret_env else None
    if any(map(looks_secret, words)):
        raise click.UsageError(
            "KEY looks like an API key, which the shell's history would keep. Put it "
            "into a variable and give the variable's name: --key-env OPENAI_API_KEY."
        )
    keys = [Key(scope=word) for word in words]
    if key_env:
        keys.append(Key(api_key=from_variable(key_env, "--key-env")))
    return [key.tag(secret) for key in keys]


def known_limits(texts: tuple[str, ...]) -> dict[str, Limit]:
    """
    Read limits; return them by the tag of their account.

    Raises:
        ConfigError: If one cannot be read (P103), or two are one (P105).
    """
    from paceline._rules import Rules  # noqa: PLC0415 -- not for help

    if not texts:
        return {}
    return {limit.tag: limit for limit in Rules(texts).policy(None).limits}
