"""The verbs by which one process holds all of them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._options import seconds as in_seconds

if TYPE_CHECKING:
    from ._effects import Plan
    from ._engine import Engine
    from ._key import Key

_MONTH = 31 * 86_400.0


class Cooling:
    """The verbs of a limiter that call a cool-down."""

    _engine: Engine

    def cool_down(
        self, key: Key | str, seconds: float, *, refused: bool = True
    ) -> None:
        """
        Let no process use *key* and its model for so long: what a 429 taught one.

        A shorter cool-down never shortens a longer one.

        Args:
            refused: Whether it is for a 429: ``paceline status`` counts these.

        Raises:
            ConfigError: If *seconds* is not between 0 and 31 days (P111).
        """
        engine = self._engine
        engine.warn_once("cool_down()", "cool_down_async()")
        engine.run(self._cool_down(key, seconds, refused=refused))

    async def cool_down_async(
        self, key: Key | str, seconds: float, *, refused: bool = True
    ) -> None:
        """Do as :meth:`cool_down` does, on the running event loop."""
        plan = self._cool_down(key, seconds, refused=refused)
        await self._engine.run_async(plan)

    def _cool_down(
        self, key: Key | str, seconds: float, *, refused: bool
    ) -> Plan[None]:
        in_seconds("cool-down", seconds, _MONTH)
        return self._engine.cooling(key, seconds, refused=refused)
