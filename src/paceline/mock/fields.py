"""The fields of a request's body, read one by one and refused as OpenAI does."""

from __future__ import annotations

import json
from typing import TypeAlias

from .answers import ErrorBody, error
from .output import MOST_TOKENS

Fields: TypeAlias = dict[str, object]

# OpenAI's own rule of thumb for English text.
CHARACTERS_PER_TOKEN = 4
MOST_CHOICES = 128
_TEXTS = ("content", "output", "arguments", "text")


class BadRequest(Exception):  # noqa: N818 -- reads as the answer it becomes
    """
    A request that OpenAI would answer with status 400.

    Attributes:
        body: The answer.
    """

    def __init__(
        self, text: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(text)
        self.body: ErrorBody = error(text, param=param, code=code)


def parse(body: bytes, deployment: str | None) -> tuple[Fields, str]:
    """Read a body, and the model's name: Azure's *deployment*, or what it says."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise BadRequest("We could not parse the JSON body of your request.")
    model = deployment or fields.get("model")
    if not model or not isinstance(model, str):
        raise BadRequest("you must provide a model parameter")
    return fields, model


def required(fields: Fields, name: str) -> object:
    """Return a field that must be there."""
    if fields.get(name) is None:
        raise BadRequest(
            f"Missing required parameter: '{name}'.",
            param=name,
            code="missing_required_parameter",
        )
    return fields[name]


def options(fields: Fields, name: str) -> Fields | None:
    """Return a field that is an object, or None."""
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequest(
            f"Invalid type for '{name}': expected an object.",
            param=name,
            code="invalid_type",
        )
    return value


def bound(fields: Fields, *names: str, most: int = MOST_TOKENS) -> int | None:
    """Return the first of the fields that is there, a number from 1 to *most*."""
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadRequest(
                f"Invalid type for '{name}': expected an integer.",
                param=name,
                code="invalid_type",
            )
        if not 1 <= value <= most:
            above = value > most
            sign = f"<= {most}" if above else ">= 1"
            raise BadRequest(
                f"Invalid '{name}': expected an integer {sign}.",
                param=name,
                code=f"integer_{'above_max' if above else 'below_min'}_value",
            )
        return value
    return None


def choices(fields: Fields) -> int:
    """Return how many answers are asked for."""
    return bound(fields, "n", most=MOST_CHOICES) or 1


def estimate(length: int) -> int:
    """Estimate the tokens of a text of *length* characters; there is always one."""
    return max(1, -(-length // CHARACTERS_PER_TOKEN))


def characters(item: object) -> int:
    """Count the text of a message or item, alone or as parts of a list."""
    if not isinstance(item, dict):
        return 0
    count = 0
    for name in _TEXTS:
        value = item.get(name)
        if isinstance(value, str):
            count += len(value)
        elif isinstance(value, list):
            count += sum(characters(part) for part in value)
    return count
