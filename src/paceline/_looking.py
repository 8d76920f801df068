"""What a limiter shows of its limits, without charging them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._decision import LimitStatus
    from ._engine import Engine
    from ._key import Key
    from ._limits import Limit


class Looking:
    """The verbs of a limiter that only look."""

    _engine: Engine

    def limits(self, key: Key | str) -> tuple[Limit, ...]:
        """
        Return the limits that apply to *key*, shared ones last. Asks no store.

        They are in the order of :meth:`peek`, under the same names. One that was
        corrected shows its new figure, and as ``configured`` the former one.

        Raises:
            ConfigError: If no limits apply to its model (P104), or to its scope in a
                file (P126, P127).

            MisuseError: If *key* is none (P502).
        """
        return self._engine.lookup(key)[1].limits

    def peek(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Return how each limit of *key* stands. Charges and writes nothing."""
        self._engine.warn_once("peek()", "peek_async()")
        return self._engine.run(self._engine.peek(key))

    async def peek_async(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Do as :meth:`peek` does, on the running event loop."""
        return await self._engine.run_async(self._engine.peek(key))
