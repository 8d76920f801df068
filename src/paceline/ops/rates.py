"""How fast a limit is used, from two looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._limits import TokenBucket
from .._state import UNIT

if TYPE_CHECKING:
    from .._standing import Standing
    from .accounts import Account, Look


def rates(before: Look, after: Look) -> dict[tuple[str, str, str], float]:
    """
    Return units per second by scope's tag, account's field and limit's tag.

    Limits that keep no count, and accounts that were not there before, have none; for
    the others it may be unknown this time.
    """
    seconds = (after.now_us - before.now_us) / 1_000_000
    if seconds <= 0:
        return {}
    earlier = dict(_accounts(before))
    found = {}
    for (tag, field), account in _accounts(after):
        old = earlier.get((tag, field))
        if old is None or old.epoch != account.epoch:
            continue
        known = {each.limit.tag: each for each in old.standings}
        for each in account.standings:
            if each.limit.tag in known:
                units = spent(known[each.limit.tag], each, seconds)
                if units is not None:
                    found[tag, field, each.limit.tag] = units / seconds
    return found


def _accounts(look: Look) -> list[tuple[tuple[str, str], Account]]:
    return [
        ((scope.tag, account.field), account)
        for scope in look.scopes
        for account in scope.accounts
    ]


def spent(before: Standing, after: Standing, seconds: float) -> float | None:
    """
    Return the units that were booked in between, refunds taken off.

    Of a bucket, what drained is known from its rate; if it was empty for a while in
    between, this is the least that it may have been.
    """
    limit = after.limit
    if isinstance(limit, TokenBucket):
        drained = limit.rate * seconds / limit.per * UNIT
        left = max(0.0, before.debt - drained)
        # What is worked out from a rate is no more exact than that.
        return round(max(0.0, after.debt - left) / UNIT, 3)
    if after.odometer is None or before.odometer is None:
        return None
    units = after.odometer - before.odometer
    # A count that went back had more refunds than bookings, or was begun anew.
    return units if units >= 0 else None
