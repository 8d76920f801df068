"""
What processes tell each other of a provider's account, through the store.

The ratio of tokens to bytes and whether unused tokens come back, so that a new process
starts with them; "slow_down" and unpaid bills, so that all obey. Facts are looked up
once a second at most, before a call; limits do not depend on them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from paceline._corrections import figure, limit_fact
from paceline._errors import PacelineError
from paceline._facts import GIVES_BACK, Fact, Known

from ._effects import Now, Plan, Verb
from ._gait import LIFE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline._limits import Limit, SlidingWindow

    from ._account import Account
    from ._site import Site

_log = logging.getLogger("paceline")

RATIO, SLOW, PAUSE, GAIT = "ratio", "slow", "pause", "gait"

# What was learnt holds for a week, and is told again when a day of it has gone.
_LEARNT, _REFRESH = 7 * 86_400.0, 6 * 86_400.0
# A store that does not answer is left alone for so long.
_RETRY = 30.0
# Ratios this close are the same.
_SAME = 0.02
_MOST_CODE = 60
_HEARD = "the provider told another process so"


def meet(site: Site, account: Account, now: float) -> Plan[None]:
    """Exchange facts with the other processes, if that is due."""
    if account.may_meet(now):
        yield from _exchange(site, account, now, ())
        with account.lock:
            share = account.gait.step(now)
        if share is not None:
            yield from tell_gait(site, account, now, share)


def hear_of_refusals(site: Site, account: Account) -> Plan[None]:
    """Ask how fast to go, if the store spoke of a cool-down that is news."""
    cooled = site.limiter.cooled(account.key)
    with account.lock:
        news = cooled and account.gait.is_new(cooled)
    if news:
        now = yield Now()
        yield from _exchange(site, account, now, ())


def tell_gait(site: Site, account: Account, now: float, share: float) -> Plan[None]:
    """Let all processes go at a share of the rate; 1.0 is as the limiter says."""
    fact = Fact(GAIT, f"{share:.4f}", LIFE if share < 1.0 else 0.0)
    yield from _exchange(site, account, now, (fact,))


def found_out(site: Site, account: Account) -> Plan[bool]:
    """Tell whether limits that were to be learnt are known by now, to anybody."""
    account.look_up(site.limiter)
    if account.starts:
        now = yield Now()
        yield from _exchange(site, account, now, ())
    return not account.starts


def discover(
    site: Site, account: Account, found: Sequence[tuple[SlidingWindow, int]]
) -> Plan[None]:
    """
    Let all processes know limits that nobody configured.

    Args:
        found: Each with the units that are used of it. They are charged first.
    """
    for window, _ in found:
        account.limits.known[window.unit, window.per] = window.limit
    try:
        facts = yield Verb(site.limiter, "introduce", (account.key, found))
    except PacelineError as failure:
        _log.debug("%s: limits were not shared: %s", account.key.label, failure)
        return
    now = yield Now()
    yield from _exchange(site, account, now, facts)


def slowed(site: Site, account: Account, now: float) -> Plan[None]:
    """Let the others slow down as this process did."""
    left = account.pace.recovery(now)
    yield from _exchange(site, account, now, (Fact(SLOW, "1", left),))


def unpaid(
    site: Site, account: Account, now: float, words: tuple[str, str]
) -> Plan[None]:
    """Let all models and processes leave a scope alone whose bill must be paid."""
    seconds = site.accounts.pause(account.key, now, *words)
    # The provider's text stays here: nobody knows what it says of the key.
    code = words[0] if words[0].isidentifier() and words[0].isascii() else ""
    fact = Fact(PAUSE, code[:_MOST_CODE], seconds, everywhere=True)
    yield from _exchange(site, account, now, (fact,))


def _exchange(
    site: Site, account: Account, now: float, facts: Sequence[Fact]
) -> Plan[None]:
    open_ = site.refund == "shown" and not account.refunds.shown
    with account.lock:
        learnt = news(account)
        learnt += account.epochs.facts(now) if open_ else ()
    try:
        known = yield Verb(site.limiter, "exchange", (account.key, [*facts, *learnt]))
    except PacelineError as failure:
        account.meet_later(now + _RETRY)
        _log.debug("%s: facts were not shared: %s", account.key.label, failure)
        return
    account.look_up(site.limiter)
    heard = yield Now()
    with account.lock:
        adopt(account, known, now)
        proved = open_ and account.epochs.meet(known, now, heard)
        if proved:
            come_back(account)
    if PAUSE in known:
        code, seconds = known[PAUSE]
        if site.accounts.paused(account.key, now) is None:
            site.accounts.pause(account.key, now, code, _HEARD, seconds)
    if proved:
        yield from _exchange(site, account, heard, ())  # the others wait for it


def news(account: Account) -> list[Fact]:
    """Return what this process has learnt and the store does not know yet."""
    ratio, told = account.ratio, account.told
    facts = []
    if ratio.seen:
        known = told.get(RATIO)
        if (
            known is None
            or known.seconds < _REFRESH
            or abs(float(known.value) / ratio.value - 1) > _SAME
        ):
            facts.append(Fact(RATIO, f"{ratio.value:.4f}", _LEARNT))
    if account.refunds.shown:
        known = told.get(GIVES_BACK)
        if known is None or known.seconds < _REFRESH:
            facts.append(Fact(GIVES_BACK, "1", _LEARNT))
    for limit in account.own:
        # Only what is corrected, and what the headers say by now.
        name, seen = limit_fact(limit), account.limits.known.get(_window(limit))
        known = told.get(name)
        stale = known is None or known.seconds < _REFRESH
        if limit.configured is not None and seen == figure(limit) and stale:
            facts.append(Fact(name, str(seen), _LEARNT))
    return facts


def come_back(account: Account) -> None:
    """Take it for proved that unused tokens come back."""
    if not account.refunds.shown:
        account.refunds.shown = True
        _log.info("%s: unused tokens are given back", account.key.label)


def _window(limit: Limit) -> tuple[str, float]:
    return limit.unit, getattr(limit, "per", 0.0)


def adopt(account: Account, known: Mapping[str, Known], now: float) -> None:
    """Take what is kept: what others told, and this process."""
    if RATIO in known:
        account.ratio.adopt(float(known[RATIO].value))
    if GIVES_BACK in known:
        come_back(account)
    if SLOW in known:
        account.pace.follow(now, known[SLOW].seconds)
    if GAIT not in known:
        account.gait.forget()
    elif account.gait.adopt(float(known[GAIT].value), known[GAIT].seconds, now):
        # Who was let go at the full rate and has not left yet queues anew.
        account.pace.alarms += 1
    account.told = known
