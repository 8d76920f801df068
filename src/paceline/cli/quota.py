"""Options that say whose quota it is, what its limits are, and where it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import F

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIMITS = (
    'A limit of each model, such as "30k tokens/min"; or of some, by name or pattern: '
    '"gpt-4o*=500 requests/min". Repeats.'
)


def quota_options(function: F) -> F:
    """Add ``--limits``, ``--scope`` and ``--key-env`` to a command."""
    options = (
        click.option(
            "--limits", multiple=True, required=True, metavar="LIMIT", help=_LIMITS
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
            default="OPENAI_API_KEY",
            show_default=True,
            help="The environment variable that holds the API key.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def by_model(limits: Iterable[str]) -> dict[str, list[str]]:
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
