"""
What processes tell each other of a provider's account, through the store.

The ratio of tokens to bytes and whether unused tokens come back, so that a new process
starts with them; "slow_down" and unpaid bills, so that all obey. Facts are looked up
once a second at most, before a call; limits do not depend on them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from paceline import _plans
from paceline._corrections import figure, limit_fact
from paceline._errors import PacelineError
from paceline._facts import GIVES_BACK, Fact, Known

from ._effects import Now, Plan, Verb

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from paceline import Key, RateLimiter
    from paceline._limits import Limit

    from ._account import Account
    from ._site import Site

_log = logging.getLogger("paceline")

RATIO, SLOW, PAUSE = "ratio", "slow", "pause"

# What was learnt holds for a week, and is told again when a day of it has gone.
_LEARNT, _REFRESH = 7 * 86_400.0, 6 * 86_400.0
# A store that does not answer is left alone for so long.
_RETRY = 30.0
# Ratios this close are the same.
_SAME = 0.02
_MOST_CODE = 60
_HEARD = "the provider told another process so"


class Board:
    """Where the facts of an account are told and read: a verb with its twin."""

    def __init__(self, limiter: RateLimiter, key: Key) -> None:
        # Facts are no part of the public API.
        self._engine = limiter._engine  # noqa: SLF001
        self._key = key

    def tell(self, facts: Sequence[Fact]) -> Mapping[str, Known]:
        """Tell facts, and return all that are kept."""
        return self._engine.run(self._plan(facts))

    async def tell_async(self, facts: Sequence[Fact]) -> Mapping[str, Known]:
        """Do as :meth:`tell` does, on the running event loop."""
        return await self._engine.run_async(self._plan(facts))

    def _plan(self, facts: Sequence[Fact]) -> Generator[Any, Any, Mapping[str, Known]]:
        scope, policy = self._engine.lookup(self._key)
        return (yield from _plans.tell(self._engine.desk, scope, policy, facts))


def meet(site: Site, account: Account) -> Plan[None]:
    """Exchange facts with the other processes, if that is due."""
    now = yield Now()
    if _shares(site) and account.may_meet(now):
        yield from _exchange(site, account, now, ())


def _shares(site: Site) -> bool:
    # A stand-in for tests has no store.
    return site.limiter._engine.shares  # noqa: SLF001


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
    if not _shares(site):
        return
    with account.lock:
        learnt = news(account)
    board = Board(site.limiter, account.key)
    try:
        known = yield Verb(board, "tell", ([*facts, *learnt],))
    except PacelineError as failure:
        account.meet_later(now + _RETRY)
        _log.debug("%s: facts were not shared: %s", account.key.label, failure)
        return
    account.look_up(site.limiter)
    with account.lock:
        adopt(account, known, now)
    if PAUSE in known:
        code, seconds = known[PAUSE]
        if site.accounts.paused(account.key, now) is None:
            site.accounts.pause(account.key, now, code, _HEARD, seconds)


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


def _window(limit: Limit) -> tuple[str, float]:
    return limit.unit, getattr(limit, "per", 0.0)


def adopt(account: Account, known: Mapping[str, Known], now: float) -> None:
    """Take what others told."""
    if RATIO in known:
        account.ratio.adopt(float(known[RATIO].value))
    if GIVES_BACK in known and not account.refunds.shown:
        account.refunds.shown = True
        _log.info("%s: unused tokens are given back", account.key.label)
    if SLOW in known:
        account.pace.follow(now, known[SLOW].seconds)
    account.told = known
