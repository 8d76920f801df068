"""
Plans that survive the store: they ask it, and go on without it as long as it is gone.

What is spent then is charged to the account when the store is back. How it is asked
while others have yet to charge theirs is in ``_rejoining``. Errors that no waiting
cures are raised under every policy.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from . import _plans, _postings, _turns
from ._alone import Alone, OnOutage
from ._amends import Amends
from ._caller import Begun
from ._calls import Booking, Scope
from ._effects import Now, Plan, Stir
from ._errors import StoreError, StoreUnavailable
from ._outage import Outage
from ._policy import Policy
from ._rejoining import Rejoining
from ._repayment import Account, LocalBooking
from ._unheard import unheard_of
from ._wish import Granted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._answer import Answer
    from ._decision import Decision
    from ._desk import Desk
    from ._wish import Wish
    from .stores._breaker import Breaker


class Survival:
    """
    Plans that go on without the store, as far as the policy allows.

    Args:
        desk: What all calls share.

        breaker: Returns what this process found out of the store.

        attend: Lets somebody see whether it is back, and then make amends.

        outage: What is remembered of accounts.

    Attributes:
        amends: What is to be done when the store is back.
    """

    def __init__(
        self,
        policy: OnOutage,
        desk: Desk,
        breaker: Callable[[], Breaker],
        attend: Callable[[], None],
        outage: Outage,
    ) -> None:
        self._policy = policy
        self._alone = Alone(policy, desk, breaker, outage)
        self._together = Rejoining(desk, outage, self._alone, self.settle)
        self._desk = desk
        self._breaker = breaker
        self._attend = attend
        self.outage: Outage = outage
        self.amends: Amends = Amends(desk, breaker, outage)
        self.forget()

    def forget(self) -> None:
        """Know nothing and owe nothing: a fork does not pay for its parent."""
        self.outage.forget()
        self.amends.forget()

    def use(self, desk: Desk) -> None:
        """Take another desk."""
        self._desk = self._together.desk = desk

    def acquire(
        self,
        scope: Scope,
        policy: Policy,
        charges: tuple[int, ...],
        wish: Wish,
        begun: Begun | None = None,
    ) -> Plan[Granted]:
        """Wait for a turn, the store's or our own; *begun* as of ``_turns.acquire``."""
        if self._policy == "raise":
            return _turns.acquire(self._desk, scope, policy, charges, wish, begun)
        account = self.outage.current(scope, policy)
        return self._acquire(account, policy, charges, wish, begun)

    def _acquire(
        self,
        account: Account,
        policy: Policy,
        charges: tuple[int, ...],
        wish: Wish,
        begun: Begun | None,
    ) -> Plan[Granted]:
        start = begun.start if begun else (yield Now())
        end = inf if wish.timeout is None else start + wish.timeout
        now = start
        while True:
            granted = None
            if begun is None and self._is_gone(now):
                booking = yield from self._alone.acquire(account, charges, end)
                if booking is not None:
                    granted = Granted(booking, 0.0)
            else:
                try:
                    how = (policy, charges, wish, (start, end), begun)
                    granted = yield from self._together.acquire(account, *how)
                except StoreUnavailable as error:
                    now = yield Now()
                    self._lost(error, account, now)
                    if not self._may_go_on and (now >= end or not self._reached):
                        raise
            begun = None
            now = yield Now()
            if granted is not None:
                return Granted(granted.booking, now - start)

    def brief(self, scope: Scope, policy: Policy) -> bool:
        """Tell whether nothing is to be done but to ask."""
        if self._policy in ("raise", "wait"):
            return True
        account = self.outage.account(scope, policy)
        if self._desk.doubts and (scope.key, policy.account) in self._desk.doubts:
            return False
        return self.outage.calm and not account.due

    def admitted(
        self, scope: Scope, policy: Policy, charges: tuple[int, ...], now: float
    ) -> bool:
        """Note a permit that was had without a plan; False if an outage overtook it."""
        if self._policy == "local":
            if not self.outage.calm:
                return False
            self.outage.used(self.outage.account(scope, policy), now, charges)
        return True

    def try_acquire(
        self,
        scope: Scope,
        policy: Policy,
        charges: tuple[int, ...],
        known: StoreError | None = None,
    ) -> Plan[Decision]:
        """Decide for now; *known* as of ``_plans.decide``."""
        if self._policy in ("raise", "wait"):
            return _plans.try_acquire(self._desk, scope, policy, charges, known)
        account = self.outage.current(scope, policy)
        return self._try_acquire(account, policy, charges, known)

    def _try_acquire(
        self,
        account: Account,
        policy: Policy,
        charges: tuple[int, ...],
        known: StoreError | None,
    ) -> Plan[Decision]:
        now = yield Now()
        while known is not None or not self._is_gone(now):
            try:
                how = (policy, charges, known)
                decision = yield from self._together.decide(account, *how)
            except StoreUnavailable as error:
                now = yield Now()
                self._lost(error, account, now)
                if not self._may_go_on:
                    raise
                break
            if decision is not None:
                return decision
            known, now = None, (yield Now())
        return self._decide(account, charges, now)

    def overtaken(
        self,
        scope: Scope,
        policy: Policy,
        charges: tuple[int, ...],
        answer: Answer,
    ) -> Plan[Decision]:
        """Decide for a call that the store let go as an outage began."""
        account = self.outage.account(scope, policy)
        how = (policy, charges, answer, -inf)
        decision = yield from self._together.check(account, *how)
        if decision is None:
            decision = yield from self._try_acquire(account, policy, charges, None)
        return decision

    def _decide(
        self, account: Account, charges: tuple[int, ...], now: float
    ) -> Decision:
        """Decide by this process's share."""
        with self.outage.lock:
            moment, decides = now, -1
            if self._policy == "local":
                moment, decides = self._alone.fits(account, charges, now)
            if moment == inf:
                raise self._alone.no_share(account, decides)
            decision = self.outage.decision(account, now, moment, decides)
            if decision:
                self.outage.grant(account, charges, now)
            return decision

    def settle(
        self,
        scope: Scope,
        policy: Policy,
        booking: Booking,
        actual: tuple[int, ...],
    ) -> Plan[None]:
        """Post a true cost, now or when the store is back."""
        if isinstance(booking, LocalBooking):
            account = self.outage.account(scope, policy)
            rest = self.outage.settle(account, booking, actual)
            if rest is None:
                yield Stir(scope.key)
                return
            booking, actual = rest
        try:
            yield from _postings.settle(self._desk, scope, policy, booking, actual)
        except StoreUnavailable as error:
            if self._policy == "raise":
                raise
            # A call that may have arrived is sent again by the desk.
            if unheard_of(error) is None:
                self.amends.postpone(scope, policy, booking, actual)
            now = yield Now()
            self._lost(error, self.outage.account(scope, policy), now)

    @property
    def _may_go_on(self) -> bool:
        """Whether the store is gone, and a call may do without it."""
        may = self._reached or self._policy == "allow"
        return may and self._breaker().gone

    @property
    def _reached(self) -> bool:
        # Who never reached the store knows nothing of the account.
        return self._breaker().reached

    def _is_gone(self, now: float) -> bool:
        if self._may_go_on:
            return self.outage.out
        if self.outage.out and not self._breaker().gone:
            self.outage.back(now)
        return False

    def _lost(self, error: StoreUnavailable, account: Account, now: float) -> None:
        """Note that the store is gone."""
        self._alone.finding = error
        if self._breaker().gone:
            if self.outage.begin(now, self._breaker().asked):
                self.amends.noticed = (account.scope, account.policy)
        else:
            # Somebody had no time to wait for the answer: is there one?
            self.amends.doubted = (account.scope, account.policy)
        self._attend()
