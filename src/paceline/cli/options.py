"""Options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s|min|m|)")
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0}


if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:
    FloatType = click.ParamType  # generic from click 8.2 on, and 8.1 will do


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


F = TypeVar("F", bound="Callable[..., object]")


def json_option(function: F) -> F:
    """Add ``--json`` to a command."""
    text = "Print JSON to stdout, errors too."
    return click.option("--json", "as_json", is_flag=True, help=text)(function)
