"""
What a limiter remembers for an outage, and what it grants on its own in one.

Everything here is of this process: no I/O, no clock. ``_survival`` has the plans.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from ._answer import COOL_DOWN
from ._decision import Decision, LimitStatus
from ._ledger import Ledger, Place, places
from ._limits import Concurrency
from ._local import BUSY, FRESH, Known, Share, open_share
from ._log import span_of
from ._repayment import Account, LocalBooking, as_known, paid_booking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._calls import Booking, Post, Scope
    from ._limits import Limit
    from ._policy import Policy
    from ._reply import Answer

    Seen = tuple[Answer | None, float]
    Holds = list[tuple[Policy, Limit, Post]]

# Seconds for which a process that is back keeps to its share: longer than any other
# takes to find out, too (stores/_breaker, LAST_PAUSE, and a visit in vain), and to
# charge what it spent, call by call, on a host that is busy.
SETTLING = 5.0

# A window is charged what was spent of it in about so many calls.
_PARTS = 60

_MOST_ROUNDS = 32


class Outage(Ledger):
    """
    Accounts as this process knows them, and its shares while the store is gone.

    Args:
        held: How many places this process holds in the store, of a scope and limit.

        seen: Returns the store's last answer about an account, and when it came.
    """

    def __init__(
        self, held: Callable[[Place], int], seen: Callable[[Scope, Policy], Seen]
    ) -> None:
        self._held = held
        self._seen = seen
        self.forget()

    def forget(self) -> None:
        """Know nothing: what a parent of a fork knows is not its child's to use."""
        super().forget()
        self._shares: dict[Place, Share] = {}
        self._began = self._gone = self._noticed = 0.0
        self.calm = True

    def begin(self, now: float, gone: float) -> bool:
        """
        Note that the store is gone; tell whether that is news.

        Args:
            gone: When the call was asked for that found it so.
        """
        with self.lock:
            if self.out:
                return False
            self.out, self.calm, self._noticed = True, False, now
            if now >= self.settled:
                self._began, self._gone = now, min(now, gone)
                self._shares.clear()
                for account in self._accounts.values():
                    account.sort()
            return True

    def back(self, now: float) -> None:
        """Note that the store is back."""
        with self.lock:
            if self.out:
                self.out, self.settled = False, now + SETTLING

    def settling(self, account: Account, now: float) -> bool:
        """Tell whether to keep to the share, for others may not be back yet."""
        self.calm = not self.out and now >= self.settled
        return now < self.settled and (account.clients > 1 or account.owes)

    def is_overtaken(self, start: float, now: float) -> bool:
        """
        Tell whether an outage began since a moment, and is not over for all.

        The store's answer to a call of that age may come from one that does not know
        what was spent without it.
        """
        return start <= self._noticed and (self.out or now < self.settled)

    def has_room(
        self, account: Account, charges: Sequence[int], start: float, now: float
    ) -> bool:
        """
        Note a permit of the store's, if it fits what was spent without it.

        Noting and looking are one: what fits is used up for those who come with it.
        """
        with self.lock:
            others = account.clients > 1 or account.owes
            if others and self.is_overtaken(start, now):
                return self.hold(account, charges, now)[0] <= now
            self.used(account, now, tuple(charges))
            return True

    def hold(
        self, account: Account, charges: Sequence[int], now: float
    ) -> tuple[float, int]:
        """Use the shares for the store's answer, if it is now that the charges fit."""
        with self.lock:
            moment, decides = self.earliest(account, charges, now)
            if moment <= now:
                for i, share in self._open_shares(account):
                    share.book(now, charges[i])
            return moment, decides

    def drop(self, account: Account, charges: Sequence[int], moment: float) -> None:
        """Give back what was held for an answer that admits nobody."""
        with self.lock:
            for i, share in self._open_shares(account):
                share.undo(moment, charges[i])

    def debtors(self) -> list[tuple[Account, tuple[Share, ...]]]:
        """Return the accounts that are to be charged."""
        with self.lock:
            return [
                (account, self.shares(account, self._began))
                for account in self._accounts.values()
                if account.entries
            ]

    def shares(self, account: Account, now: float) -> tuple[Share, ...]:
        """Return this process's shares; those that are not open yet begin now."""
        shares = []
        for i, place in enumerate(places(account.scope, account.policy)):
            if place not in self._shares:
                self._shares[place] = self._open(account, i, place, now)
            shares.append(self._shares[place])
        return tuple(shares)

    def _open(self, account: Account, i: int, place: Place, now: float) -> Share:
        limit = account.policy.limits[i]
        answer, heard = self._seen(account.scope, account.policy)
        remaining, until, others = 0, now, limit.capacity
        statuses = answer.decision.statuses if answer is not None else ()
        status = next((each for each in statuses if each.name == limit.name), None)
        if status is not None:
            until = heard + status.reset_after
            used = status.capacity - status.remaining
            left = min(status.remaining, max(0, limit.capacity - used))
            remaining = left if now - heard <= FRESH else 0
            others = max(0, used - account.logs[i].used(heard))
        log, clients = account.logs[i], max(1, account.clients)
        used = log.used(min(now, self._gone))
        known = Known(log, used, clients, others, remaining, until)
        return open_share(limit, known, now, lambda: self._held(place))

    def earliest(
        self, account: Account, charges: Sequence[int], now: float
    ) -> tuple[float, int]:
        """Return when the charges fit, and the limit that decides: -1 is none."""
        shares = self.shares(account, now)
        for share in shares:
            share.tick(now)
        moment, decides = now, -1
        for _ in range(_MOST_ROUNDS):
            last = moment
            for i, (share, units) in enumerate(zip(shares, charges, strict=True)):
                fits = share.earliest(moment, units) if units else moment
                if fits > moment:
                    moment, decides = fits, i
                if moment >= BUSY:
                    return moment, decides
            if moment == last:
                break
        return moment, decides

    def grant(
        self,
        account: Account,
        charges: tuple[int, ...],
        moment: float,
        late: float = 0.0,
    ) -> LocalBooking:
        """Book charges at a moment; they may be used so much later."""
        for share, units in zip(self.shares(account, moment), charges, strict=True):
            share.book(moment, units, late)
        # Entries grow with the outage, so that there are never very many.
        shortest = min(map(span_of, account.policy.limits))
        width = max(0.02, shortest / _PARTS, (moment - self._began) / 200)
        return account.spend(moment + late, charges, width)

    def withdraw(
        self, account: Account, booking: LocalBooking, moment: float, late: float
    ) -> None:
        """Take a booking back that nobody used."""
        charges = tuple(post.units for post in booking.posts)
        for share, units in zip(self.shares(account, moment), charges, strict=True):
            share.undo(moment, units, late)
        account.adjust(booking.entry, tuple(-units for units in charges))

    def settle(
        self, account: Account, booking: LocalBooking, actual: tuple[int, ...]
    ) -> tuple[Booking, tuple[int, ...]] | None:
        """
        Post the true cost of a permit that was granted here.

        Returns the booking and cost to post to the store, if it is charged already.
        """
        with self.lock:
            entry = booking.entry
            pairs = zip(actual, booking.posts, strict=True)
            changes = [new - post.units for new, post in pairs]
            self._give_places_back(account, changes)
            if entry.posts:
                return paid_booking(account.policy, booking, actual)
            if entry.closed:
                # Under way to the store: more is charged later, less not given back.
                more = tuple(max(0, change) for change in changes)
                if any(more):
                    account.spend(entry.moment, more, 0.0)
                return None
            for i, share in self._open_shares(account):
                if changes[i] > 0:
                    share.book(entry.moment, changes[i])
                elif changes[i] < 0:
                    share.undo(entry.moment, -changes[i])
            account.adjust(entry, tuple(changes))
            return None

    def _open_shares(self, account: Account) -> Iterator[tuple[int, Share]]:
        """Yield the shares that count units, and which limits they are of."""
        for i, place in enumerate(places(account.scope, account.policy)):
            held = isinstance(account.policy.limits[i], Concurrency)
            if place in self._shares and not held:
                yield i, self._shares[place]

    def _give_places_back(self, account: Account, changes: Sequence[int]) -> None:
        for i, place in enumerate(places(account.scope, account.policy)):
            held = isinstance(account.policy.limits[i], Concurrency)
            if held and changes[i] < 0 and place in self._shares:
                self._shares[place].undo(0.0, -changes[i])

    def registered(self, scope: Scope, holds: Holds) -> Holds:
        """Return places to renew; those that were taken here are registered so."""
        epochs: dict[str, str] = {}
        with self.lock:
            for account in self._accounts.values():
                if account.scope.key == scope.key:
                    epochs |= account.epochs
        return [
            (policy, limit, as_known(policy, limit, post, epochs))
            for policy, limit, post in holds
        ]

    def decision(
        self, account: Account, now: float, moment: float, decides: int
    ) -> Decision:
        """Return a decision for now, by this process's shares."""
        limits = account.policy.limits
        statuses = tuple(
            LimitStatus(
                limit.name, limit.unit, limit.capacity, share.left(now), span_of(limit)
            )
            for limit, share in zip(limits, self.shares(account, now), strict=True)
        )
        if moment <= now:
            return Decision(
                allowed=True, retry_after=0.0, limit=None, statuses=statuses
            )
        retry = moment - now
        if moment == inf:
            retry = span_of(limits[decides]) if decides >= 0 else SETTLING
        elif moment >= BUSY:
            # Whoever holds the place may take as long as a lease.
            retry = span_of(limits[decides])
        name = limits[decides].name if decides >= 0 else COOL_DOWN
        return Decision(allowed=False, retry_after=retry, limit=name, statuses=statuses)
