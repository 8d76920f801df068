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
