"""Results as Markdown: tables, cells, and where and when it was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .table import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .measure import Spread
    from .result import Result

# The ratio of what others are compared with: itself.
SAME = (1.0, 1.0, 1.0)
_OPTIMISED = "--enable-optimizations"
_MINUTE = 60.0


def listed(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lay out a table: words to the left, numbers to the right."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(
        "| " + " | ".join(each.replace("|", "\\|") for each in line) + " |"
        for line in (head, rule, *lines)
    )


def cell(value: Spread | None, unit: str = "") -> str:
    """Write a median, and the quartiles where they differ."""
    if value is None:
        return ""
    low, high = number(value.low), number(value.high)
    spread = "" if low == high else f" [{low}..{high}]"
    return f"{number(value.median)}{unit}{spread}"


def merged(one: Result, other: Result) -> Result:
    """
    Let the rows of *other*, a run of some peers only, join those of *one*.

    Its own base stays out: the ratios were taken there. What *one* said of a peer that
    it could not measure goes.
    """
    if "peers" in one.settings:
        one, other = other, one
    known = {row.name for row in one.rows}
    python = other.about.get("python", "?")
    new = [
        replace(
            row, note=f"{row.note}; " * bool(row.note) + f"a run on Python {python}"
        )
        for row in other.rows
        if row.measures and row.name not in known
    ]
    measured = {row.name.partition(" ")[0] for row in new}
    old = [row for row in one.rows if row.measures or row.name not in measured]
    took = {"took_s": one.settings.get("took_s", 0) + other.settings.get("took_s", 0)}
    return replace(one, rows=[*old, *new], settings={**one.settings, **took})


def _range(values: Sequence[float]) -> str:
    return f"{min(values):g} to {max(values):g}"


def about(results: Mapping[str, Result]) -> str:
    """Say on what it was measured, and what makes the numbers worth less."""
    seen = [result.about for result in results.values()]
    first = seen[0]
    loads = [float(each["load"][0]) for each in seen]
    commits = sorted({str(each["commit"]) for each in seen})
    took = sum(float(result.settings["took_s"]) for result in results.values())
    packages = ", ".join(f"{name} {text}" for name, text in first["packages"].items())
    lines = [
        f"* Machine: {first['cpu']}, {first['cores']} cores, {first['system']}",
        f"* Load when its questions began, their own included: {_range(loads)}",
        f"* Server: {first['server']}; Python {first['python']}"
        + ("" if first["python_optimised"] else f", configured without {_OPTIMISED}"),
        f"* Packages: {packages}",
        f"* Commit: {', '.join(commits)}",
        f"* Took: {took / _MINUTE:.0f} minutes",
    ]
    doubts = []
    if any(result.settings["quick"] for result in results.values()):
        doubts.append("it was a quick one, which only shows that all of it works")
    if len(commits) > 1:
        doubts.append("its questions were asked of several commits")
    # Later questions begin with the load of those before them.
    if min(loads) > first["cores"] * 0.75:
        doubts.append("the machine was busy with something else")
    if doubts:
        lines += ["", f"**Do not quote this run: {'; '.join(doubts)}.**"]
    return "\n".join(lines)
