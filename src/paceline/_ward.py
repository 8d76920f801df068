"""An engine as one that has a store to look after, which may be gone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from ._errors import PacelineError
from ._ledger import places
from ._repayment import LocalBooking

if TYPE_CHECKING:
    from ._amends import Whose
    from ._attendant import Attendant
    from ._calls import Scope
    from ._desk import Desk
    from ._effects import Plan
    from ._heartbeat import Heartbeat
    from ._ledger import Place
    from ._policy import Cost, Policy
    from ._reply import Answer
    from ._survival import Survival
    from ._wish import Granted, Wish
    from .stores import Store
    from .stores._breaker import Breaker


class Warden(ABC):
    """What an engine does for a store that is gone, and of which it was heard last."""

    heartbeat: Heartbeat
    _attendant: Attendant
    _desk: Desk
    _store: Store
    _survival: Survival

    @abstractmethod
    def _run_seen(self, plan: Plan[None], whose: Whose | None) -> None:
        """Drive a plan, blocking; whoever is told of events sees it."""

    @property
    def breaker(self) -> Breaker:
        """What this process found out of the store."""
        return self._store.breaker

    @property
    def owes(self) -> bool:
        """Whether something is to do when a store that was gone is back."""
        return self._survival.amends.owes

    def grant(
        self, scope: Scope, policy: Policy, cost: Cost, wish: Wish
    ) -> Plan[Granted]:
        """Plan to wait for a permit, seen by nobody."""
        return self._survival.acquire(scope, policy, policy.charges(cost), wish)

    def last_seen(self, scope: Scope, policy: Policy) -> tuple[Answer | None, float]:
        """Return the store's last answer about an account, and when it came."""
        sight = self._desk.seen.get((scope.key, policy.account))
        return (sight[0], sight[1]) if sight else (None, 0.0)

    def held(self, place: Place) -> int:
        """Return how many places this process holds in the store."""
        return sum(
            place in places(permit.scope, permit.policy)
            for permit in self.heartbeat.permits()
            if not isinstance(permit.booking, LocalBooking)
            or any(post.moment for post in permit.booking.posts)
        )

    def visit(self) -> None:
        """See whether a store that was gone is back; if so, charge what was spent."""
        amends = self._survival.amends
        plan, noticed = amends.visit(), amends.noticed
        self._run_seen(plan, noticed)

    def last_visit(self) -> None:
        self._attendant.stop()
        if self.owes and not self.breaker.gone:
            with suppress(PacelineError):
                self.visit()

    def forked(self) -> None:
        """Forget what is the parent's: its outages, and what it owes."""
        self._survival.forget()
        self._desk.owed.clear()
