"""Run tests with other releases of a package, in virtual environments of their own."""

import os
import subprocess
import sys
import tempfile
import venv
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Environment:
    """A virtual environment that has this package, as it stands here."""

    def __init__(self, folder):
        venv.create(folder, with_pip=True)
        programs = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        self.python = str(Path(folder) / programs)

    def install(self, *requirements):
        """Install packages, quietly."""
        command = [self.python, "-m", "pip", "install", "-q", *requirements]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    def tell(self, code):
        """Run some code; return what it printed."""
        command = [self.python, "-c", code]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def test(self, *words, options=()):
        """Run tests; return whether any failed, and what pytest said last."""
        command = [self.python, *options, "-m", "pytest", "-q", *words]
        ran = subprocess.run(
            command, cwd=ROOT, check=False, capture_output=True, text=True
        )
        if ran.returncode:
            print(ran.stdout, ran.stderr)
        lines = ran.stdout.strip().splitlines() or [ran.stderr.strip()]
        return ran.returncode != 0, lines[-1]


@contextmanager
def environment(*requirements, extra="test"):
    """Make an environment with these, which lasts as long as the block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Environment(folder)
        package = f"{ROOT}[{extra}]" if extra else str(ROOT)
        made.install("-e", package, *requirements)
        yield made


def try_all(generations, run):
    """
    Run each of the generations, or of those on the command line.

    Args:
        generations: Requirements, as pip reads them.

        run: Is given one; returns whether it failed, and the lines to print.
    """
    failed = False
    for requirement in sys.argv[1:] or generations:
        wrong, lines = run(requirement)
        for line in lines:
            print(f"{requirement:22} {line}", flush=True)
        failed |= wrong
    return int(failed)
