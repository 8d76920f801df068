"""One module per question; ``python -m benchmarks`` asks them all. See README.md."""

import sys
from pathlib import Path

# Servers are started as the tests start them: by rig.py and rig_proxy.py.
_TESTS = str(Path(__file__).parents[1] / "tests")
if _TESTS not in sys.path:
    sys.path.append(_TESTS)
