"""
Run these tests against each generation of the openai SDK.

    python tests/openai/matrix.py [REQUIREMENT ...]

Each in a virtual environment of its own, in a temporary directory: the oldest release
that is supported, the last of 1 and 2 (on httpx), and the newest (on httpx2). It takes
some minutes and is no part of the plain run. Ends with 1 if any of them failed.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATIONS = (
    "openai==1.55.3",
    "openai>=1.55.3,<2",
    "openai==2.0.0",
    "openai>=2,<3",
    "openai>=3,<4",
)


def run(requirement, folder):
    """Test against one release; return its versions and what pytest said last."""
    venv.create(folder, with_pip=True)
    programs = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    python = str(Path(folder) / programs)
    extras = f"{ROOT}[test]"
    install = [python, "-m", "pip", "install", "-q", "-e", extras, requirement]
    subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
    code = (
        "import openai; print(openai.__version__, openai.DefaultHttpxClient.__mro__[1])"
    )
    version = subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    tests = subprocess.run(
        [python, "-m", "pytest", "-q", "tests/openai"],
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
        print(f"{requirement:22} {version}: {last}", flush=True)
        failed |= bool(code)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
