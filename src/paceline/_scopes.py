"""
Rules by scope: what a configuration file says of each quota, and whose key it is.

A scope that has an API key stands for it: the name and the key are one account.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ._errors import ConfigError
from ._key import Key
from ._policy import Policy
from ._rules import Rules
from ._suggest import closest, listed, shown


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """
    What holds for one scope.

    Attributes:
        rules: Its limits.

        key_env: The environment variable that holds its API key. None if it has none.
    """

    rules: Rules
    key_env: str | None = None


class Scopes:
    """
    The scopes of a file.

    Args:
        scopes: By their names.

        others: The limits of all other keys. None if there are none.

        file: Where it is written, for errors.
    """

    def __init__(
        self, scopes: Mapping[str, ScopeRules], others: Rules | None, file: str
    ) -> None:
        self._scopes = dict(scopes)
        self._others = others
        self._file = file

    def resolve(self, key: Key) -> tuple[Key, Policy]:
        """
        Return the key whose account is charged, and the limits that apply to it.

        Raises:
            ConfigError: If the scope is unknown (P127), the variable of its API key is
                not set (P126), or no limits fit the model (P104).
        """
        if key.scope is not None and key.scope in self._scopes:
            scope = self._scopes[key.scope]
            if scope.key_env is not None:
                secret = self.api_key(key.scope)
                key = _with_api_key(secret, key.model, key.name or key.scope)
            return key, scope.rules.policy(key.model)
        if key.api_key is not None:
            for scope in self._scopes.values():
                if scope.key_env and os.environ.get(scope.key_env) == key.api_key:
                    return key, scope.rules.policy(key.model)
        if self._others is None:
            raise self._unknown(key.scope)
        return key, self._others.policy(key.model)

    def api_key(self, name: str) -> str:
        """
        Return the API key of a scope that names a variable.

        Raises:
            ConfigError: If the variable is not set, or empty (P126).
        """
        variable = self._scopes[name].key_env or ""
        if secret := os.environ.get(variable):
            return secret
        raise ConfigError(
            f"the scope {shown(name)} takes its API key from ${variable}, which is "
            "not set",
            code="P126",
            hint=f"Set it where this process runs: export {variable}=...",
            file=self._file,
        )

    def _unknown(self, name: str | None) -> ConfigError:
        near = closest(name, self._scopes) if name else None
        hint = f'Did you mean "{near}"? ' if near else ""
        what = f"the scope {shown(name)} is" if name else "this API key is"
        return ConfigError(
            f"{what} none of {self._file}, which has {listed(self._scopes)}",
            code="P127",
            hint=f"{hint}Add it there, or limits outside of scopes for all other keys.",
            file=self._file,
            suggestion=near,
        )


@lru_cache(maxsize=4096)
def _with_api_key(api_key: str, model: str | None, name: str) -> Key:
    return Key(api_key, model, name=name)
