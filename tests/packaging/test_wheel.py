"""What pip installs has everything: the wheel, and the one that the sdist makes."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from paceline import _script

ROOT = Path(__file__).parents[2]
LOAD = (
    "from paceline._script import load, names; print({n: load(n).sha for n in names()})"
)


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the sdist, the wheel, and a wheel from the sdist, without a network."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "-s", "-w", "-o", out, ROOT)
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    unpacked = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    second = tmp_path_factory.mktemp("second")
    run(sys.executable, "-m", "build", "--no-isolation", "-w", "-o", second, source)
    (from_sdist,) = second.glob("*.whl")
    return {"wheel": wheel, "sdist": from_sdist, "source": source}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_every_script_loads_from_a_fresh_environment(built, tmp_path, kind):
    """
    Installed in an empty environment, each script has the hash of the working tree.
    """
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", built[kind])
    seen = run(python, "-I", "-c", LOAD, cwd=tmp_path)
    assert str({name: _script.load(name).sha for name in _script.names()}) in seen


def test_the_wheel_has_what_it_needs_and_nothing_else(built):
    """
    Types are marked, scripts are there, and no stray file came along.
    """
    for kind in ("wheel", "sdist"):
        with zipfile.ZipFile(built[kind]) as archive:
            names = archive.namelist()
        assert "paceline/py.typed" in names
        assert "paceline/_lua/acquire.lua" in names
        assert "paceline/_lua/lib/field.lua" in names
        strange = [n for n in names if not n.startswith(("paceline/", "paceline-"))]
        assert strange == ["pytest_paceline.py"]
        hidden = [n for n in names if "/." in n or n.endswith((".md", ".pyc"))]
        assert [n for n in hidden if "dist-info" not in n] == []


def test_the_sdist_has_the_tests_and_the_documentation(built):
    """
    Who unpacks the sdist can run the tests and read the documentation.
    """
    for name in ("tests", "lua", "docs", "benchmarks", "CHANGELOG.md", "LICENSE"):
        assert (built["source"] / name).exists(), name
