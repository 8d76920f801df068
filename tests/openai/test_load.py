"""The load tests of the documentation, as checks. They take minutes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def check(script, *options):
    command = [sys.executable, str(BENCHMARKS / script), "--check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.soak
@pytest.mark.skipif(not importlib.util.find_spec("locust"), reason="needs the extra")
def test_locusts_users_meet_no_429():
    """
    Two processes of greenlets that want several times the quota.
    """
    assert len(check("load.py", "--seconds", "10")) == 2


@pytest.mark.soak
def test_a_fleet_of_clients_meets_no_429_and_uses_the_quota():
    """
    Four processes with sixteen tasks each, whichever limit binds.
    """
    assert len(check("openai_fleet.py", "--seconds", "20", "--only", "paceline")) == 5


@pytest.mark.soak
def test_a_fleet_goes_on_calmly_after_a_refusal_and_beside_a_rival():
    """
    No herd when a cool-down ends; fewer than one call in a hundred refused.
    """
    assert len(check("openai_trouble.py", "--rounds", "3")) == 5
