"""
Listen to the headers of answers: what they teach, and what our account owes theirs.

What remains at the provider only ever tightens our account, with the public verbs: the
units that ours has more are acquired, without waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from paceline._corrections import configured, figure
from paceline._errors import PacelineError
from paceline._limits import MOST_WINDOW, SlidingWindow, TokenBucket
from paceline._provider.feedback import Reading

from ._effects import Now, Plan, Verb
from ._gait import Level
from ._learn import Answered, gap
from ._tell import discover

if TYPE_CHECKING:
    from paceline._decision import LimitStatus
    from paceline._limits import Limit
    from paceline._provider.usage import Usage

    from ._account import Account
    from ._site import Priced, Site

_log = logging.getLogger("paceline")
# One look a second, whatever the rate of calls, costs nobody anything.
_EVERY = 1.0
_NEAR = 1.6
# Answers without a limit, where it is to be learnt, after which a warning is due.
_SILENT = 5


def hear(
    site: Site, account: Account, said: Iterable[Reading], sent: float, now: float
) -> Plan[None]:
    """
    Compare our account with the provider's, once a second, and tighten ours.

    Args:
        sent: When the request was sent: what was said is no older.

        now: When the answer came.
    """
    said = [each for each in said if not each.project]
    account.look_up(site.limiter)
    if account.learns:
        yield from _learn(site, account, said, now)
    for reading in said:
        with account.lock:
            correction = _judge(account, reading, now)
        if correction is not None:
            yield from _correct(site, account, *correction)
    pairs = [
        (reading, limit)
        for reading in said
        if reading.remaining is not None
        and (limit := same_limit(reading, account.configured)) is not None
    ]
    with account.lock:
        for reading, limit in pairs:
            account.gait.saw(limit.name, level(reading, limit, now))
    if not pairs or not account.may_look(now, _EVERY):
        return
    pairs = [(replace(each, per=float(limit.per)), limit) for each, limit in pairs]
    try:
        statuses = yield Verb(site.limiter, "peek", (account.key,))
        now = yield Now()
        charge = _owed(pairs, statuses, now - sent)
        if charge:
            cost = dict.fromkeys(account.units, 0) | charge
            yield Verb(site.limiter, "try_acquire", (account.key, cost))
            _log.debug("%s: others used %s", account.key.label, charge)
    except PacelineError as failure:
        _log.debug("%s: accounts not compared: %s", account.key.label, failure)


def count(
    site: Site,
    account: Account,
    said: Iterable[Reading],
    priced: Priced,
    sent: float,
    heard: float,
) -> None:
    """Count what an answered call was charged, while it is open what comes back."""
    sure = priced.sure
    if site.refund != "shown" or account.refunds.shown or sure is None:
        return
    for reading in said:
        if reading.unit == "tokens" and not reading.project:
            if limit := same_limit(reading, account.configured):
                with account.lock:
                    account.epochs.count(sent, heard, sure, reading, limit.per)
            return


def listen(
    account: Account,
    said: Iterable[Reading],
    priced: Priced,
    usage: Usage | None,
    sent: float,
    heard: float,
) -> None:
    """Take an answered call as a witness of whether unused tokens come back."""
    tokens = [each for each in said if each.unit == "tokens" and not each.project]
    sure = priced.sure
    if not tokens or sure is None:
        return
    used = None if usage is None else usage.total
    with account.lock:
        before = account.refunds.shown
        account.refunds.witness(Answered(sent, heard, sure, used, tokens[0]))
        if account.refunds.shown and not before:
            _log.info("%s: unused tokens are given back", account.key.label)


def same_limit(
    reading: Reading, limits: Iterable[Limit]
) -> SlidingWindow | TokenBucket | None:
    """
    Return our limit that a reading speaks of, or None if that is not sure.

    A charge meets every limit of its unit, so there must be no other one: what is
    missing from this minute must not be taken from the day.
    """
    counting = [limit for limit in limits if limit.unit == reading.unit]
    if len(counting) != 1:
        return None
    (limit,) = counting
    if not isinstance(limit, SlidingWindow | TokenBucket):
        return None  # a calendar's periods are nobody's windows
    # A shorter one is implied by what fills up sooner: a burst below the limit. A
    # longer one is another limit, such as the day's.
    if reading.per is not None and reading.per > limit.per * _NEAR:
        return None
    return limit


def _owed(
    pairs: Iterable[tuple[Reading, Limit]],
    statuses: Iterable[LimitStatus],
    elapsed: float,
) -> dict[str, int]:
    standing = {status.name: status for status in statuses}
    owed = {}
    for reading, limit in pairs:
        status = standing.get(limit.name)
        if status is None:
            continue
        units = gap(reading, elapsed, status.capacity, status.remaining)
        if units:
            owed[limit.unit] = min(units, status.remaining)
    return owed


def _learn(
    site: Site, account: Account, said: Iterable[Reading], now: float
) -> Plan[None]:
    """Learn limits that nobody configured; later ones too, such as one per day."""
    with account.lock:
        known = {(each.unit, getattr(each, "per", 0.0)) for each in account.own}
        found = [
            (SlidingWindow(units, name[1], unit=name[0]), _used(units, name[0], said))
            for name, units in account.limits.first(said).items()
            if name not in known and account.limits.may_tell(name, units, now)
        ]
        silent = account.starts and account.limits.silence == _SILENT
    if found:
        yield from discover(site, account, found)
    if silent:
        _log.warning(
            "%s: its limits are to be learnt, but no answer names any: calls go one at "
            "a time",
            account.key.label,
        )


def _used(limit: int, unit: str, said: Iterable[Reading]) -> int:
    left = [
        each.remaining
        for each in said
        if (each.unit, each.limit) == (unit, limit) and each.remaining is not None
    ]
    return limit - min(left, default=limit)


def _judge(
    account: Account, reading: Reading, now: float
) -> tuple[str, int | None] | None:
    """
    Return the correction that a reading calls for: a limit's name, and its units.

    Never more than was configured: who gave a part of a quota to a scope meant it.
    """
    limit = _limit_of(reading, account.own)
    name = (reading.unit, reading.per or 0.0)
    if limit is not None and limit.configured is not None:
        account.limits.known[name] = figure(limit)  # others may have told
    account.limits.see(reading)
    known = account.limits.known.get(name)
    if limit is None or known is None:
        return None
    most = configured(limit) or MOST_WINDOW  # what was learnt may rise
    wanted = min(known, most)
    if wanted == figure(limit) or not account.limits.may_tell(name, wanted, now):
        return None
    return limit.name, None if wanted == most else wanted


def _limit_of(reading: Reading, limits: Iterable[Limit]) -> Limit | None:
    """Return our limit of a reading's unit and window."""
    for limit in limits:
        per = getattr(limit, "per", None)
        if limit.unit == reading.unit and per is not None and per == reading.per:
            return limit
    return None


def _correct(site: Site, account: Account, name: str, units: int | None) -> Plan[None]:
    said = "what was configured" if units is None else f"{units:,}"
    _log.warning("%s: the provider allows %s of %s", account.key.label, said, name)
    try:
        yield Verb(site.limiter, "correct", (account.key, name, units))
    except PacelineError as failure:
        label = account.key.label
        _log.debug("%s: a correction was not shared: %s", label, failure)
    account.look_up(site.limiter)


def level(reading: Reading, limit: SlidingWindow | TokenBucket, now: float) -> Level:
    """Return what remains of a limit, by what was said just now."""
    rate = getattr(limit, "rate", limit.capacity) / limit.per
    most = min(limit.capacity, reading.limit or limit.capacity)
    return Level(now, reading.remaining or 0, most, rate)
