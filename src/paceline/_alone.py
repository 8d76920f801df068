"""
Plans that do without the store: what ``on_outage=`` says, in place of its answer.

* "raise": StoreUnavailable
* "wait": the call waits for the store, until its own timeout
* "local": it goes on with this process's share (``_local``)
* "allow": it goes on
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias

from ._effects import Enter, Now, Plan, Sleep, Ticket, Wait
from ._errors import PacelineError, RateLimitExceeded, StoreUnavailable
from ._local import BUSY
from ._log import grace_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._decision import Decision
    from ._desk import Desk
    from ._outage import Outage
    from ._repayment import Account, LocalBooking
    from .stores._breaker import Breaker

OnOutage: TypeAlias = Literal["local", "raise", "wait", "allow"]
POLICIES: tuple[OnOutage, ...] = ("local", "raise", "wait", "allow")

# Seconds after which who waits looks whether the store is back.
_NAP = 0.25


class Alone:
    """
    One limiter without its store.

    Args:
        breaker: Returns what this process found out of the store.

    Attributes:
        finding: How the store was last found gone.
    """

    def __init__(
        self,
        policy: OnOutage,
        desk: Desk,
        breaker: Callable[[], Breaker],
        outage: Outage,
    ) -> None:
        self.policy: OnOutage = policy
        self.finding: StoreUnavailable | None = None
        self._desk = desk
        self._breaker = breaker
        self._outage = outage

    def acquire(
        self, account: Account, charges: tuple[int, ...], end: float
    ) -> Plan[LocalBooking | None]:
        """Go on without the store; None if it is back before the turn."""
        if self.policy == "allow":
            now = yield Now()
            with self._outage.lock:
                return self._outage.grant(account, charges, now)
        if self.policy == "wait":
            while self._breaker().gone:
                now = yield Now()
                if now >= end:
                    raise self._again()
                yield Sleep(min(_NAP, end - now))
            return None
        if not account.policy.leases:
            return (yield from self._local(account, charges, end))
        line = f"outage/{account.policy.account}"
        ticket = yield Enter(account.scope.key, line)
        try:
            while self._breaker().gone:
                now = yield Now()
                if ticket.first or now >= end:
                    return (yield from self._local(account, charges, end, ticket))
                yield Wait(ticket, min(_NAP, end - now))
        finally:
            ticket.leave()
        return None

    def _local(
        self,
        account: Account,
        charges: tuple[int, ...],
        end: float,
        ticket: Ticket | None = None,
    ) -> Plan[LocalBooking | None]:
        """Wait for a turn of this process's share."""
        outage, policy = self._outage, account.policy
        graces = [
            grace_of(limit)
            for limit, units in zip(policy.limits, charges, strict=True)
            if units
        ]
        grace = min(graces, default=0.1)
        while self._breaker().gone:
            now = yield Now()
            with outage.lock:
                moment, decides = self.fits(account, charges, now)
                booking = None
                late = grace if moment > now else 0.0
                if moment < BUSY and moment <= max(end, now):
                    booking = outage.grant(account, charges, moment, late)
            if booking is None and (moment < BUSY or now >= end):
                raise self.refusal(account, now, moment, decides, end)
            if booking is None:
                pause = min(_NAP, end - now)
                yield Wait(ticket, pause) if ticket else Sleep(pause)
                continue
            try:
                while now < moment and self._breaker().gone:
                    yield Sleep(min(moment - now, _NAP))
                    now = yield Now()
            except BaseException:
                with outage.lock:
                    outage.withdraw(account, booking, moment, late)
                raise
            if (moment <= now <= moment + grace and self._breaker().gone) or not late:
                return booking
            with outage.lock:
                outage.withdraw(account, booking, moment, late)
        return None

    def fits(
        self, account: Account, charges: tuple[int, ...], now: float
    ) -> tuple[float, int]:
        """Return when this process's share holds the charges; inf is never."""
        if not account.clients:
            return inf, -1  # it has hardly used the store: it has no share
        cool = self._desk.cools_until(account.scope, account.policy)
        moment, decides = self._outage.earliest(account, charges, max(now, cool))
        return moment, decides

    def _again(self) -> StoreUnavailable:
        found = self.finding or StoreUnavailable("the store is not there")
        return self._found(found.message)

    def _found(self, message: str) -> StoreUnavailable:
        found = self.finding
        if found is None:
            return StoreUnavailable(message)
        error = StoreUnavailable(message, code=found.code, hint=found.hint)
        error.__cause__ = found.__cause__
        return error

    def refusal(
        self,
        account: Account,
        now: float,
        moment: float,
        decides: int,
        end: float,
    ) -> PacelineError:
        """Make the error for a call whose turn comes too late, or never."""
        if moment == inf:
            return self.no_share(account, decides)
        with self._outage.lock:
            decision = self._outage.decision(account, now, moment, decides)
        return self._too_late(account, decision, end - now)

    def _too_late(
        self, account: Account, decision: Decision, left: float
    ) -> RateLimitExceeded:
        who = "/".join(filter(None, (account.scope.display, account.policy.account)))
        return RateLimitExceeded(
            f"this process's share of {decision.limit} of {who or 'this key'}, while "
            f"the store is gone, allows this call in {decision.retry_after:.3f} s; the "
            f"caller allowed at most {max(0.0, left):.3f} s more",
            decision=decision,
            hint='Bring the store back; or on_outage="wait" to wait for it.',
        )

    def no_share(self, account: Account, decides: int) -> StoreUnavailable:
        """Make the error for a call that can never go on without the store."""
        found = self.finding
        what = found.message if found else "the store is not there"
        why = "it has hardly used this account"
        if account.clients:
            name = account.policy.limits[decides].name if decides >= 0 else "a limit"
            why = f"its share of {name} cannot hold this cost"
        return self._found(f"{what}; this process cannot go on without it, for {why}")
