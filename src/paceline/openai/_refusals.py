"""What a refusal by the provider sets off: for this call, this process, and all."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from paceline._errors import PacelineError
from paceline._provider.classify import OVERLOADED, TOO_MANY, Kind, Refusal, classify

from . import _errors
from ._effects import Now, Plan, Read, Verb
from ._pace import cool_down
from ._tell import slowed, tell_gait, unpaid

if TYPE_CHECKING:
    from ._account import Account
    from ._site import Priced, Site

_log = logging.getLogger("paceline")


def react(
    site: Site, account: Account, priced: Priced, response: Any, dice: float
) -> Plan[None]:
    """
    Understand an error status, and act on it.

    Args:
        dice: A random number from 0 to 1, for the jitter.
    """
    if response.status_code not in {TOO_MANY, *OVERLOADED}:
        return
    yield Read(response)
    status, headers = response.status_code, response.headers
    refusal = classify(status, headers, response.content, time.time())
    if refusal is None:
        return
    now = yield Now()
    if refusal.kind is Kind.NO_QUOTA:
        yield from unpaid(site, account, now, (refusal.code, refusal.message))
        error = _errors.quota_exhausted(refusal.code, refusal.message, response)
        _errors.raising(response, error)
    elif refusal.kind is Kind.TOO_LARGE:
        account.too_large(priced.cost, now, refusal.message)
        _errors.raising(response, _errors.too_large_upstream(refusal, response))
    else:
        yield from share_cool_down(site, account, refusal, now, dice)


def share_cool_down(
    site: Site, account: Account, refusal: Refusal, now: float, dice: float
) -> Plan[float]:
    """Let nobody call for as long as the server asks and a little longer; return it."""
    seconds = cool_down(refusal.wait, dice)
    share = 1.0
    with account.lock:
        if refusal.kind is Kind.SLOW_DOWN:
            account.pace.slow_down(now)
        else:
            share = account.gait.refused(now, now + seconds)
        account.pace.refused(now, seconds, refusal.refill)
    try:
        why = {"refused": refusal.status == TOO_MANY}
        yield Verb(site.limiter, "cool_down", (account.key, seconds), why)
    except PacelineError as failure:
        # This process keeps to it all the same, by its own pace.
        _log.warning("%s: a cool-down was not shared: %s", account.key.label, failure)
    if refusal.kind is Kind.SLOW_DOWN:
        yield from slowed(site, account, now)
    else:
        yield from tell_gait(site, account, now, share)
    return seconds
