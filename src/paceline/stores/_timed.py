"""How long calls take; for somebody who is told of events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ._sending import Sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._calls import Call
    from .._errors import StoreError
    from ._lanes import Lanes
    from ._sending import Window


class Timed(Sending):
    """
    One call under way, with a clock.

    One that is interrupted is not told of: what the store would have said is unknown.

    Args:
        told: Is told of the end: the script, the seconds, and the error's code if the
            store failed.
    """

    def __init__(
        self,
        told: Callable[[str, float, str | None], None],
        call: Call,
        asked: float,
        window: Window,
        lanes: Lanes,
    ) -> None:
        super().__init__(call, asked, window, lanes)
        self._told = told
        self._begun = time.monotonic()

    def answered(self) -> None:
        """Note the reply."""
        super().answered()
        self._tell(None)

    def give_up(self, finding: StoreError) -> StoreError:
        """Note the end; if nobody knows what came of the call, say which it was."""
        finding = super().give_up(finding)
        self._tell(finding.code)
        return finding

    def _tell(self, code: str | None) -> None:
        self._told(self._call.script, time.monotonic() - self._begun, code)
