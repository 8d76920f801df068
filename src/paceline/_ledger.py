"""Accounts as this process knows them: what it used, and how many others there are."""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from . import _wire
from ._limits import SECOND_US
from ._log import Log, span_of
from ._repayment import Account

if TYPE_CHECKING:
    from ._calls import Scope
    from ._policy import Policy

Place: TypeAlias = tuple[str, tuple[str, str]]

# How many processes there are is asked for at most twice in the shortest window, within
# these seconds.
_LEAST_COUNT, _MOST_COUNT = 1.0, 10.0

# The store is asked who was there for so many seconds: the longest window, within this.
_LEAST_LIFE, _MOST_LIFE = 60.0, 600.0

_MOST_ACCOUNTS = 10_000


class Ledger:
    """
    The accounts of one limiter.

    Attributes:
        out: Whether the store is gone.

        settled: Until when, after an outage, a process keeps to its share.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing: what a parent of a fork knows is not its child's to use."""
        self.lock = threading.RLock()
        self._accounts: dict[tuple[str, str], Account] = {}
        self._logs: dict[Place, Log] = {}
        self.out = False
        self.settled = -inf

    def account(self, scope: Scope, policy: Policy) -> Account:
        """Return what is known of an account."""
        name = (scope.key, policy.account)
        known = self._accounts.get(name)
        if known is not None and (
            known.policy is policy or known.policy.is_alike(policy)
        ):
            return known
        with self.lock:
            if known is not None and known.entries:
                # It was of other limits, and is yet to be charged.
                self._accounts[scope.key, f"{policy.account}\0{id(known)}"] = known
            if len(self._accounts) >= _MOST_ACCOUNTS and not self.out:
                debtors = {k: a for k, a in self._accounts.items() if a.entries}
                self._accounts, self._logs = debtors, {}
            logs = tuple(
                self._logs.setdefault(place, Log(span_of(limit)))
                for place, limit in zip(
                    places(scope, policy), policy.limits, strict=True
                )
            )
            if known is self._accounts.get(name):
                self._accounts[name] = Account(scope, policy, logs)
            return self._accounts[name]

    def current(self, scope: Scope, policy: Policy) -> Account:
        """Return an account that goes by these figures from now on."""
        account = self.account(scope, policy)
        account.policy = policy
        return account

    def used(self, account: Account, now: float, charges: tuple[int, ...]) -> None:
        """Note a permit of the store's that is used now."""
        if account.note(now, charges) or self.out or now < self.settled:
            with self.lock:
                account.sort()

    def wants_count(self, account: Account, now: float) -> int:
        """Return for how many us to look back for clients; 0 is not now."""
        if not account.due:
            return 0
        account.due, account.calls = False, 0
        shortest = min(map(span_of, account.policy.limits))
        account.pause = min(max(shortest / 2, _LEAST_COUNT), _MOST_COUNT)
        if account.clients and now - account.counted < account.pause:
            return 0
        account.counted = now
        longest = max(map(span_of, account.policy.limits))
        return round(min(max(longest, _LEAST_LIFE), _MOST_LIFE) * SECOND_US)


def places(scope: Scope, policy: Policy) -> list[Place]:
    """Name the state of each limit of a policy."""
    return [(scope.key, _wire.place(policy, limit)) for limit in policy.limits]
