"""One measure of a result as bars, in an SVG file written by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from .table import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .measure import Row, Spread

_BAR, _GAP, _TOP, _EDGE = 18, 8, 48, 16
_BARS, _VALUES = 420, 90
# What a letter takes at most, on average.
_LETTER = 6.6
_OURS, _OTHERS, _INK, _FAINT = "#1f6f8b", "#b9c4c9", "#222", "#777"
# From here on a bar that is drawn to scale cannot be seen.
_DECADES = 30.0


def bars(rows: Sequence[Row], measure: str, title: str) -> str:
    """
    Draw a bar per row that has the *measure*: the median, with its quartiles.

    Rows whose name begins with ``paceline`` are coloured. When the largest value is
    more than thirty times the smallest, the axis is logarithmic, and says so.

    Raises:
        ValueError: If no row has the measure.
    """
    drawn = [
        (row.name, row.measures[measure]) for row in rows if measure in row.measures
    ]
    if not drawn:
        raise ValueError(f"no row has the measure {measure!r}")
    scale, kind = _scale([value for _, value in drawn])
    left = _EDGE + round(_LETTER * max(len(name) for name, _ in drawn))
    width = left + _BARS + _VALUES + _EDGE
    height = _TOP + len(drawn) * (_BAR + _GAP) + _EDGE
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    )
    parts = [
        head,
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(_EDGE, 20, title, weight="bold"),
        _text(_EDGE, 36, f"{measure}{kind}; median and quartiles", ink=_FAINT),
    ]
    for place, (name, value) in enumerate(drawn):
        parts += _bar(name, value, left, _TOP + place * (_BAR + _GAP), scale)
    return "\n".join([*parts, "</svg>", ""])


class _Scale:
    def __init__(self, largest: float, floor: float) -> None:
        self._largest, self._floor = largest, floor

    def __call__(self, value: float) -> float:
        if self._floor:
            reach = math.log10(self._largest / self._floor)
            share = math.log10(max(value, self._floor) / self._floor) / reach
        else:
            share = value / self._largest
        return _BARS * max(share, 0.0)


def _scale(values: Sequence[Spread]) -> tuple[_Scale, str]:
    largest = max((value.high for value in values), default=0.0)
    if largest <= 0:
        return _Scale(1.0, 0.0), ""
    least = min((value.median for value in values if value.median > 0), default=largest)
    if largest / least <= _DECADES:
        return _Scale(largest, 0.0), ""
    return _Scale(largest, least / 2), ", logarithmic"


def _bar(name: str, value: Spread, left: float, top: float, scale: _Scale) -> list[str]:
    middle = top + _BAR / 2
    ink = _OURS if name.startswith("paceline") else _OTHERS
    low, high = left + scale(value.low), left + scale(value.high)
    text = number(value.median)
    size = scale(value.median)
    return [
        _text(left - 8, middle + 4, name, anchor="end"),
        f'<rect x="{left}" y="{top}" width="{size:.1f}" height="{_BAR}" fill="{ink}"/>',
        f'<path d="M{low:.1f} {middle} H{high:.1f}" stroke="{_INK}" fill="none"/>',
        _text(max(high, left) + 6, middle + 4, text),
    ]


def _text(
    x: float,
    y: float,
    text: str,
    *,
    ink: str = _INK,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
