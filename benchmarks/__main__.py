"""
Ask all questions, or some, and write the answers.

    python -m benchmarks                      # all of them
    python -m benchmarks sync threads --quick # some, only to see that they work
    python -m benchmarks compare HEAD~1 HEAD  # two commits, side by side
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

from . import compare
from .harness import Run
from .harness.plot import bars
from .harness.result import Result, about
from .harness.server import private_server
from .harness.table import table

QUESTIONS = (
    "sync",
    "threads",
    "tasks",
    "open_loop",
    "settlement",
    "scripts",
    "scaling",
    "waiting",
    "memory",
    "importing",
    "peers_speed",
    "peers_proof",
    "peers_waiting",
)
_DEFAULT_OUT = Path(__file__).parent / "results"
_WIDTH = 78


def main(words: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["compare"]:
        return compare.main(words[1:], QUESTIONS)
    options = _options(words)
    if options.pin is not None:
        os.sched_setaffinity(0, {options.pin})  # the server and all children inherit it
    failed = []
    for place, name in enumerate(options.questions or QUESTIONS, 1):
        total = len(options.questions or QUESTIONS)
        print(f"[{place}/{total}] {name}", file=sys.stderr, flush=True)
        try:
            result = answer(name, quick=options.quick, server=options.server)
        except Exception as error:  # noqa: BLE001 -- the other questions go on
            failed.append(name)
            traceback.print_exception(error)
            continue
        print(f"\n{name}: {result.asks}\n{table(result.rows)}\n", flush=True)
        result.write(options.out)
        draw(result, options.out)
    return 1 if failed else 0


def answer(name: str, *, quick: bool = False, server: str | None = None) -> Result:
    """Ask one question, on a server of its own."""
    module = importlib.import_module(f".{name}", __package__)
    began = time.monotonic()
    with private_server(server) as running, asyncio.Runner() as loop:
        run = Run(running, loop, quick, _progress(name))
        known = about(running.version())
        rows = module.ask(run)
    _progress("")("")
    settings = {**run.settings(), "took_s": round(time.monotonic() - began, 1)}
    return Result(name, _asks(module.__doc__ or ""), rows, settings, known)


def draw(result: Result, directory: Path) -> None:
    """Write the plots that the question's ``PLOTS`` names: measures and titles."""
    module = importlib.import_module(f".{result.question}", __package__)
    for measure, title in module.PLOTS.items():
        if any(measure in row.measures for row in result.rows):
            path = directory / f"{result.question}-{measure}.svg"
            path.write_text(bars(result.rows, measure, title))


def _asks(text: str) -> str:
    return text.strip().partition("\n")[0]


def _progress(name: str):  # noqa: ANN202 -- a function of one text
    """Say what is measured now: on a terminal, in one line that is written over."""
    if not sys.stderr.isatty():
        return lambda _: None

    def tick(contender: str) -> None:
        line = f"{name}: {contender}" if name else ""
        print(f"\r{line[:_WIDTH]:<{_WIDTH}}\r", end="", file=sys.stderr, flush=True)

    return tick


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS)
    )
    parser.add_argument("--quick", action="store_true", help="only see that they work")
    parser.add_argument("--server", help='its kind, such as "redis"; default: of pip')
    parser.add_argument(
        "--pin", type=int, metavar="CPU", help="keep client and server on one (Linux)"
    )
    parser.add_argument(
        "--out", type=Path, default=_DEFAULT_OUT, help="where JSON and SVG files go"
    )
    options = parser.parse_args(words)
    for name in options.questions:
        if name not in QUESTIONS:
            parser.error(f"no question {name!r}; there are {', '.join(QUESTIONS)}")
    return options


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
