"""
Format strings whose fields are the arguments of a call.

Stricter than ``str.format``: a field that would print as an address, a list or a row of
asterisks would quietly make an account of its own, or one for everybody. No error holds
a value, for it may be an API key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Self

from ._errors import ConfigError

if TYPE_CHECKING:
    from inspect import Signature

_FIELD = re.compile(r"(?P<root>[^\W\d]\w*)(?P<rest>(?:\.[^\W\d]\w*|\[[^\[\]]+\])*)")
_STEP = re.compile(r"\.(\w+)|\[([^\[\]]+)\]")
_CONVERSIONS: Mapping[str, Callable[[object], str]] = {"s": str, "r": repr, "a": ascii}
# Longer names are not shown: someone may have put braces around an API key.
_LONGEST_SHOWN = 30


class Unfilled(Exception):  # noqa: N818 -- an answer to KeyTemplate, which explains it
    """The arguments of a call do not fill a field; says why, without any value."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of a template.

    Attributes:
        root: The parameter's name.

        steps: Attributes (True) and indices (False) to follow from there.

        conversion: ``"s"``, ``"r"``, ``"a"`` or empty.

        spec: The format specification.

        shown: How errors name it.
    """

    root: str
    steps: tuple[tuple[bool, str], ...]
    conversion: str
    spec: str
    shown: str

    def fill(self, find: Callable[[str], object]) -> str | None:
        """
        Return the field's text, or None if its value is None.

        Raises:
            Unfilled: If there is no such value, or it is not fit for a key.
        """
        try:
            value = find(self.root)
        except KeyError:
            raise Unfilled(f"{self.shown} was not given") from None
        try:
            for is_attribute, step in self.steps:
                if is_attribute:
                    value = getattr(value, step)
                else:
                    at = int(step) if step.isdecimal() else step
                    value = value[at]  # type: ignore[index] # fails as any step may
            return None if value is None else self._print(value)
        except Unfilled:
            raise
        except Exception as error:  # noqa: BLE001 -- attributes are the user's code
            # Only the kind: the text of the error may quote a value.
            failure = type(error).__name__
        raise Unfilled(f"{self.shown} cannot be read ({failure})")

    def _print(self, value: object) -> str:
        if self.conversion:
            return format(_CONVERSIONS[self.conversion](value), self.spec)
        if isinstance(value, str):
            # The text itself, also of an Enum member that is a str.
            return format(str.__str__(value), self.spec)
        if isinstance(value, int) and not isinstance(value, bool):
            return format(int(value), self.spec)
        from uuid import UUID  # noqa: PLC0415 -- who has one has imported it already

        if isinstance(value, UUID):
            return format(str(value), self.spec)
        kind = type(value).__name__
        raise Unfilled(f"{self.shown} is a {kind}, not a str, a whole number or a UUID")


@dataclass(frozen=True, slots=True)
class Template:
    """A format string, taken apart: literal texts and fields."""

    parts: tuple[str | Field, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, in order."""
        return tuple(part for part in self.parts if isinstance(part, Field))

    def fill(self, find: Callable[[str], object]) -> str | None:
        """
        Return the text, or None if one of its fields is None.

        Args:
            find: Returns a parameter's value, or raises KeyError.

        Raises:
            Unfilled: If a field has no value that is fit for a key.
        """
        texts = []
        for part in self.parts:
            text = part if isinstance(part, str) else part.fill(find)
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)


@dataclass(frozen=True, slots=True)
class Parameters:
    """
    The parameters of a function.

    Attributes:
        names: All of them, in order.

        rest: The one that takes any other keyword argument, or empty.

        defaults: Those that there are, by name.
    """

    names: tuple[str, ...]
    rest: str
    defaults: Mapping[str, object]

    @classmethod
    def of(cls, signature: Signature) -> Self:
        """Read them from a signature."""
        each = signature.parameters.values()
        rest = [one.name for one in each if one.kind is one.VAR_KEYWORD]
        defaults = {
            one.name: one.default for one in each if one.default is not one.empty
        }
        return cls(tuple(signature.parameters), "".join(rest), defaults)

    def may_have(self, name: str) -> bool:
        """Tell whether a call can have an argument of that name."""
        return bool(self.rest) or name in self.names

    def fill(self, template: Template, arguments: Mapping[str, object]) -> str | None:
        """
        Fill *template* from the arguments of a call.

        Those that ``**rest`` took may be merged with the others, or stand under its
        name.

        Raises:
            Unfilled: If an argument is missing, or not fit for a key.
        """

        def find(name: str) -> object:
            if name in arguments:
                return arguments[name]
            taken = arguments.get(self.rest)
            if isinstance(taken, Mapping) and name in taken:
                return taken[name]
            if name == self.rest:
                return arguments
            return self.defaults[name]

        return template.fill(find)


def compile_template(what: str, template: str) -> Template:
    """
    Take *template* apart.

    Args:
        what: What it is a template of, for errors.

        template: A format string.

    Raises:
        ConfigError: If it is none, or has positional or nested fields (P108).
    """
    try:
        found = list(Formatter().parse(template))
    except ValueError:
        found = None  # raised below: the text of a template may be an API key
    if found is None:
        raise _bad(what, "has a brace without its partner")
    parts: list[str | Field] = []
    for literal, name, spec, conversion in found:
        if "{" in literal or "}" in literal:
            raise _bad(what, "has a doubled brace, and a key may have none")
        if literal:
            parts.append(literal)
        if name is not None:
            parts.append(_field(what, name, spec or "", conversion or ""))
    return Template(tuple(parts))


def _field(what: str, name: str, spec: str, conversion: str) -> Field:
    match = _FIELD.fullmatch(name)
    if match is None:
        kind = (
            "positional field" if re.match(r"[0-9]|[.\[]|$", name) else "strange field"
        )
        raise _bad(what, f"has a {kind}")
    if "{" in spec or (conversion and conversion not in _CONVERSIONS):
        raise _bad(what, "has a field with a strange format")
    shown = re.sub(r"\[[^\]]*\]", "[...]", name)
    if any(len(word) > _LONGEST_SHOWN for word in re.findall(r"\w+", shown)):
        shown = "a field"
    else:
        shown = f"{{{shown}}}"
    steps = tuple(
        (step[1] is not None, step[1] or step[2])
        for step in _STEP.finditer(match["rest"])
    )
    return Field(match["root"], steps, conversion, spec, shown)


def _bad(what: str, why: str) -> ConfigError:
    hint = 'Fields name parameters: "{api_key}", "team-{request.team}", "{parts[0]}".'
    return ConfigError(f"a key template's {what} {why}", code="P108", hint=hint)
