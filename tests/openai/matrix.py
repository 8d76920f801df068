"""
Run these tests against each generation of the openai SDK.

    python tests/openai/matrix.py [REQUIREMENT ...]

Each in a virtual environment of its own, in a temporary directory: the oldest release
that is supported, the last of 1 and 2 (on httpx), and the newest (on httpx2); and then
every form of a call to every endpoint once more, under `python -O`. It takes some
minutes and is no part of the plain run. Ends with 1 if any of them failed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments import environment, try_all

GENERATIONS = (
    "openai==1.55.3",
    "openai>=1.55.3,<2",
    "openai==2.0.0",
    "openai>=2,<3",
    "openai>=3,<4",
)
VERSION = (
    "import openai; print(openai.__version__, openai.DefaultHttpxClient.__mro__[1])"
)
# pytest's own asserts in test modules are no assert statements any more.
WITHOUT_ASSERTS = ("-W", "ignore::pytest.PytestConfigWarning")


def run(requirement):
    """Test against one release; return whether it failed, and what was said."""
    with environment(requirement) as made:
        version = made.tell(VERSION)
        failed, last = made.test("tests/openai")
        forms = (*WITHOUT_ASSERTS, "tests/openai/test_forms.py")
        wrong, end = made.test(*forms, options=("-O",))
    return failed or wrong, (f"{version}: {last}", f"{version} -O: {end}")


if __name__ == "__main__":
    sys.exit(try_all(GENERATIONS, run))
