"""What is done when a store that was gone is back."""

from __future__ import annotations

import logging
from collections import deque
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from . import _postings, _wire
from ._calls import Booking, Scope
from ._effects import Now, Plan
from ._errors import StoreError, StoreUnavailable
from ._policy import Policy
from ._repayment import Account, Units, repay
from ._unheard import unheard_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._desk import Desk
    from ._local import Share
    from ._outage import Outage
    from .stores._breaker import Breaker

_log = logging.getLogger("paceline")

_MOST_POSTPONED = 10_000

Whose: TypeAlias = tuple[Scope, Policy]


class Amends:
    """
    What one limiter owes its store.

    Attributes:
        noticed: Whose call noticed that the store is gone.

        doubted: Whose call had no time to wait for an answer: is there one?

        told: Hears of whose account was charged, and what.
    """

    noticed: Whose | None
    doubted: Whose | None

    def __init__(
        self, desk: Desk, breaker: Callable[[], Breaker], outage: Outage
    ) -> None:
        self._desk = desk
        self._breaker = breaker
        self._outage = outage
        self.told: Callable[[Scope, Policy, Units], None] = _nobody
        self.forget()

    def forget(self) -> None:
        """Owe nothing: a fork does not pay for its parent."""
        self._postponed: deque[tuple[Scope, Policy, Booking, tuple[int, ...]]] = deque(
            maxlen=_MOST_POSTPONED
        )
        self.noticed = None
        self.doubted = None

    @property
    def owes(self) -> bool:
        """Whether there is something to do when the store is back."""
        return bool(self._postponed or self.doubted or self._outage.debtors())

    def postpone(
        self, scope: Scope, policy: Policy, booking: Booking, actual: tuple[int, ...]
    ) -> None:
        """Post a true cost later. The oldest are given up if there are very many."""
        self._postponed.append((scope, policy, booking, actual))

    def visit(self) -> Plan[None]:
        """See whether the store is back; if so, charge what was spent."""
        desk = self._desk
        doubted, self.doubted = self.doubted, None
        noticed = self.noticed if self._breaker().gone else doubted
        if noticed is not None:
            scope, policy = noticed
            # A write that changes nothing: a replica, too, would answer a question.
            yield _wire.encode_cool_down(scope, policy, 0, desk.almanac.clock())
        now = yield Now()
        self._outage.back(now)
        for owed in list(desk.owed):
            yield from _postings.recall(desk, owed.scope, inf)
        while self._postponed:
            yield from self._post()
        for account, shares in self._outage.debtors():
            yield from self._repay(account, shares)

    def _repay(self, account: Account, shares: tuple[Share, ...]) -> Plan[None]:
        try:
            units = yield from repay(self._desk.almanac, account, shares)
        except StoreUnavailable:
            raise
        except StoreError as error:
            # No waiting cures it.
            account.entries.clear()
            _log.warning("what was spent in an outage was not charged: %s", error)
        else:
            if any(units):
                self.told(account.scope, account.policy, units)

    def _post(self) -> Plan[None]:
        scope, policy, booking, actual = self._postponed[0]
        try:
            yield from _postings.settle(self._desk, scope, policy, booking, actual)
        except StoreUnavailable as error:
            if unheard_of(error) is not None:
                self._postponed.popleft()  # the desk sends it again
            raise
        except StoreError as error:
            _log.warning("a call's end was not posted: %s", error)
        self._postponed.popleft()


def _nobody(scope: Scope, policy: Policy, units: Units) -> None:
    """Hear nothing."""
