"""
Choose a credential for a call, as a plan that does no I/O: the earliest turn wins.

Each quota is asked whether the call could go now, the least busy one first. If it can
nowhere, it waits where its turn will come first, and looks around again if that turns
out wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any

from paceline._errors import ConfigError, CostTooLarge, PacelineError, RateLimitExceeded

from . import _call
from ._effects import Now, Plan
from ._tell import meet

if TYPE_CHECKING:
    from paceline import Permit
    from paceline._provider.request import Ask

    from ._account import Account
    from ._site import Priced, Site
    from ._team import Team

# Whoever waited so much longer than was foreseen looks around again.
_SPARE_SHARE, _SPARE = 1.5, 1.0


@dataclass(slots=True)
class Tour:
    """
    A call on its way through a pool.

    Attributes:
        team: Its pool.

        request: As the SDK made it.

        ask: The same, read.

        end: When the caller's patience ends.

        tried: The credentials that had it.
    """

    team: Team
    request: Any
    ask: Ask
    end: float
    tried: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Option:
    """
    A credential that may have the call.

    Attributes:
        seconds: Until its turn comes.

        sure: Whether the store said so; else it is what waits here that tells.
    """

    number: int
    site: Site
    account: Account
    priced: Priced
    seconds: float = 0.0
    sure: bool = False


def choose(tour: Tour) -> Plan[tuple[Option, Permit]]:
    """
    Wait for the earliest turn.

    Raises what the best of the credentials says if there is none in time.
    """
    patience = _SPARE
    while True:
        now = yield Now()
        options, sticky, refusals = yield from _options(tour, now)
        later = []
        for option in options:
            found = yield from _ask(tour, option, refusals)
            if isinstance(found, Option):
                later.append(found)
                if sticky and len(later) == 1 and _worth_waiting(tour, found):
                    break
            elif found is not None:
                return option, found
        if not later:
            raise _best(refusals, tour)
        first = later[0] if sticky and _worth_waiting(tour, later[0]) else None
        first = first or min(later, key=lambda option: option.seconds)
        now = yield Now()
        left = max(0.0, tour.end - now)
        foreseen = first.seconds * _SPARE_SHARE + patience
        try:
            return first, (yield from _wait(tour, first, min(left, foreseen)))
        except RateLimitExceeded:
            if left <= foreseen:
                raise
        patience *= 2


def _options(
    tour: Tour, now: float
) -> Plan[tuple[list[Option], bool, list[Exception]]]:
    """Return who may have the call, in the order in which to ask."""
    pool = tour.team.pool
    numbers, sticky = pool.order(tour.ask.body)
    numbers = [each for each in numbers if each not in tour.tried]
    # If all are left alone, their own words are the best that can be had.
    awake = [each for each in numbers if not pool.rests(each, now)]
    found: list[Option] = []
    refusals: list[Exception] = []
    for number in awake or ([] if tour.tried else numbers):
        site = tour.team.sites[number]
        key = pool.key(number, tour.ask.model)
        if any(each.account.key == key for each in found):
            continue  # another key of the same quota
        try:
            account = site.accounts.get(site.limiter, key)
            yield from meet(site, account, now)
            priced = site.price(account, tour.ask)
            _call.refuse_known(site, account, priced, tour.request, now)
        except PacelineError as refusal:
            refusals.append(refusal)
        else:
            found.append(Option(number, site, account, priced))
    return found, sticky, refusals


def _ask(
    tour: Tour, option: Option, refusals: list[Exception]
) -> Plan[Permit | Option | None]:
    """Return a permit if the call can go now, else when it could; None if never."""
    now = yield Now()
    account, pool = option.account, tour.team.pool
    seconds = pool.backlog(account.key, account.configured, now)
    sure = seconds is None
    if seconds is None:
        try:
            permit: Permit = yield from _call.turn(
                option.site, account, option.priced, tour.request, 0.0
            )
        except RateLimitExceeded as denied:
            seconds = denied.decision.retry_after
        except CostTooLarge as refusal:
            refusals.append(refusal)
            return None
        else:
            return permit
    return replace(option, seconds=seconds, sure=sure)


def _worth_waiting(tour: Tour, option: Option) -> bool:
    patience = tour.team.pool.patience
    return patience is None or option.seconds <= patience


def _wait(tour: Tour, option: Option, timeout: float) -> Plan[Permit]:
    account, pool, cost = option.account, tour.team.pool, option.priced.cost
    now = yield Now()
    pool.queue(account.key, cost, now + option.seconds if option.sure else None)
    pool.enter(option.number)
    try:
        bound = None if timeout == inf else timeout
        permit: Permit = yield from _call.turn(
            option.site, account, option.priced, tour.request, bound
        )
    finally:
        pool.leave(option.number)
        pool.unqueue(account.key, cost)
    return permit


def _best(refusals: list[Exception], tour: Tour) -> Exception:
    """Return the refusal that says most: the first that no waiting cures."""
    if refusals:
        return refusals[0]
    return ConfigError(
        f"no credential of {tour.team.pool!r} is left for this call", code="P131"
    )
