"""Rows as a table of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .measure import Row, Spread

_THOUSAND = 1000


def table(rows: Sequence[Row]) -> str:
    """
    Lay out a line per row and a column per measure: the median, and the quartiles.

    A measure that was taken once, or came out alike each time, has no quartiles.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row.measures))
    cells = [["", *columns]]
    cells += [
        [row.name, *(_cell(row.measures.get(name)) for name in columns)] for row in rows
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    rule = "-" * max(map(len, lines))
    notes = [f"{row.name}: {row.note}" for row in rows if row.note]
    return "\n".join([lines[0], rule, *lines[1:], *notes])


def number(value: float) -> str:
    """Write *value* with three digits that matter; large ones whole."""
    if abs(value) >= _THOUSAND:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.0f}" if "e+" in text else text


def _cell(value: Spread | None) -> str:
    if value is None:
        return "-"
    low, middle, high = number(value.low), number(value.median), number(value.high)
    return middle if low == high else f"{middle} [{low}..{high}]"
