"""The fixtures that pytest finds where paceline is installed."""

import subprocess
import sys

from paceline.testing import ClockedLimiter


def test_the_recorder_is_a_fixture(paceline_recorder):
    """
    It grants, and remembers.
    """
    assert paceline_recorder.try_acquire("x")
    assert [call.verb for call in paceline_recorder.calls] == ["try_acquire"]


def test_the_clocked_limiter_is_a_fixture(paceline_clocked):
    """
    Each test makes it with limits of its own.
    """
    assert paceline_clocked is ClockedLimiter
    assert paceline_clocked(limits="1/min").acquire("x").waited == 0


def test_the_plugin_costs_other_projects_nothing():
    """
    pytest loads it in every run; paceline itself stays unloaded until a test asks.
    """
    code = "import sys, pytest_paceline; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pytest_paceline" in loaded
    assert [name for name in loaded if name.partition(".")[0] == "paceline"] == []
