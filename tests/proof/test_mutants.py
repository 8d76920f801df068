"""The tests notice when the scripts are wrong: some mutants, others each day."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from proof import mutate
from proof.mutants import ROOT, everyone

MUTANTS = everyone()
EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@EACH
def test_a_mutant_is_one_change_and_names_who_notices(mutant):
    """
    Its text stands once in the scripts, and each killer is a test that is there.
    """
    assert mutant.source() != (mutate.LUA / f"{mutant.file}.lua").read_text("utf-8")
    assert mutant.killers
    for killer in mutant.killers:
        file, test = killer.split("::")
        assert f"def {test}(" in (ROOT / "tests" / file).read_text("utf-8"), killer


def test_mutants_are_told_apart():
    """
    No two have one name, or make one file the same.
    """
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.source()) for mutant in MUTANTS}) == len(MUTANTS)


def test_every_mutant_has_its_day():
    """
    A few days of the short form are the long form.
    """
    days = -(-len(MUTANTS) // mutate.SHORT)
    seen = [mutant for day in range(days) for mutant in mutate.today(MUTANTS, day)]
    assert sorted(m.name for m in seen) == sorted(m.name for m in MUTANTS)
    assert max(len(mutate.today(MUTANTS, day)) for day in range(days)) <= mutate.SHORT


@pytest.mark.parametrize(
    ("new", "tests"),
    [
        ("local refund = = 1", ["tests/lua/test_bucket.py"]),
        ("local refund = nothing.here", ["tests/lua/test_bucket.py"]),
        ("local refund = wanted", ["tests/lua/test_bucket.py::test_that_is_not_there"]),
    ],
    ids=["does not compile", "does not run", "no test"],
)
def test_a_failure_that_proves_nothing_is_no_kill(new, tests):
    """
    A script that cannot run fails every test; so does a test that is not there.
    """
    mutant = MUTANTS[0]
    broken = type(mutant)("broken", "", mutant.file, mutant.old, new, ())
    with pytest.raises(RuntimeError, match="proves nothing"):
        mutate.judge(broken, tests)


def test_a_survivor_is_told():
    """
    A change that changes nothing survives its tests.
    """
    mutant = MUTANTS[0]
    same = type(mutant)("same", "", mutant.file, mutant.old, f"{mutant.old} + 0", ())
    assert not mutate.judge(same, ["tests/lua/test_bucket.py"]).killed


def test_todays_mutants_are_killed():
    """
    The scripts as they are pass, and no mutant does.
    """
    command = [sys.executable, "tests/proof/mutate.py", "--short", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    survivors = [
        each["mutant"] for each in told if each["mutant"] and not each["killed"]
    ]
    assert survivors == [], done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(told) > mutate.SHORT // 2


def test_the_document_lists_every_mutant():
    """
    Each with the fact that it breaks.
    """
    page = (ROOT / "docs/explanation/proof.md").read_text("utf-8")
    assert [m.name for m in MUTANTS if f"| {m.name} | {m.fact} |" not in page] == []
