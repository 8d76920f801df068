"""The verbs by which a limiter is told what a limit really is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _plans
from ._corrections import LIFE
from ._errors import ConfigError
from ._options import seconds as in_seconds

if TYPE_CHECKING:
    from ._effects import Plan
    from ._engine import Engine
    from ._key import Key

_MONTH = 31 * 86_400.0


class Correcting:
    """The verbs of a limiter that change the figure of a limit."""

    _engine: Engine

    def correct(
        self, key: Key | str, limit: str, units: int | None, *, seconds: float = LIFE
    ) -> None:
        """
        Tell all processes that a limit of *key* is really of so many units.

        What is booked stays booked and counts; new bookings go by the new figure: here
        at once, also those of callers who wait, and in the other processes from their
        next look at the store, ten seconds later at most if they call (a second with
        the OpenAI adapter). Who starts later learns of it with its first call. Where
        the store is gone it holds in this process all the same.

        A bucket's burst changes in proportion. :meth:`limits` shows the new figure, and
        as ``configured`` the former one.

        Args:
            limit: The limit's name, as :meth:`peek` shows it.

            units: Per window or period, or at a time. None takes the correction back.

            seconds: For how long it holds unless it is told again. Default: a week.

        Raises:
            ConfigError: If no limit has that name (P114), or none can be of so many
                units (P102), or *seconds* is not above 0, up to 31 days (P111).

            StoreError: If the store refused or was not there (P2xx).
        """
        engine = self._engine
        engine.warn_once("correct()", "correct_async()")
        engine.run(self._correcting(key, limit, units, seconds))

    async def correct_async(
        self, key: Key | str, limit: str, units: int | None, *, seconds: float = LIFE
    ) -> None:
        """Do as :meth:`correct` does, on the running event loop."""
        plan = self._correcting(key, limit, units, seconds)
        await self._engine.run_async(plan)

    def _correcting(
        self, key: Key | str, limit: str, units: int | None, seconds: float
    ) -> Plan[None]:
        life = in_seconds("how long a correction holds", seconds, _MONTH)
        if not life:
            raise ConfigError(
                "how long a correction holds is 0",
                code="P111",
                hint="units=None takes a correction back.",
            )
        engine = self._engine
        scope, policy = engine.lookup(key)
        plan = _plans.correct(engine.desk, scope, policy, (limit, units), life)
        return engine.seen(plan, scope, policy)
