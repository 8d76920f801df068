"""Options that say whose quota it is, what its limits are, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .options import F

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paceline import RateLimiter

_LIMITS = (
    'A limit of each model, such as "30k tokens/min"; or of some, by name or pattern: '
    '"gpt-4o*=500 requests/min". Repeats. Without any, paceline.toml tells.'
)
_KEY_ENV = "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class Quota:
    """
    What the options say.

    Attributes:
        limits: By pattern of the model. Empty if a file tells.

        config: That file. None looks for one.

        scope: The quota's name, if not the API key names it.

        key_env: The variable that holds the API key. None if it was not said.
    """

    limits: dict[str, list[str]]
    config: str | None
    scope: str | None
    key_env: str | None

    def limiter(self, store: str | None) -> RateLimiter:
        """
        Make a limiter.

        Raises:
            ConfigError: If the limits, the file or the store make no sense (P1xx).
        """
        from paceline import RateLimiter  # noqa: PLC0415 -- not needed for help

        if self.limits:
            return RateLimiter(store, limits=self.limits)
        return RateLimiter.from_config(self.config, store=store)

    def api_key(self) -> str | None:
        """
        Read the API key from its variable, which the file may name for the scope.

        Raises:
            ConfigError: If it is not there, and no scope names the quota (P706).
        """
        from paceline._config import load  # noqa: PLC0415 -- not needed for help
        from paceline.batch._identity import key_from  # noqa: PLC0415

        variable = self.key_env
        if variable is None and not self.limits and self.scope is not None:
            scope = load(self.config).scopes.get(self.scope)
            variable = scope.key_env if scope else None
        return key_from(variable or _KEY_ENV, self.scope)


def quota_options(function: F) -> F:
    """Add ``--limits``, ``--config``, ``--scope`` and ``--key-env`` to a command."""
    options = (
        click.option("--limits", multiple=True, metavar="LIMIT", help=_LIMITS),
        click.option(
            "--config",
            metavar="FILE",
            help="The file that tells limits and store, if no --limits do. Default: as "
            "`paceline check` finds it.",
        ),
        click.option(
            "--scope",
            metavar="NAME",
            help="Name the quota, instead of by the API key: keys of one project share "
            "one.",
        ),
        click.option(
            "--key-env",
            metavar="VARIABLE",
            help="The environment variable that holds the API key. Default: the one of "
            f"the scope in the file, or {_KEY_ENV}.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def quota_of(
    limits: Iterable[str], config: str | None, scope: str | None, key_env: str | None
) -> Quota:
    """
    Return what the options say.

    Raises:
        click.UsageError: If both limits and a file are given.
    """
    by_model = _by_model(limits)
    if by_model and config is not None:
        raise click.UsageError("Give either --limits or --config.")
    return Quota(by_model, config, scope, key_env)


def _by_model(limits: Iterable[str]) -> dict[str, list[str]]:
    """Sort limits by the pattern before ``=``; those without one are for all others."""
    sorted_out: dict[str, list[str]] = {}
    for text in limits:
        pattern, equals, limit = text.rpartition("=")
        name = pattern.strip() if equals else "*"
        sorted_out.setdefault(name, []).append(limit)
    return sorted_out


def in_words(seconds: float) -> str:
    """Print a time as people say it: "2 min 44 s"."""
    if seconds < 10:  # noqa: PLR2004 -- then tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts = [
        (whole // 86_400, "days"),
        (whole // 3_600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    ]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
