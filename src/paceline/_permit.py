"""What a caller holds: a permit, or a reservation that becomes one."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from ._errors import MisuseError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from ._engine import Engine
    from ._key import Key
    from ._plans import Granted
    from ._rules import Cost, Policy
    from ._wire import Booking, Scope

_log = logging.getLogger("paceline")


class Permit:
    """
    The right to call once, now.

    Posting happens once: of several calls of settle and cancel the first counts.

    Attributes:
        waited: Seconds from asking to having it.
    """

    def __init__(
        self, engine: Engine, scope: Scope, policy: Policy, granted: Granted
    ) -> None:
        self.waited: float = granted.waited
        self._engine = engine
        self._scope = scope
        self._policy = policy
        self._booking = granted.booking
        self._lock = threading.Lock()
        self._posted = False

    @property
    def scope(self) -> Scope:
        """Whose account was charged."""
        return self._scope

    @property
    def policy(self) -> Policy:
        """The limits that were charged."""
        return self._policy

    @property
    def booking(self) -> Booking:
        """What was charged, and where."""
        return self._booking

    def settle(self, cost: Cost) -> None:
        """
        Post the true cost: refund or charge the difference.

        Args:
            cost: Units used. Units that are not named stay as they were booked.

        Raises:
            CostError: If a unit is unknown or not a whole number (P302).

            StoreError: If the store refused, or was not there.
        """
        actual = self._actual(cost)
        if self._claim():
            try:
                self._engine.run(self._engine.settle(self, actual))
            except StoreError:
                self._reopen(actual)
                raise

    async def settle_async(self, cost: Cost) -> None:
        """Do as :meth:`settle` does, on the running event loop."""
        actual = self._actual(cost)
        if self._claim():
            try:
                await self._engine.run_async(self._engine.settle(self, actual))
            except StoreError:
                self._reopen(actual)
                raise

    def cancel(self) -> None:
        """
        Give all of it back: the call was not made.

        Raises:
            StoreError: If the store refused, or was not there.
        """
        self.settle(self._nothing())

    async def cancel_async(self) -> None:
        """Do as :meth:`cancel` does, on the running event loop."""
        await self.settle_async(self._nothing())

    def _nothing(self) -> dict[str, int]:
        return dict.fromkeys(self._policy.units, 0)

    def _actual(self, cost: Cost) -> tuple[int, ...]:
        booked = {
            limit.unit: post[1]
            for limit, post in zip(
                self._policy.limits, self._booking.posts, strict=True
            )
        }
        booked.update(self._policy.spent(cost))
        return tuple(booked[limit.unit] for limit in self._policy.limits)

    def _claim(self) -> bool:
        with self._lock:
            first, self._posted = not self._posted, True
        return first

    def _reopen(self, actual: tuple[int, ...]) -> None:
        # Whether it was posted is not known. Charging twice is safe, refunding is not.
        posts = zip(actual, self._booking.posts, strict=True)
        if all(units >= post[1] for units, post in posts):
            self._posted = False


class Reservation:
    """
    A call whose cost is an estimate: acquired on entering a block, posted on leaving.

    Works with ``with`` and ``async with``. Without settle or cancel the estimate stays,
    also when the block raises: the call may have been made. If the store cannot be
    reached when the block is left, StoreError is raised; a block's own exception goes
    before it.
    """

    def __init__(
        self, engine: Engine, key: Key | str, cost: Cost, timeout: float | None
    ) -> None:
        self._engine = engine
        self._ask = (key, cost, timeout)
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
        if self._note is not None:
            try:
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
        if self._note is not None:
            try:
                await self.permit.settle_async(self._note)
            except StoreError as failure:
                self._not_posted(failure, error)

    def _not_posted(self, failure: StoreError, error: BaseException | None) -> None:
        # What the block raised, or what the call returned, matters more to its caller.
        if error is None and not self._quiet:
            raise failure
        _log.warning("a true cost was not posted, the estimate stays: %s", failure)
