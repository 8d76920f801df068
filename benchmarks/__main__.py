"""
Ask all questions, or some, and write the answers.

    python -m benchmarks                      # all of them
    python -m benchmarks sync threads --quick # some, only to see that they work
    python -m benchmarks publish              # all, and the page in the documentation
    python -m benchmarks render               # the page again, from the last results
    python -m benchmarks compare HEAD~1 HEAD  # two commits, side by side
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import redis

import paceline

from . import compare, render
from .harness import Run
from .harness.peers import PACKAGES, missing
from .harness.plot import can_draw
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
    "hot_path",
    "peers_speed",
    "peers_proof",
    "peers_waiting",
)
ROOT = Path(__file__).parents[1]
_WIDTH = 78


def main(words: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["compare"]:
        return compare.main(words[1:], QUESTIONS)
    if words[:1] == ["render"]:
        return render.main(words[1:])
    publishing = words[:1] == ["publish"]
    options = _options(words[publishing:])
    failed = ask(options)
    if options.newer and (rest := _for_newer(options)):
        # The same paceline, whatever is installed there.
        source = {"PYTHONPATH": str(Path(paceline.__file__).parents[1])}
        environment = {**os.environ, **source}
        told = subprocess.run(rest, cwd=ROOT, env=environment, check=False)
        failed += told.returncode
    if publishing:
        words = [f"--results={options.out}", f"--page={options.page}"]
        failed += render.main(words)
    return 1 if failed else 0


def ask(options: argparse.Namespace) -> int:
    """Ask the questions, print and write the answers; return how many failed."""
    if options.pin is not None:
        os.sched_setaffinity(0, {options.pin})  # the server and all children inherit it
    threading.excepthook = _unheard
    failed = 0
    for place, name in enumerate(options.questions or QUESTIONS, 1):
        total = len(options.questions or QUESTIONS)
        print(f"[{place}/{total}] {name}", file=sys.stderr, flush=True)
        try:
            result = answer(name, options)
        except Exception as error:  # noqa: BLE001 -- the other questions go on
            failed += 1
            traceback.print_exception(error)
            continue
        print(f"\n{name}: {result.asks}\n{table(result.rows)}\n", flush=True)
        result.write(options.out)
        if can_draw() and not options.peers:
            render.draw(result, options.out)
    return failed


def _unheard(what: threading.ExceptHookArgs) -> None:
    """Let the threads that some limiters leave behind miss their server in silence."""
    left = what.thread is not None and what.thread.daemon
    if not (left and isinstance(what.exc_value, redis.ConnectionError)):
        threading.__excepthook__(what)


def _for_newer(options: argparse.Namespace) -> list[str]:
    """Return the command that asks another Python what this one cannot be asked."""
    asked = [
        name for name in options.questions or QUESTIONS if name.startswith("peers")
    ]
    lacking = sorted({row.name for row in missing(options.peers)})
    if not asked or not lacking:
        return []
    rest = ["--quick"] if options.quick else []
    words = [
        options.newer,
        "-m",
        "benchmarks",
        *asked,
        f"--out={options.out.resolve()}",
    ]
    return [*words, *rest, *(f"--peer={name}" for name in lacking)]


def answer(name: str, options: argparse.Namespace) -> Result:
    """Ask one question, on a server of its own."""
    module = importlib.import_module(f".{name}", __package__)
    began = time.monotonic()
    with private_server(options.server) as running, asyncio.Runner() as loop:
        peers = frozenset(options.peers) if options.peers else None
        run = Run(running, loop, options.quick, peers, _progress(name))
        known = about(running.version())
        rows = module.ask(run)
    _progress("")("")
    settings = {**run.settings(), "took_s": round(time.monotonic() - began, 1)}
    return Result(name, _asks(module.__doc__ or ""), rows, settings, known)


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
    parser.add_argument(
        "--peer",
        dest="peers",
        action="append",
        choices=PACKAGES,
        metavar="PACKAGE",
        help="of the limiters, measure only this; repeats",
    )
    parser.add_argument(
        "--newer",
        metavar="PYTHON",
        help="another Python with the extra [bench], to measure the limiters that this "
        "one is too old for",
    )
    parser.add_argument("--server", help='its kind, such as "redis"; default: of pip')
    parser.add_argument(
        "--pin", type=int, metavar="CPU", help="keep client and server on one (Linux)"
    )
    parser.add_argument(
        "--out", type=Path, default=render.RESULTS, help="where JSON and SVG files go"
    )
    parser.add_argument(
        "--page", type=Path, default=render.PAGE, help="what `publish` writes"
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
