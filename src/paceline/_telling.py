"""
What the processes that use an account do together beside charging it.

For adapters to a provider: they learn of it what the limits do not say, and all
processes should know it. Nothing here charges a limit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from . import _plans
from ._calls import Scope
from ._limits import SECOND_US, Limit, TokenBucket
from ._options import wish
from ._policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._effects import Plan
    from ._engine import Engine
    from ._facts import Fact, Known
    from ._key import Key
    from ._wish import Granted

# Before the name of the account by which calls are spaced.
SPACED = "~pace~"
# How much may go at once, in us: the least of these that holds a call. Neither a herd
# nor so little that a caller who wakes late has missed its turn.
_AT_ONCE = (250_000, 1_000_000, 4_000_000)
# How late a caller may wake: booking its turn anew would space calls further apart.
_LATE_US = 250_000


class Telling:
    """The verbs of a limiter for what its processes do together."""

    _engine: Engine

    def exchange(
        self, key: Key | str, facts: Sequence[Fact] = ()
    ) -> Mapping[str, Known]:
        """
        Tell *facts* to all processes that use *key*; return all that hold.

        Raises:
            ConfigError: If no limits apply to its model (P104).
            StoreError: If the store refused, or was not there (P2xx).
        """
        return self._engine.run(self._exchange(key, facts))

    async def exchange_async(
        self, key: Key | str, facts: Sequence[Fact] = ()
    ) -> Mapping[str, Known]:
        """Do as :meth:`exchange` does, on the running event loop."""
        return await self._engine.run_async(self._exchange(key, facts))

    def introduce(
        self, key: Key | str, found: Sequence[tuple[Limit, int]]
    ) -> Sequence[Fact]:
        """
        Charge what is used of limits that nobody configured; return them as facts.

        Raises:
            StoreError: If the store refused, or was not there (P2xx).
        """
        return self._engine.run(self._introduce(key, found))

    async def introduce_async(
        self, key: Key | str, found: Sequence[tuple[Limit, int]]
    ) -> Sequence[Fact]:
        """Do as :meth:`introduce` does, on the running event loop."""
        return await self._engine.run_async(self._introduce(key, found))

    def space(self, key: Key | str, seconds: float, timeout: float | None) -> None:
        """
        Wait until *seconds* have passed since the call before, of whatever process.

        Some go at once after a pause: a quarter of a second's, or one. Charges none of
        the limits of *key*; that is still to be done.

        Raises:
            RateLimitExceeded: If the turn would come after *timeout* seconds (P301).
            StoreError: If the store refused, or was not there (P2xx).
        """
        self._engine.run(self._space(key, seconds, timeout))

    async def space_async(
        self, key: Key | str, seconds: float, timeout: float | None
    ) -> None:
        """Do as :meth:`space` does, on the running event loop."""
        await self._engine.run_async(self._space(key, seconds, timeout))

    def cooled(self, key: Key | str) -> float:
        """
        Return when the last cool-down of *key* ends or ended that was heard of.

        In seconds of the monotonic clock; 0.0 if this process heard of none. Asks no
        store.
        """
        return self._engine.desk.cooled(*self._engine.lookup(key))

    def corrected(self) -> int:
        """Return a number that grows when a limit is corrected: then look again."""
        return self._engine.desk.corrections.version

    def own_limits(self, key: Key | str) -> tuple[Limit, ...]:
        """Return the limits of *key* that it does not share with other models."""
        return self._engine.lookup(key)[1].own

    def answered(self, key: Key | str, status: int) -> None:
        """
        Let whoever is told of events know how the provider answered a call of *key*.

        Asks no store, and nobody else hears it.

        Args:
            status: HTTP's, such as 200 or 429.
        """
        self._engine.answered(key, status)

    def _introduce(
        self, key: Key | str, found: Sequence[tuple[Limit, int]]
    ) -> Plan[Sequence[Fact]]:
        scope, policy = self._engine.lookup(key)
        return _plans.introduce(self._engine.desk, scope, policy, found)

    def _exchange(
        self, key: Key | str, facts: Sequence[Fact]
    ) -> Plan[Mapping[str, Known]]:
        scope, policy = self._engine.lookup(key)
        return (yield from _plans.tell(self._engine.desk, scope, policy, facts))

    def _space(
        self, key: Key | str, seconds: float, timeout: float | None
    ) -> Plan[Granted]:
        scope, policy = self._engine.lookup(key)
        units = min(max(1, round(seconds * SECOND_US)), _AT_ONCE[-1])
        size = next(each for each in _AT_ONCE if each >= units)
        lenient = Scope(scope.key, scope.display, _LATE_US)
        # A turn far ahead would come at a pace that is no longer right.
        how = wish(timeout, "normal", estimate=True)
        spaced = _spaced(policy.account, size)
        return self._engine.grant(lenient, spaced, {_unit(size): units}, how)


def _unit(size: int) -> str:
    # One bucket has one size: two of them under one unit would be a disagreement.
    return f"paced_{size}"


@lru_cache(maxsize=4_096)
def _spaced(account: str, size: int) -> Policy:
    name, burst = f"pace-{size}", size + _LATE_US
    bucket = TokenBucket(SECOND_US, 1.0, burst=burst, unit=_unit(size), name=name)
    return Policy(f"{SPACED}{account}", (bucket,))
