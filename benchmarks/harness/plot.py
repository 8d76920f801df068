"""One measure of a result as bars, in an SVG file drawn by matplotlib."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

from .table import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from .measure import Row, Spread

_OURS, _OTHERS, _INK, _FAINT = "#1f6f8b", "#b9c4c9", "#222222", "#6b6b6b"
# From here on a bar that is drawn to scale cannot be seen.
_DECADES = 30.0
_WIDTH, _BAR, _REST = 8.0, 0.26, 0.95  # inches
_STYLE = {
    # Words stay words: the file is small, and its text can be searched and checked.
    "svg.fonttype": "none",
    "svg.hashsalt": "paceline",  # the same rows make the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _FAINT,
}


def can_draw() -> bool:
    """Whether matplotlib is installed: it comes with the extra ``bench``."""
    return find_spec("matplotlib") is not None


def bars(rows: Sequence[Row], measure: str, title: str) -> str:
    """
    Draw a bar per row that has the *measure*: the median, with its quartiles.

    Rows whose name begins with ``paceline`` are coloured. When the largest value is
    more than thirty times the smallest, the axis is logarithmic, and says so. The
    ground is white, so that a page may be light or dark.

    Raises:
        ValueError: If no row has the measure.
    """
    drawn = [
        (row.name, row.measures[measure]) for row in rows if measure in row.measures
    ]
    if not drawn:
        raise ValueError(f"no row has the measure {measure!r}")
    from matplotlib import rc_context  # noqa: PLC0415 -- slow, and may be missing
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(_STYLE):
        height = _BAR * len(drawn) + _REST
        figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor="w")
        figure.suptitle(
            title, fontweight="bold", fontsize=10, x=0.01, horizontalalignment="left"
        )
        _draw(figure.subplots(), drawn, measure)
        file = BytesIO()
        figure.savefig(
            file, format="svg", metadata={"Title": title, "Creator": None, "Date": None}
        )
    return "\n".join(line.rstrip() for line in file.getvalue().decode().splitlines())


def _draw(axes: Axes, drawn: Sequence[tuple[str, Spread]], measure: str) -> None:
    names = [name for name, _ in drawn]
    values = [value for _, value in drawn]
    places = range(len(drawn))
    axes.barh(
        places,
        [value.median for value in values],
        height=0.7,
        color=[_OURS if name.startswith("paceline") else _OTHERS for name in names],
        xerr=[
            [value.median - value.low for value in values],
            [value.high - value.median for value in values],
        ],
        error_kw={"ecolor": _INK, "elinewidth": 1},
    )
    kind = _scale(axes, values)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            number(value.median),
            (max(value.high, value.median), place),
            xytext=(4, 0),
            textcoords="offset points",
            verticalalignment="center",
        )
    axes.set_yticks(places, names, color=_INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(drawn) - 0.4, -0.6)  # the first on top
    spread = any(value.rounds > 1 for value in values)
    label = f"{measure}{kind}" + "; median and quartiles" * spread
    axes.set_xlabel(label, color=_FAINT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _scale(axes: Axes, values: Sequence[Spread]) -> str:
    """Choose the axis, with room for the numbers, and say in words what it is."""
    largest = max(value.high for value in values)
    least = min((value.median for value in values if value.median > 0), default=largest)
    if largest <= 0:
        axes.set_xlim(0, 1)
    elif largest / least <= _DECADES:
        axes.set_xlim(min(0.0, *(value.low for value in values)), largest * 1.15)
    else:
        axes.set_xscale("log")
        axes.set_xlim(least / 2, largest * (largest / least) ** 0.15)
        return ", logarithmic"
    return ""
