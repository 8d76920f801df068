"""What a caller holds: a permit."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from ._errors import StoreError
from ._limits import Concurrency

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._calls import Booking, Post, Scope
    from ._engine import Engine
    from ._heartbeat import Holds
    from ._limits import Limit
    from ._policy import Cost, Policy
    from ._turns import Granted


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
        self._held = policy.leases
        self._renewing = False
        self._let_go_of = False
        if policy.leases:
            engine.heartbeat.hold(self)

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

        It also ends the permit's hold on a limit on concurrent calls.

        Args:
            cost: Units used. Units that are not named stay as they were booked.

        Raises:
            CostError: If a unit is unknown or not a whole number (P302).

            StoreError: If the store refused, or was not there.
        """
        actual = self._claim(cost)
        if actual is not None:
            try:
                self._engine.run(self._engine.settle(self, actual))
            except StoreError:
                self._reopen(actual)
                raise

    async def settle_async(self, cost: Cost) -> None:
        """Do as :meth:`settle` does, on the running event loop."""
        actual = self._claim(cost)
        if actual is not None:
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

    def release(self) -> None:
        """
        End its hold on a limit on concurrent calls: the call is over; twice is once.

        Its cost can still be settled. Without such a limit it does nothing.

        Raises:
            StoreError: If the store refused, or was not there: the place is then free
                when its lease ends.
        """
        actual = self._let_go()
        if actual is not None:
            self._engine.run(self._engine.settle(self, actual))

    async def release_async(self) -> None:
        """Do as :meth:`release` does, on the running event loop."""
        actual = self._let_go()
        if actual is not None:
            await self._engine.run_async(self._engine.settle(self, actual))

    def renewing(self) -> Holds:
        """Return the places to renew; until that is done, a release waits for it."""
        with self._lock:
            holds: Holds = [
                (self._policy, limit, post)
                for limit, post in self._pairs()
                if self._held and isinstance(limit, Concurrency) and post.units
            ]
            self._renewing = bool(holds)
            return holds

    def renewed(self, ends: Sequence[int]) -> None:
        """
        Note the new ends of the leases, and end a hold that was let go of meanwhile.

        Args:
            ends: In the store's microseconds, 0 for a lost one; empty if nobody knows.

        Raises:
            StoreError: If such a hold could not be ended.
        """
        with self._lock:
            left = iter(ends)
            posts = [
                post._replace(moment=end, units=1 if end else 0)
                if isinstance(limit, Concurrency)
                and post.units
                and (end := next(left, None)) is not None
                else post
                for limit, post in self._pairs()
            ]
            self._booking = replace(self._booking, posts=tuple(posts))
            self._renewing = False
            let_go, self._let_go_of = self._let_go_of, False
        if let_go:
            actual = self._no_places(tuple(post.units for post in posts))
            self._engine.run(self._engine.settle(self, actual))

    def _nothing(self) -> dict[str, int]:
        return dict.fromkeys(self._policy.units, 0)

    def _claim(self, cost: Cost) -> tuple[int, ...] | None:
        """Return what to post, per limit; None if it was posted before."""
        spent = self._policy.spent(cost)
        with self._lock:
            if self._posted:
                return None
            self._posted = True
            actual = tuple(
                spent.get(limit.unit, post.units) for limit, post in self._pairs()
            )
            return self._without_places(actual)

    def _let_go(self) -> tuple[int, ...] | None:
        with self._lock:
            if not self._held:
                return None
            booked = tuple(post.units for post in self._booking.posts)
            return self._without_places(booked)

    def _without_places(self, actual: tuple[int, ...]) -> tuple[int, ...]:
        """Take its places of concurrency limits out, the first time."""
        if not self._held:
            return actual
        self._held = False
        self._engine.heartbeat.drop(self)
        if self._renewing:
            # Where the lease ends is about to change: the renewal ends it then.
            self._let_go_of = True
            return actual
        return self._no_places(actual)

    def _no_places(self, actual: tuple[int, ...]) -> tuple[int, ...]:
        pairs = zip(self._policy.limits, actual, strict=True)
        return tuple(
            0 if isinstance(limit, Concurrency) else units for limit, units in pairs
        )

    def _pairs(self) -> Iterator[tuple[Limit, Post]]:
        return zip(self._policy.limits, self._booking.posts, strict=True)

    def _reopen(self, actual: tuple[int, ...]) -> None:
        # Whether it was posted is not known. Charging twice is safe, refunding is not.
        posts = zip(actual, self._pairs(), strict=True)
        if all(
            units >= post.units or isinstance(limit, Concurrency)
            for units, (limit, post) in posts
        ):
            self._posted = False
