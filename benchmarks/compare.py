"""
Measure two commits in turns, or lay two finished runs side by side.

    python -m benchmarks compare HEAD~1 HEAD sync tasks
    python -m benchmarks compare results-before results-after

Both commits are asked by the questions of *this* tree, in alternating runs; the ratios
are taken between neighbours. A commit whose inside differs may fail a question that
looks inside (``scripts``, ``memory``, ``open_loop``).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .harness.measure import Row, Spread, spread
from .harness.result import Result
from .harness.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
# A question, a row of it, and a measure.
Place = tuple[str, str, str]


def main(words: Sequence[str], questions: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    options = _options(words, questions)
    with ExitStack() as stack:
        places = [Path(each) for each in (options.before, options.after)]
        if all(place.is_dir() for place in places):
            runs = [[read(place)] for place in places]
        else:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            trees = [
                stack.enter_context(checkout(commit, work / side))
                for commit, side in (
                    (options.before, "before"),
                    (options.after, "after"),
                )
            ]
            runs = measure(trees, work, options)
    rows = side_by_side(*runs, None if options.all else headlines(questions))
    if not rows:
        print("nothing to compare: no measure is in both", file=sys.stderr)
        return 1
    print(table(rows))
    return 0


def measure(
    trees: Sequence[Path], work: Path, options: argparse.Namespace
) -> list[list[dict[Place, Spread]]]:
    """Let the commits take turns and return what each run said."""
    runs: list[list[dict[Place, Spread]]] = [[], []]
    for number in range(options.times):
        sides = (0, 1) if number % 2 else (1, 0)
        for side in sides:
            out = work / f"results-{side}-{number}"
            print(f"run {number + 1}, {trees[side].name}", file=sys.stderr, flush=True)
            ask(trees[side], out, options)
            runs[side].append(read(out))
    return runs


def ask(tree: Path, out: Path, options: argparse.Namespace) -> None:
    """Ask a commit's tree; what fails there is missing in *out*."""
    command = [sys.executable, "-m", "benchmarks", *options.questions]
    command += [f"--out={out}", *(["--quick"] if options.quick else [])]
    # Before everything that is installed, and inherited by the children.
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False
    )


def read(directory: Path) -> dict[Place, Spread]:
    """Read every result in *directory*."""
    results = [Result.read(path) for path in sorted(directory.glob("*.json"))]
    return {
        (result.question, row.name, measure): value
        for result in results
        for row in result.rows
        for measure, value in row.measures.items()
    }


def headlines(questions: Sequence[str]) -> set[tuple[str, str]]:
    """Return each question with the measures that it plots."""
    modules = {name: import_module(f".{name}", __package__) for name in questions}
    return {(name, each) for name, module in modules.items() for each in module.PLOTS}


def side_by_side(
    before: Sequence[Mapping[Place, Spread]],
    after: Sequence[Mapping[Place, Spread]],
    only: set[tuple[str, str]] | None = None,
) -> list[Row]:
    """
    Make a row per measure that every run has: before, after, and the ratio.

    Args:
        only: Questions with their measures. None takes all.
    """
    rows = []
    for place in before[0]:
        if not all(place in run for run in (*before, *after)):
            continue
        if only is not None and (place[0], place[2]) not in only:
            continue
        old = [run[place].median for run in before]
        new = [run[place].median for run in after]
        measures = {"before": spread(old), "after": spread(new)}
        if all(old):
            ratios = [b / a for a, b in zip(old, new, strict=True)]
            measures["after/before"] = spread(ratios)
        question, row, measure = place
        rows.append(Row(f"{question}: {row}: {measure}", measures))
    return rows


@contextmanager
def checkout(commit: str, directory: Path) -> Iterator[Path]:
    """Have the files of a commit in *directory* while the block lasts."""
    git = ["git", "-C", str(ROOT), "worktree"]
    made = subprocess.run(
        [*git, "add", "--detach", "--force", str(directory), commit],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise SystemExit(f"{commit!r} is no commit and no directory: {made.stderr}")
    try:
        yield directory
    finally:
        subprocess.run(
            [*git, "remove", "--force", str(directory)], check=False, text=True
        )


def _options(words: Sequence[str], questions: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", help="a commit, or a directory of results")
    parser.add_argument("after", help="the same")
    parser.add_argument(
        "questions", nargs="*", default=["sync", "tasks"], help="default: sync tasks"
    )
    parser.add_argument("--times", type=int, default=3, help="runs of each commit")
    parser.add_argument("--all", action="store_true", help="not only headlines")
    parser.add_argument("--quick", action="store_true", help="only see that it works")
    options = parser.parse_args(words)
    for name in options.questions:
        if name not in questions:
            parser.error(f"no question {name!r}; there are {', '.join(questions)}")
    return options
