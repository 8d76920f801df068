"""Who else uses an account: how many processes there are, and what they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._effects import Now, Plan
from ._facts import decode_clients, encode_clients

if TYPE_CHECKING:
    from ._desk import Desk
    from ._ledger import Ledger
    from ._repayment import Account


def look_around(desk: Desk, ledger: Ledger, account: Account, now: float) -> Plan[None]:
    """Learn how many processes there are, and what they tell, if it is time to."""
    scope, policy = account.scope, account.policy
    name = (scope.key, policy.account)
    if name in desk.doubts:
        desk.doubts.discard(name)
        account.doubt()
    life_us = ledger.wants_count(account, now)
    if life_us:
        clock = desk.almanac.clock()
        reply = yield encode_clients(scope, policy, life_us, clock)
        count, known = decode_clients(reply)
        account.clients = max(1, count)
        now = yield Now()
        desk.learn(scope, policy, known, now)
