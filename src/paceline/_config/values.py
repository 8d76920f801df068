"""What a file says, checked: values, and the limiter that they make."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .._alone import OnOutage
from .._errors import ConfigError
from .._limits import Limit
from .._rules import Rules
from .._scopes import ScopeRules, Scopes
from .._suggest import closest, listed, shown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Section:
    """
    The limits of a scope, or of all keys that are in none.

    Attributes:
        limits: By the name or pattern of the models.

        families: Models that share one account.

        shared: Limits over all models of a key.

        rules: All of that, ready for use.
    """

    limits: Mapping[str, tuple[Limit, ...]]
    families: Mapping[str, tuple[str, ...]]
    shared: tuple[Limit, ...]
    rules: Rules


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope: the variable of its API key, if it has one, and its limits."""

    key_env: str | None
    section: Section


@dataclass(frozen=True, slots=True)
class Config:
    """
    A file that makes sense.

    Attributes:
        file: Its path, for people.

        store: A URL without a password. None if another place names the store.

        store_env: The variable that holds the URL.

        secret_env: The variable that holds the secret of the hashes.

        options: Options of a limiter, by name: seconds, or a word.

        on_outage: What to do when the store is gone. None if the file does not say.

        section: The limits of keys that are in no scope. None if there are none.

        scopes: By name.
    """

    file: str
    store: str | None = None
    store_env: str | None = None
    secret_env: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    section: Section | None = None
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    on_outage: OnOutage | None = None

    def variables(self) -> list[str]:
        """Name the environment variables that the file takes something from."""
        named = [self.store_env, self.secret_env]
        named += [scope.key_env for scope in self.scopes.values()]
        return [name for name in named if name]

    def make(
        self,
        limiter: Callable[..., T],
        scope: str | None,
        store: object,
        on_event: object = None,
        on_outage: OnOutage | None = None,
    ) -> T:
        """
        Make a limiter.

        Args:
            limiter: RateLimiter, or a class like it.

            scope: The only scope that it is to serve; its API key must be at hand.

            store: In place of $PACELINE_STORE and the file's own.

            on_event: A handler of events: a file cannot name one.

            on_outage: In place of the file's own.

        Raises:
            ConfigError: If a variable is not set (P126), there is no such scope (P127),
                or the store cannot be used.
        """
        rules = self._scopes(scope)
        secret = self.secret_env and self._variable("secret_env", self.secret_env)
        target = store or self.place()
        policy = on_outage or self.on_outage
        options = (
            self.options if policy is None else {**self.options, "on_outage": policy}
        )
        return limiter(
            target, limits=rules, secret=secret, on_event=on_event, **options
        )

    def rules(self, scope: str | None) -> Rules:
        """
        Return the limits of a scope, or of keys that are in none.

        Raises:
            ConfigError: If there is no such scope (P127).
        """
        if scope is None:
            return self.section.rules if self.section else Rules(())
        if scope not in self.scopes:
            raise self._no_scope(scope)
        return self.scopes[scope].section.rules

    def place(self) -> str | None:
        """
        Return the store's URL: $PACELINE_STORE, or else the file's own.

        Raises:
            ConfigError: If the variable that the file names is not set (P126).
        """
        if place := os.environ.get("PACELINE_STORE"):
            return place
        if self.store_env:
            return self._variable("store_env", self.store_env)
        return self.store

    def _variable(self, option: str, name: str) -> str:
        if value := os.environ.get(name):
            return value
        raise ConfigError(
            f"{option} of {self.file} names ${name}, which is not set",
            code="P126",
            hint=f"Set it where this process runs: export {name}=...",
            file=self.file,
        )

    def _scopes(self, only: str | None) -> Rules | Scopes:
        scopes = {
            name: ScopeRules(scope.section.rules, scope.key_env)
            for name, scope in self.scopes.items()
        }
        others = self.section.rules if self.section else None
        if only is None:
            return Scopes(scopes, others, self.file) if scopes else others or Rules(())
        if only not in scopes:
            raise self._no_scope(only)
        found = Scopes({only: scopes[only]}, None, self.file)
        if scopes[only].key_env:
            found.api_key(only)
        return found

    def _no_scope(self, scope: str) -> ConfigError:
        near = closest(scope, self.scopes)
        known = listed(self.scopes) if self.scopes else "no scopes"
        return ConfigError(
            f"the scope {shown(scope)} is none of {self.file}, which has {known}",
            code="P127",
            hint=f'Did you mean "{near}"?' if near else "Add it there.",
            file=self.file,
            suggestion=near,
        )
