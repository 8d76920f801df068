"""Rules of the house that no linter knows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import paceline

ROOT = Path(__file__).parents[2]
MOST_LINES = 300


def test_no_file_is_long():
    """
    A file of more than 300 lines in src/ or lua/ wants to be two ideas.
    """
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("lua/**/*.lua")]
    lengths = {str(f): len(f.read_text("utf-8").splitlines()) for f in files}
    assert len(lengths) > 20
    assert {f: n for f, n in lengths.items() if n > MOST_LINES} == {}


def test_importing_the_package_imports_no_client():
    """
    Who imports paceline pays for no client, no event loop and no command line.
    """
    heavy = {"redis", "asyncio", "httpx", "openai", "rich", "click", "fakeredis"}
    assert heavy.isdisjoint(_loaded_by("from paceline import RateLimiter"))


def test_importing_the_package_alone_loads_none_of_it():
    """
    A program that limits nothing in this run does not pay for what it could use.
    """
    loaded = _loaded_by("import paceline")
    assert {name for name in loaded if name.startswith("paceline.")} == set()
    assert {"dataclasses", "typing", "inspect", "logging"}.isdisjoint(loaded)


def _loaded_by(code):
    command = [sys.executable, "-S", "-c", f"{code}; import sys; print(*sys.modules)"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(paceline.__file__).parents[1])},
    ).stdout.split()


def test_the_public_names_are_sorted_and_live_where_people_import_them():
    """
    Tracebacks and reprs name the public path.
    """
    assert sorted(paceline.__all__) == paceline.__all__
    for name in paceline.__all__:
        assert getattr(paceline, name).__module__ == "paceline"


@pytest.mark.parametrize(
    "pattern",
    [r"pip install .*&& paceline demo$", r"pip install .*&& python -m pytest$"],
)
def test_the_readme_has_its_two_commands(pattern):
    """
    One line installs and shows, one line installs and tests.
    """
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len([line for line in lines if re.match(pattern, line)]) == 1


def test_every_error_code_is_documented():
    """
    Each code that the sources raise has a row in the documentation.
    """
    sources = "".join(f.read_text("utf-8") for f in ROOT.glob("src/**/*.py"))
    codes = set(re.findall(r'"(P[1-7]\d\d)"', sources))
    documented = set(
        re.findall(
            r"^\| (P\d\d\d) ",
            (ROOT / "docs/reference/errors.md").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    assert len(codes) > 20
    assert codes - documented == set()


def test_every_test_named_by_the_guarantees_exists():
    """
    The page of guarantees points at tests that are there.
    """
    text = (ROOT / "docs/guarantees.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_/]+\.py)`", text))
    assert named
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
