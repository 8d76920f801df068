"""A permit for a block of code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from ._errors import MisuseError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from ._engine import Engine
    from ._key import Key
    from ._permit import Permit
    from ._policy import Cost
    from ._turns import Wish

_log = logging.getLogger("paceline")


class Reservation:
    """
    A call whose cost is an estimate: acquired on entering a block, posted on leaving.

    Works with ``with`` and ``async with``. Without settle or cancel the estimate stays,
    also when the block raises: the call may have been made. If the store cannot be
    reached when the block is left, StoreError is raised; a block's own exception goes
    before it.
    """

    def __init__(self, engine: Engine, key: Key | str, cost: Cost, wish: Wish) -> None:
        self._engine = engine
        self._ask = (key, cost, wish)
        self._permit: Permit | None = None
        self._note: Cost | None = None
        self._entered = False
        self._quiet = False

    def keep_result(self) -> None:
        """
        Let a posting that fails be logged, not raised: there is a result to return.

        The estimate then stays charged.
        """
        self._quiet = True

    @property
    def waited(self) -> float:
        """Seconds from asking to having the permit."""
        return self.permit.waited

    @property
    def permit(self) -> Permit:
        """
        The permit behind it.

        Raises:
            MisuseError: Before the block is entered (P504).
        """
        if self._permit is None:
            raise MisuseError(
                "this reservation holds nothing yet",
                code="P504",
                hint="Enter it first: with limiter.reserve(...) as reservation:",
            )
        return self._permit

    def settle(self, cost: Cost) -> None:
        """
        Note the true cost; it is posted when the block is left. The last note counts.

        Raises:
            CostError: If a unit is unknown or not a whole number (P302).
        """
        self.permit.policy.spent(cost)
        self._note = cost

    def cancel(self) -> None:
        """Note that nothing was used; all of it goes back when the block is left."""
        self._note = dict.fromkeys(self.permit.policy.units, 0)

    def _enter(self) -> None:
        if self._entered:
            raise MisuseError(
                "this reservation was used before",
                code="P504",
                hint="Call limiter.reserve(...) for each call.",
            )
        self._entered = True

    def __enter__(self) -> Self:
        self._engine.may_block("with limiter.reserve()", "async with limiter.reserve()")
        self._enter()
        self._permit = self._engine.acquire(*self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._note is None:
                self.permit.release()
            else:
                self.permit.settle(self._note)
        except StoreError as failure:
            self._not_posted(failure, error)

    async def __aenter__(self) -> Self:
        self._enter()
        self._permit = await self._engine.acquire_async(*self._ask)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._note is None:
                await self.permit.release_async()
            else:
                await self.permit.settle_async(self._note)
        except StoreError as failure:
            self._not_posted(failure, error)

    def _not_posted(self, failure: StoreError, error: BaseException | None) -> None:
        # What the block raised, or what the call returned, matters more to its caller.
        if error is None and not self._quiet:
            raise failure
        _log.warning("a call's end was not posted, what was booked stays: %s", failure)
