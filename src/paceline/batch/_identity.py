"""Whose quota a batch uses: that of an API key, or one with a name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from paceline._errors import ConfigError
from paceline._key import Key

if TYPE_CHECKING:
    from paceline import RateLimiter
    from paceline._policy import Policy

DEFAULT_KEY_ENV = "OPENAI_API_KEY"


def keys_of(api_key: str | None, scope: str | None) -> Callable[[str], Key]:
    """Return what tells whose quota a model uses."""
    if scope is not None:
        return lambda model: Key(scope=scope, model=model)
    return lambda model: Key(api_key=api_key, model=model)


def policies_of(limiter: RateLimiter) -> Callable[[Key], Policy]:
    """Return what tells the limits that a key has in a limiter."""
    engine = limiter._engine  # noqa: SLF001 -- the limiter's own package
    return lambda key: engine.lookup(key)[1]


def key_from(variable: str, scope: str | None) -> str | None:
    """
    Read the API key from the environment.

    Raises:
        ConfigError: If it is not there, and no scope names the quota (P706).
    """
    key = os.environ.get(variable)
    if not key and scope is None:
        raise ConfigError(
            f"${variable} is not set, so there is no API key",
            code="P706",
            hint="Set it, name another variable with --key-env, or name the quota with "
            "--scope if the provider needs no key.",
        )
    return key or None


def check_key(api_key: str | None) -> None:
    """
    Refuse what no header can hold, without repeating it.

    Raises:
        ConfigError: If the key is empty or has other characters (P706).
    """
    if api_key is None:
        return
    if api_key.strip() and api_key.isascii() and api_key.isprintable():
        return
    raise ConfigError(
        "the API key is empty, or has characters that no header can hold",
        code="P706",
        hint="Look at the variable that holds it: a line break at its end?",
    )
