"""
pytest, but under other scripts: ``python tests/proof/under.py LUA [arguments]``.

Only the first of the servers here is used, examples are the same in each run, and a
failing one is not made smaller: one failure is all that is asked for. The last line is
an object that says how many tests ran, and which failed first and why. Without it
pytest did not get that far, whatever its exit code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
REPORT = "report: "

# A script that cannot run proves nothing about who watches its facts.
# Nor does a test that was expected to fail and passes.
BROKEN = (
    "Error compiling script",
    "user_script",
    "attempt to ",
    "[string ",
    "[XPASS(strict)]",
)


class Witness:
    """Sees what pytest does; loads the profile when hypothesis may be imported."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = self.phase = self.why = ""

    def pytest_configure(self) -> None:
        """Make examples the same in each run."""
        from hypothesis import Phase, settings

        settings.register_profile(
            "mutant",
            phases=[Phase.explicit, Phase.generate],
            derandomize=True,
            database=None,
        )
        settings.load_profile("mutant")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that cannot be imported."""
        if report.failed:
            self._fail(report.nodeid, "collect", report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what passed, and the first that failed."""
        if report.failed:
            self._fail(report.nodeid, report.when or "", report.longreprtext)
        elif report.when == "call" and report.passed:
            self.passed += 1

    def _fail(self, where: str, phase: str, why: str) -> None:
        if not self.failed:
            self.failed, self.phase, self.why = where, phase, why

    @property
    def broken(self) -> bool:
        """Whether the failure proves nothing."""
        return any(sign in self.why for sign in BROKEN)

    def line(self, code: int) -> str:
        """Return the last line."""
        told = {"code": code, "passed": self.passed, "failed": self.failed}
        told |= {"phase": self.phase, "broken": self.broken, "why": self.why[-500:]}
        return REPORT + json.dumps(told)


def main(lua: Path, arguments: list[str]) -> int:
    """Return pytest's exit code."""
    sys.path[0] = str(TESTS)
    import rig
    from paceline import _script

    _script._root = lambda: lua
    _script.load.cache_clear()
    first = rig.servers()[:1]
    rig.servers = lambda: first
    witness = Witness()
    plain = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"]
    where = f"--rootdir={TESTS.parent}"
    code = int(pytest.main([*plain, where, *arguments], plugins=[witness]))
    print(f"\n{witness.line(code)}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
