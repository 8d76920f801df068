"""
Who is limited: an API key or a named scope, and a model. Values only.

An API key goes no further than this: the store gets a keyed digest of it, and no repr,
error or label holds a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from ._errors import ConfigError, MisuseError
from ._suggest import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from inspect import Signature

    from ._template import Field, Template

_PARTS = ("api_key", "model", "scope", "name")
# In place of a secret: makes the digests unlike those of any other program.
_NO_SECRET = b"paceline:1:no secret"
_TAG_BYTES = 16
_HIDDEN = "<hidden>"
# How the API keys of well-known providers begin, and how long the shortest is.
_SECRET_STARTS = ("sk-", "gsk_", "xai-", "AIza", "pplx-")
_SECRET_LENGTH = 20


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """
    The holder of a quota, and the model that is called.

    Args:
        api_key: The API key whose quota it is. Kept out of reprs, errors and the store.

        model: The model. None if the quota knows no models.

        scope: A name for the quota, in place of *api_key*: ``"team-a"``. It is stored.

        name: How to show the key to people. It is stored.

    Raises:
        ConfigError: Unless exactly one of *api_key* and *scope* is given, and all that
            is given are texts that are not empty (P109).
        MisuseError: If one looks like a template (P502).
    """

    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    scope: str | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_holder("key", self.api_key, self.scope, "P109")
        for what in _PARTS:
            value = getattr(self, what)
            if value is None:
                continue
            if wrong := flaw(value):
                hint = "Give a text of at least one character, or leave it out."
                raise ConfigError(f"a key's {what} {wrong}", code="P109", hint=hint)
            if what != "name" and ("{" in value or "}" in value):
                raise MisuseError(
                    f"a key's {what} has a brace in it",
                    code="P502",
                    hint="To fill it from the arguments of a call, give @limited a "
                    "KeyTemplate in place of a Key.",
                )
            if what != "api_key" and looks_secret(value):
                # A scope is stored and shown. The text itself is not repeated here.
                raise MisuseError(
                    f"a key's {what} looks like an API key, and would be stored",
                    code="P502",
                    hint="Give it as Key(api_key=...): then it is hashed.",
                )
            if type(value) is not str:
                # An Enum member that is a str equals its text, but hashes otherwise.
                object.__setattr__(self, what, str.__str__(value))

    def __repr__(self) -> str:
        return _show(self)

    def tag(self, secret: bytes | None) -> str:
        """
        Return what stands for the holder in the store: 32 hexadecimal digits.

        Args:
            secret: Without it, nobody can tell whether a tag is that of an API key they
                know. None if the processes share no secret.
        """
        return _digest(secret or _NO_SECRET, self.api_key or self.scope or "")

    @property
    def label(self) -> str:
        """How people see it, e.g. ``"team-a/gpt-4o"``."""
        who = self.display or "unnamed key"
        return f"{who}/{self.model}" if self.model else who

    @property
    def display(self) -> str | None:
        """What may be stored to show it by: its name or scope. None without both."""
        return self.name or self.scope


def as_key(value: Key | str) -> Key:
    """
    Take a key as it is, and a plain text for a scope.

    Raises:
        MisuseError: If *value* is neither, or the text looks like a template (P502).
        ConfigError: If the text is empty or not valid Unicode (P109).
    """
    if isinstance(value, Key):
        return value
    if isinstance(value, str):
        return Key(scope=value)
    hint = 'Give a Key, or the name of a scope such as "team-a".'
    if isinstance(value, KeyTemplate):
        hint = "A KeyTemplate is for @limited, where the arguments of a call fill it."
    kind = type(value).__name__  # not the value: it may be an API key
    raise MisuseError(f"{kind} is not a key", code="P502", hint=hint)


@dataclass(frozen=True, slots=True, repr=False)
class KeyTemplate:
    """
    A key whose parts come from the arguments of a decorated call.

    Each part is a format string: ``"{api_key}"``, ``"team-{request.team}"``,
    ``"{parts[0]}"``. A field must be a text, a whole number or a UUID; ``{x!s}`` takes
    the text of anything else. A model or a name with a None in it is left out.

    Args:
        api_key: Template of the API key.

        model: Template of the model.

        scope: Template of the scope, in place of *api_key*.

        name: Template of the name shown to people.

    Raises:
        ConfigError: Unless exactly one of *api_key* and *scope* is given, and all that
            is given are format strings with named fields (P108).
    """

    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    scope: str | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_holder("key template", self.api_key, self.scope, "P108")
        self._templates()

    def __repr__(self) -> str:
        return _show(self)

    def bind(
        self, signature: Signature, where: str
    ) -> Callable[[Mapping[str, object]], Key]:
        """
        Check the fields against the parameters of a function, once.

        Args:
            signature: The function's.

            where: The function's name, for errors.

        Returns:
            What makes the Key of a call from its arguments by name, and raises a
            ConfigError if they make none (P108).

        Raises:
            ConfigError: If a field names no parameter (P108).
        """
        from ._template import Parameters, Unfilled  # noqa: PLC0415 -- see _templates

        templates = self._templates()
        parameters = Parameters.of(signature)
        for what, template in templates.items():
            for each in template.fields:
                if not parameters.may_have(each.root):
                    raise _unknown(where, what, each, parameters.names)
        holder = "scope" if "scope" in templates else "api_key"

        def make(arguments: Mapping[str, object]) -> Key:
            what = ""
            texts: dict[str, str | None] = {}
            try:
                for what, template in templates.items():
                    texts[what] = parameters.fill(template, arguments)
                if texts[holder] is not None:
                    return Key(**texts)
                problem = f"cannot fill the key's {holder}: an argument of it is None"
            except Unfilled as error:
                problem = f"cannot fill the key's {what}: {error}"
            except (ConfigError, MisuseError) as error:
                problem = error.message
            # Outside of the handlers, so that no traceback leads back to a value.
            hint = f"The key is made from the arguments of each call of {where}."
            raise ConfigError(f"{where}: {problem}", code="P108", hint=hint)

        return make

    def _templates(self) -> dict[str, Template]:
        from ._template import compile_template  # noqa: PLC0415 -- few need it; 2 ms

        templates = {}
        for what in _PARTS:
            if (template := getattr(self, what)) is None:
                continue
            if wrong := flaw(template):
                raise ConfigError(f"a key template's {what} {wrong}", code="P108")
            templates[what] = compile_template(what, template)
        return templates


def flaw(value: object) -> str:
    """Say what keeps *value* from being a text of a key or a rule. Empty if nothing."""
    if not isinstance(value, str):
        return f"is not a text but {type(value).__name__}"
    if not value:
        return "is empty"
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        return "is not valid Unicode (half of a surrogate pair)"
    return ""


def looks_secret(text: str) -> bool:
    """Tell whether a text begins as the API keys of well-known providers do."""
    return len(text) >= _SECRET_LENGTH and text.startswith(_SECRET_STARTS)


@lru_cache(maxsize=4096)
def _digest(secret: bytes, holder: str) -> str:
    import hmac  # noqa: PLC0415 -- 3 ms that an import of paceline can do without

    return hmac.digest(secret, holder.encode(), "sha256")[:_TAG_BYTES].hex()


def _check_holder(what: str, api_key: object, scope: object, code: str) -> None:
    if (api_key is None) == (scope is None):
        holders = "neither api_key nor" if api_key is None else "both api_key and"
        raise ConfigError(
            f"a {what} has {holders} scope",
            code=code,
            hint="Give one of them: the API key, or the name of the quota.",
        )


def _unknown(
    where: str, what: str, unknown: Field, names: tuple[str, ...]
) -> ConfigError:
    near = closest(unknown.root, names)
    hint = f"Did you mean {{{near}}}? " if near else ""
    known = ", ".join(names) or "none"
    return ConfigError(
        f"{where} has no parameter for {unknown.shown} in the key template's {what}",
        code="P108",
        hint=f"{hint}Parameters of {where}: {known}.",
    )


def _show(key: Key | KeyTemplate) -> str:
    shown = [] if key.api_key is None else [f"api_key={_HIDDEN}"]
    parts = {what: getattr(key, what) for what in _PARTS[1:]}
    shown += [f"{what}={part!r}" for what, part in parts.items() if part is not None]
    return f"{type(key).__name__}({', '.join(shown)})"
