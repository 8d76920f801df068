"""
Run the tests of the stores against each generation of redis-py.

    python tests/faults/matrix.py [REQUIREMENT ...]

Each in a virtual environment of its own, in a temporary directory: the oldest release
that is supported and the last of each generation. It takes some minutes and is no part
of the plain run. Ends with 1 if any of them failed.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATIONS = (
    "redis==5.0.0",
    "redis>=5,<6",
    "redis>=6,<7",
    "redis>=7,<8",
    "redis>=8,<9",
)
# Connections of redis-py 5 that could not be opened are closed by the collector.
WARNINGS = (
    *("-W", "ignore::ResourceWarning"),
    *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
)
TESTS = (
    "tests/unit/test_sources.py",
    "tests/unit/test_several.py",
    "tests/integration/test_stores.py",
    "tests/integration/test_lost_replies.py",
    "tests/faults",
)


def run(requirement, folder):
    """Test against one release; return its version and what pytest said last."""
    venv.create(folder, with_pip=True)
    programs = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    python = str(Path(folder) / programs)
    install = [python, "-m", "pip", "install", "-q", "-e", f"{ROOT}[test]", requirement]
    subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
    version = subprocess.run(
        [python, "-c", "import redis; print(redis.__version__)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    tests = subprocess.run(
        [python, "-m", "pytest", "-q", *WARNINGS, *TESTS],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if tests.returncode:
        print(tests.stdout)
    return tests.returncode, version, tests.stdout.strip().splitlines()[-1]


def main(requirements):
    """Test against all; return whether any failed."""
    failed = 0
    for requirement in requirements or GENERATIONS:
        with tempfile.TemporaryDirectory() as folder:
            code, version, last = run(requirement, folder)
        print(f"{requirement:14} {version}: {last}", flush=True)
        failed |= bool(code)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
