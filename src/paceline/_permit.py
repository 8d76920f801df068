"""What a caller holds: a permit."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from ._errors import StoreError
from ._limits import Concurrency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ._calls import Booking, Post, Scope
    from ._engine import Engine
    from ._heartbeat import Holds
    from ._limits import Limit
    from ._policy import Cost, Policy
    from ._turns import Granted
    from ._under_way import UnderWay


class Permit:
    """
    The right to call once, now.

    Posting happens once: of several calls of settle and cancel the first counts. In a
    fork they do nothing, nor does release: what was booked before it is the parent's.

    Attributes:
        waited: Seconds from asking to having it.
    """

    def __init__(
        self, engine: Engine, scope: Scope, policy: Policy, granted: Granted
    ) -> None:
        self.waited: float = granted.waited
        self._engine = engine
        self._owner = os.getpid()
        self._scope = scope
        self._policy = policy
        self._booking = granted.booking
        self._lock = threading.Lock()
        self._posted = False
        self._held = policy.leases
        self._renewal: UnderWay | None = None
        self._left = False
        if policy.leases:
            engine.heartbeat.hold(self)

    def __repr__(self) -> str:
        pairs = zip(self._policy.limits, self._booking.posts, strict=False)
        booked = ", ".join(f"{post.units:,} of {limit.name}" for limit, post in pairs)
        return f"<Permit {booked}; waited {self.waited:.3f} s>"

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

        It also ends the permit's hold on a limit on concurrent calls, as
        :meth:`release` does.

        Args:
            cost: Units used. Units that are not named stay as they were booked.

        Raises:
            CostError: If a unit is unknown or not a whole number (P302).

            StoreError: If the store refused, or was not there.
        """
        spent = self._policy.spent(cost)
        if self._claim():
            try:
                self._post(spent, ends=self._let_go())
            except StoreError:
                self._reopen(spent)
                raise

    async def settle_async(self, cost: Cost) -> None:
        """Do as :meth:`settle` does, on the running event loop."""
        spent = self._policy.spent(cost)
        if self._claim():
            try:
                await self._post_async(spent, ends=self._let_go())
            except StoreError:
                self._reopen(spent)
                raise

    def would_ask(self, cost: Cost) -> bool:
        """Tell whether posting a true cost would take a call of the store."""
        if self._policy.leases:
            return True
        spent = self._policy.spent(cost)
        return self._engine.must_post(self._booking, self._actual(spent, ends=False))

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

        When it returns the place is free. (If the lease was just being renewed and the
        store does not answer that, it is free as soon as it has, or with its lease.)
        Its cost can still be settled. Without such a limit it does nothing.

        Raises:
            StoreError: If the store refused, or was not there: the place is then free
                when its lease ends.
        """
        if self._let_go():
            self._post({}, ends=True)

    async def release_async(self) -> None:
        """Do as :meth:`release` does, on the running event loop."""
        if self._let_go():
            await self._post_async({}, ends=True)

    def renewing(self, renewal: UnderWay) -> Holds:
        """Return the places to renew; until that is done, a release waits for it."""
        with self._lock:
            holds: Holds = [
                (self._policy, limit, post)
                for limit, post in self._pairs()
                if self._held and isinstance(limit, Concurrency) and post.units
            ]
            self._renewal = renewal if holds else None
            return holds

    def renewed(self, ends: Sequence[int]) -> None:
        """
        Note the new ends of the leases.

        Args:
            ends: In the store's microseconds, 0 for a lost one; empty if nobody knows.
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
            self._renewal = None

    def end_hold(self) -> None:
        """
        End a hold whose release did not wait until it was renewed.

        Raises:
            StoreError: If it could not be ended.
        """
        with self._lock:
            left, self._left = self._left, False
        if left:
            self._post({}, ends=True)

    def _nothing(self) -> dict[str, int]:
        return dict.fromkeys(self._policy.units, 0)

    def _claim(self) -> bool:
        """Tell whether it is the first to post."""
        if self._owner != os.getpid():
            return False  # the parent posts it
        with self._lock:
            first, self._posted = not self._posted, True
            return first

    def _let_go(self) -> bool:
        """Tell whether it is the first to end the hold; nothing renews it any more."""
        if self._owner != os.getpid():
            return False
        with self._lock:
            first, self._held = self._held, False
        if first:
            self._engine.heartbeat.drop(self)
        return first

    def _post(self, spent: Mapping[str, int], *, ends: bool) -> None:
        renewal = self._renewal
        try:
            if ends and renewal is not None:
                renewal.wait()
        finally:
            actual = self._actual(spent, ends=ends)
            if self._engine.must_post(self._booking, actual):
                self._engine.run(self._engine.settle(self, actual))

    async def _post_async(self, spent: Mapping[str, int], *, ends: bool) -> None:
        renewal = self._renewal
        try:
            if ends and renewal is not None:
                await renewal.wait_async()
        finally:
            actual = self._actual(spent, ends=ends)
            if self._engine.must_post(self._booking, actual):
                await self._engine.run_async(self._engine.settle(self, actual))

    def _actual(self, spent: Mapping[str, int], *, ends: bool) -> tuple[int, ...]:
        """Return what to post, per limit."""
        with self._lock:
            if ends and self._renewal is not None:
                # Where the lease ends is about to change: the renewal ends it then.
                self._left, ends = True, False
            return tuple(
                0
                if ends and isinstance(limit, Concurrency)
                else spent.get(limit.unit, post.units)
                for limit, post in self._pairs()
            )

    def _pairs(self) -> Iterator[tuple[Limit, Post]]:
        return zip(self._policy.limits, self._booking.posts, strict=True)

    def _reopen(self, spent: Mapping[str, int]) -> None:
        # Whether it was posted is not known. Charging twice is safe, refunding is not.
        if all(
            spent.get(limit.unit, post.units) >= post.units
            for limit, post in self._pairs()
        ):
            self._posted = False
