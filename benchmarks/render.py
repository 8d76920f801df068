"""
Write the results into the page of the documentation, and draw its plots.

    python -m benchmarks render            # benchmarks/results into docs/explanation
    python -m benchmarks render --check    # only say whether the page is up to date

The page's prose is written by hand. What stands between ``<!-- benchmarks: NAME -->``
and ``<!-- end -->`` is written here, from the results alone: blocks are ``about``,
``targets``, ``missed``, ``capacity``, ``peers``, and every question by its name.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .harness.pages import SAME, about, cell, listed, merged
from .harness.plot import bars, can_draw
from .harness.result import Result
from .peers_page import peers
from .targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .harness import Row

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs/explanation/benchmarks.md"
_BLOCK = re.compile(
    r"(?P<head><!-- benchmarks: (?P<name>[a-z_ ]+) -->\n).*?(?P<tail><!-- end -->)",
    re.DOTALL,
)
# What one core of the server carries: each row, and how it is asked.
_CAPACITY = (
    ("sync", "paceline, a bucket", "a bucket, a call at a time"),
    ("sync", "paceline, three windows", "three windows, a call at a time"),
    ("scripts", "paceline, bucket, alone, on a lane", "a bucket, pipelined"),
    ("scripts", "paceline, bucket, a 100th of 100", "a bucket, a 100th of a batch"),
    (
        "scripts",
        "paceline, RPM + TPM windows, alone, on a lane",
        "RPM + TPM windows, pipelined",
    ),
    (
        "scripts",
        "paceline, RPM + TPM windows, a 50th of 50",
        "RPM + TPM windows, a 50th of a batch",
    ),
    (
        "scripts",
        "paceline, RPM + TPM + RPD windows, alone, on a lane",
        "RPM + TPM + RPD windows, pipelined",
    ),
    (
        "scripts",
        "paceline, RPM + TPM + RPD windows, a 50th of 50",
        "RPM + TPM + RPD windows, a 50th of a batch",
    ),
)
_PRIMARIES = (1, 3, 10)


def main(words: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    options = _options(words)
    results = read(options.results)
    if not results:
        print("no results: run python -m benchmarks first", file=sys.stderr)
        return 1
    old = options.page.read_text("utf-8")
    new = render(old, results, options.results, options.page.parent)
    if options.check:
        if new != old:
            print("the page is not what the results say: render it", file=sys.stderr)
        return int(new != old)
    options.page.write_text(new, "utf-8")
    for target in TARGETS:
        if target.measured(results) is None:
            print(f"no answer to this aim: {target.what}", file=sys.stderr)
    if not can_draw():
        print("no plots: pip install -e '.[bench]'", file=sys.stderr)
        return 1
    for result in results.values():
        draw(result, options.results)
    return 0


def read(directory: Path) -> dict[str, Result]:
    """Read all results; those of peers that were measured apart join the others."""
    found: dict[str, Result] = {}
    for path in sorted(directory.glob("*.json")):
        result = Result.read(path)
        before = found.get(result.question)
        found[result.question] = merged(before, result) if before else result
    return found


def draw(result: Result, directory: Path) -> None:
    """Write the plots that the question's ``PLOTS`` names: measures and titles."""
    for measure, title in _plots(result).items():
        picture = bars(result.rows, measure, title)
        _picture(directory, result.question, measure).write_text(picture, "utf-8")


def _plots(result: Result) -> dict[str, str]:
    plots: dict[str, str] = import_module(f".{result.question}", __package__).PLOTS
    return {
        measure: title
        for measure, title in plots.items()
        if any(measure in row.measures for row in result.rows)
    }


def _picture(directory: Path, question: str, measure: str) -> Path:
    return directory / f"{question}-{measure}.svg"


def render(
    page: str, results: Mapping[str, Result], directory: Path, beside: Path
) -> str:
    """
    Return the *page* with its blocks written anew.

    Args:
        directory: Where the results and their plots are.

        beside: Where the page is; links are relative to it.

    Raises:
        ValueError: If a block has a name that nobody writes.
    """
    blocks: dict[str, Callable[[], str]] = {
        "about": partial(about, results),
        "targets": partial(_targets, results),
        "missed": partial(_missed, results),
        "capacity": partial(_capacity, results),
        "peers": partial(peers, results),
    }
    where = os.path.relpath(directory, beside)

    def write(match: re.Match[str]) -> str:
        name = match["name"]
        if name in blocks:
            text = blocks[name]()
        elif name in results:
            text = _question(results[name], where)
        elif (Path(__file__).parent / f"{name}.py").is_file():
            text = "Not measured in this run."
        else:
            raise ValueError(f"the page has a block {name!r}, and nobody writes it")
        return f"{match['head']}\n{text}\n\n{match['tail']}"

    return _BLOCK.sub(write, page)


def _question(result: Result, where: str) -> str:
    pictures = [
        f"![{title}]({where}/{result.question}-{measure}.svg)"
        for measure, title in _plots(result).items()
    ]
    measures = list(dict.fromkeys(name for row in result.rows for name in row.measures))
    noted = any(row.note for row in result.rows)
    lines = [
        [
            row.name,
            *(cell(row.measures.get(measure)) for measure in measures),
            *([row.note] if noted else []),
        ]
        for row in result.rows
    ]
    head = ["", *(f"`{measure}`" for measure in measures), *([""] if noted else [])]
    command = f"`python -m benchmarks {result.question}`"
    return "\n\n".join([*pictures, listed(head, lines), command])


def _targets(results: Mapping[str, Result]) -> str:
    lines = []
    for target in TARGETS:
        got = target.measured(results)
        unit = f" {target.unit}" if target.unit else ""
        lines.append(
            [
                target.what,
                target.wanted(),
                "not measured" if got is None else f"{cell(got, unit)}",
                "" if got is None else ("met" if target.met(got) else "**missed**"),
                f"`{target.command}`",
            ]
        )
    return listed(["", "aim", "measured", "", "command"], lines)


def _missed(results: Mapping[str, Result]) -> str:
    lines = []
    for target in TARGETS:
        got = target.measured(results)
        if got is None or target.met(got):
            continue
        rows = results[target.question].rows
        place = next(i for i, row in enumerate(rows) if row.name == target.row)
        base = next(
            (row for row in reversed(rows[:place]) if _is_base(row, target.measure)),
            None,
        )
        known = [
            _us(row, who)
            for who in ("client_us", "server_us")
            for row in (rows[place], base)
        ]
        if any(known):
            lines.append([target.what, *known])
    if not lines:
        return "Nothing that CPU would tell."
    head = ["", "client µs", "of the base", "server µs", "of the base"]
    return listed(head, lines)


def _is_base(row: Row, measure: str) -> bool:
    got = row.measures.get(measure)
    return got is not None and (got.low, got.median, got.high) == SAME


def _us(row: Row | None, who: str) -> str:
    return cell(row.measures.get(who)) if row is not None else ""


def _capacity(results: Mapping[str, Result]) -> str:
    lines = []
    for question, name, words in _CAPACITY:
        rows = results[question].rows if question in results else ()
        found = [row.measures for row in rows if row.name == name]
        if not found or not (got := found[0].get("server_us")) or not got.median:
            continue
        core = 1e6 / got.median
        lines.append(
            [words, cell(got), *(f"{core * each:,.0f}" for each in _PRIMARIES)]
        )
    heads = ["one core" if n == 1 else f"cluster of {n}" for n in _PRIMARIES]
    return listed(["", "server µs", *heads], lines)


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks render",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where they are")
    parser.add_argument("--page", type=Path, default=PAGE, help="what is written")
    return parser.parse_args(words)
