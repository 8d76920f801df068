"""
Plans that ask a store of which not all is known: it was gone, or just went.

It may answer while others have yet to charge what they spent without it. So for a
moment after an outage a process asks within its share only, and what an answer admits
to a call that an outage overtook must fit the share, too, or is given back.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from . import _plans, _turns
from ._calls import Request
from ._company import look_around
from ._effects import Now, Plan, Sleep
from ._errors import RateLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._alone import Alone
    from ._answer import Answer
    from ._caller import Begun
    from ._calls import Booking, Scope
    from ._decision import Decision
    from ._desk import Desk
    from ._errors import StoreError
    from ._outage import Outage
    from ._policy import Policy
    from ._repayment import Account
    from ._wish import Granted, Wish

# Seconds between two looks at how the others come back.
_NAP = 0.25


class Rejoining:
    """
    One limiter that asks its store.

    Args:
        alone: How it goes on without.

        settle: Posts what a permit of the store's cost, now or later.
    """

    def __init__(
        self,
        desk: Desk,
        outage: Outage,
        alone: Alone,
        settle: Callable[[Scope, Policy, Booking, tuple[int, ...]], Plan[None]],
    ) -> None:
        self.desk = desk
        self._outage = outage
        self._alone = alone
        self._settle = settle
        self._shares = alone.policy == "local"

    def acquire(
        self,
        account: Account,
        policy: Policy,
        charges: tuple[int, ...],
        wish: Wish,
        times: tuple[float, float],
        begun: Begun | None,
    ) -> Plan[Granted | None]:
        """
        Wait for a turn of the store's; None if it was given back.

        Args:
            times: When the caller asked, and when it gives up.

            begun: As of ``_turns.acquire``.
        """
        start, end = times
        now = yield Now()
        while begun is None and self._outage.settling(account, now):
            moment, decides = self._outage.hold(account, charges, now)
            denied = None
            if moment <= now:
                asks = (account.scope, policy, charges, replace(wish, timeout=0.0))
                try:
                    return (yield from _turns.acquire(self.desk, *asks))
                except BaseException as error:
                    self._outage.drop(account, charges, now)
                    if not isinstance(error, RateLimitExceeded):
                        raise
                    denied, moment = error, now + error.decision.retry_after
            if moment > end:
                raise denied or self._alone.refusal(account, now, moment, decides, end)
            moment = min(moment, self._outage.settled)
            yield Sleep(max(0.001, min(moment - now, _NAP)))
            now = yield Now()
        if begun is None:
            if self._shares:
                yield from look_around(self.desk, self._outage, account, now)
            now = yield Now()
            left = wish.timeout if wish.timeout is None else max(0.0, end - now)
            wish = replace(wish, timeout=left)
        asks = (account.scope, policy, charges, wish)
        granted = yield from _turns.acquire(self.desk, *asks, begun)
        fits = yield from self._fits(account, policy, charges, granted.booking, start)
        return granted if fits else None

    def decide(
        self,
        account: Account,
        policy: Policy,
        charges: tuple[int, ...],
        known: StoreError | None,
    ) -> Plan[Decision | None]:
        """
        Ask for now; None if what was admitted was given back.

        Args:
            known: As of ``_plans.decide``.
        """
        start = yield Now()
        settling = known is None and self._outage.settling(account, start)
        if settling:
            moment, decides = self._outage.hold(account, charges, start)
            if moment > start:
                return self._outage.decision(account, start, moment, decides)
        try:
            # One that lost its data would say that there is nobody else.
            if known is None and not settling and self._shares:
                yield from look_around(self.desk, self._outage, account, start)
            asks = (account.scope, Request(policy, charges, 0), inf, known)
            answer = yield from _plans.decide(self.desk, *asks)
        except BaseException:
            if settling:
                self._outage.drop(account, charges, start)
            raise
        if settling and not answer.decision:
            self._outage.drop(account, charges, start)
        if settling or not answer.decision:
            return answer.decision
        return (yield from self.check(account, policy, charges, answer, start))

    def check(
        self,
        account: Account,
        policy: Policy,
        charges: tuple[int, ...],
        answer: Answer,
        start: float,
    ) -> Plan[Decision | None]:
        """Return what was decided for now; None if it was given back."""
        booking = answer.booking
        if booking is None:
            return answer.decision
        fits = yield from self._fits(account, policy, charges, booking, start)
        return answer.decision if fits else None

    def _fits(
        self,
        account: Account,
        policy: Policy,
        charges: tuple[int, ...],
        booking: Booking,
        start: float,
    ) -> Plan[bool]:
        """Note a permit of the store's, or give it back."""
        now = yield Now()
        if not self._shares:
            self._outage.used(account, now, charges)
            return True
        if self._outage.has_room(account, charges, start, now):
            return True
        nothing = (0,) * len(charges)
        yield from self._settle(account.scope, policy, booking, nothing)
        return False
