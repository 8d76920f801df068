"""
Run the tests of the stores against each generation of redis-py.

    python tests/faults/matrix.py [REQUIREMENT ...]

Each in a virtual environment of its own, in a temporary directory: the oldest release
that is supported and the last of each generation. It takes some minutes and is no part
of the plain run. Ends with 1 if any of them failed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments import environment, try_all

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


def run(requirement):
    """Test against one release; return whether it failed, and what was said."""
    with environment(requirement) as made:
        version = made.tell("import redis; print(redis.__version__)")
        failed, last = made.test(*WARNINGS, *TESTS)
    return failed, (f"{version}: {last}",)


if __name__ == "__main__":
    sys.exit(try_all(GENERATIONS, run))
