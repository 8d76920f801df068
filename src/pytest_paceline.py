"""
Fixtures for tests of programs that use paceline.

pytest loads this in every run where paceline is installed, so it imports paceline only
when a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from paceline.testing import ClockedLimiter, RecordingLimiter


@pytest.fixture
def paceline_recorder() -> RecordingLimiter:
    """Return a limiter that grants all at once; ``.calls`` has what was asked."""
    from paceline.testing import RecordingLimiter  # noqa: PLC0415 -- see above

    return RecordingLimiter()


@pytest.fixture
def paceline_clocked() -> type[ClockedLimiter]:
    """Return the class of limiters whose time the test moves; make one with limits."""
    from paceline.testing import ClockedLimiter  # noqa: PLC0415 -- see above

    return ClockedLimiter
