"""
Break the scripts on purpose and see whether the tests notice.

    python tests/proof/mutate.py            every mutant, against its killers
    python tests/proof/mutate.py --suite    every mutant, against all of the suite
    python tests/proof/mutate.py --short    a few that change from day to day, for CI

``--only WORD`` takes mutants whose name contains it, ``--json`` prints one object per
line. The exit code is 1 if a mutant survives, or if the tests fail without one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from proof.mutants import LUA, ROOT, Mutant, everyone
from proof.under import REPORT

# What runs without real time, and judges nothing but the scripts.
SUITE = ("tests/lua", "tests/proof")
NOT_OF_IT = ("test_mutants", "test_peers_defects*", "test_histories")
SHORT = 5
PATIENCE = 600.0
PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of a mutant.

    Attributes:
        mutant: Its name; empty for the scripts as they are.

        killed: Whether a test failed, in its own body.

        by: The first test that did.

        ran: How many tests passed before.

        seconds: How long that took.
    """

    mutant: str
    killed: bool
    by: str
    ran: int
    seconds: float


def run(name: str, lua: Path, tests: Iterable[str]) -> Verdict:
    """
    Run *tests* under the scripts in *lua*, until one fails.

    Raises:
        RuntimeError: If that proves nothing: pytest did not get as far as a test, a
            test failed before its body, or the script could not run at all.
    """
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "tests/proof/under.py"), str(lua), *tests]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    last = done.stdout.rstrip().rsplit("\n", 1)[-1]
    if not last.startswith(REPORT):
        raise RuntimeError(f"{name}: no report\n{done.stdout}{done.stderr}")
    told = json.loads(last.removeprefix(REPORT))
    seconds = time.monotonic() - began
    if told["code"] == PASSED and told["passed"] and not told["failed"]:
        return Verdict(name, killed=False, by="", ran=told["passed"], seconds=seconds)
    if told["code"] != FAILED or told["phase"] != "call" or told["broken"]:
        raise RuntimeError(f"{name}: proves nothing: {last}")
    by = told["failed"].removeprefix("tests/")
    return Verdict(name, killed=True, by=by, ran=told["passed"], seconds=seconds)


def suite() -> list[str]:
    """Return pytest's arguments for all of the suite."""
    return [*SUITE, *(f"--ignore-glob=*{name}.py" for name in NOT_OF_IT)]


def judge(mutant: Mutant, tests: Iterable[str]) -> Verdict:
    """Run *tests* under a mutant, until one fails."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        lua = Path(directory) / "lua"
        shutil.copytree(LUA, lua)
        (lua / f"{mutant.file}.lua").write_text(mutant.source(), "utf-8")
        return run(mutant.name, lua, tests)


def today(mutants: tuple[Mutant, ...], day: int) -> tuple[Mutant, ...]:
    """Return some of the mutants, spread over all; after a few days each had a turn."""
    step = -(-len(mutants) // SHORT)
    return mutants[day % step :: step]


def killers(mutants: Iterable[Mutant]) -> list[str]:
    """Return the tests that kill these mutants, each once."""
    found = (killer for mutant in mutants for killer in mutant.killers)
    return [f"tests/{killer}" for killer in dict.fromkeys(found)]


def verdicts(mutants: tuple[Mutant, ...], *, whole: bool) -> Iterator[Verdict]:
    """Yield one verdict for the scripts as they are, then one per mutant."""
    yield run("", LUA, suite() if whole else killers(mutants))
    for mutant in mutants:
        yield judge(mutant, suite() if whole else killers([mutant]))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--suite", action="store_true", help="against all of the suite")
    size.add_argument("--short", action="store_true", help=f"{SHORT} mutants, for CI")
    parser.add_argument("--only", default="", metavar="WORD", help="part of a name")
    parser.add_argument("--json", action="store_true", help="one object per line")
    return parser.parse_args()


def told(verdict: Verdict) -> str:
    """Return the line for people."""
    if not verdict.mutant:
        word = "FAIL" if verdict.killed else f"{verdict.ran} tests pass"
        return f"{verdict.seconds:6.1f} s  as they are: {word} {verdict.by}".rstrip()
    word = "killed  " if verdict.killed else "SURVIVED"
    return (
        f"{verdict.seconds:6.1f} s  {word}  {verdict.mutant:<30} {verdict.by}".rstrip()
    )


def main() -> int:
    """Return the exit code."""
    options = arguments()
    mutants = tuple(each for each in everyone() if options.only in each.name)
    if not mutants:
        print(f"no mutant has {options.only!r} in its name", file=sys.stderr)
        return 2
    if options.short:
        mutants = today(mutants, datetime.now(UTC).date().toordinal())
    bad = []
    for verdict in verdicts(mutants, whole=options.suite):
        print(
            json.dumps(asdict(verdict)) if options.json else told(verdict), flush=True
        )
        if verdict.killed != bool(verdict.mutant):
            bad.append(verdict.mutant)
            if not verdict.mutant:
                return 1
    if not options.json:
        print(f"{len(mutants) - len(bad)} of {len(mutants)} mutants killed")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
