"""
One call through a pool, as a plan that does no I/O: the earliest turn wins.

Each quota is asked whether the call could go now, the least busy one first. If it can
nowhere, it waits where its turn will come first, and looks around again if that turns
out wrong. A quota that refuses has its cool-down; the call goes to another one within
the same wait.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from paceline._errors import ConfigError, CostTooLarge, PacelineError, RateLimitExceeded
from paceline._provider.classify import OVERLOADED, Kind, classify
from paceline._provider.feedback import retry_after

from . import _call, _errors
from ._effects import Close, Now, Plan, Read
from ._team import Team, body

if TYPE_CHECKING:
    from paceline import Permit
    from paceline._provider.request import Ask

    from ._account import Account
    from ._site import Priced, Site

_log = logging.getLogger("paceline")
_UNAUTHORIZED, _TOO_MANY = 401, 429
# How long a key is left alone that the provider does not know, a quota that wants its
# bill paid, a place that cannot be reached.
_DEAD, _UNPAID, _AWAY = 300.0, 30.0, 5.0
# Whoever waited so much longer than was foreseen looks around again.
_SPARE_SHARE, _SPARE = 1.5, 1.0
_UNSAID = 1.0


@dataclass(slots=True)
class _Tour:
    """
    A call on its way through a pool.

    Attributes:
        end: When the caller's patience ends.

        tried: The credentials that had it.
    """

    team: Team
    request: Any
    ask: Ask
    end: float
    tried: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Option:
    """A credential that may have the call; its turn comes in so many seconds."""

    number: int
    site: Site
    account: Account
    priced: Priced
    seconds: float = 0.0


def call(site: Site, request: Any, options: dict[str, Any]) -> Plan[Any]:
    """Plan a call: what the HTTP client's send does for the SDK."""
    if site.team is None:
        return (yield from _call.call(site, request, options))
    team = site.team
    try:
        team.check(request)
    except ConfigError as error:
        return _errors.refuse(request, error)
    ask = site.ask(request)
    if ask.endpoint == "other":
        # What is stored at the provider is known to one quota only.
        home = team.sites[0]
        return (yield from _call.call(home, team.sign(request, 0), options))
    start = yield Now()
    end = inf if site.timeout is None else start + site.timeout
    return (yield from _travel(_Tour(team, request, ask, end), options))


def _travel(tour: _Tour, options: dict[str, Any]) -> Plan[Any]:
    """Go from one credential to the next until one answers."""
    answer: Any = None
    failure: Exception | None = None
    while True:
        try:
            option, permit = yield from _choose(tour)
        except Exception as error:  # noqa: BLE001 -- raised by the SDK, once
            # What a provider said before tells more than that the others are busy.
            if failure is not None:
                raise failure from None
            if answer is not None:
                return answer
            error = _errors.translate(error, tour.request)
            return _errors.refuse(tour.request, error)
        if answer is not None:
            yield Close(answer)
        answer, failure = None, None
        tour.tried.add(option.number)
        try:
            answer = yield from _send(tour, option, permit, options)
        except Exception as error:
            if not _call.never_sent(error) or not _may_go_on(tour):
                raise
            now = yield Now()
            _leave_place(tour, option.number, now, type(error).__name__)
            failure = error
            continue
        if not (yield from _refused(tour, option, answer)):
            return answer


def _send(
    tour: _Tour, option: _Option, permit: Permit, options: dict[str, Any]
) -> Plan[Any]:
    pool = tour.team.pool
    request = tour.team.sign(tour.request, option.number)
    pool.enter(option.number)
    try:
        answer = yield from _call.send(
            option.site, option.account, option.priced, permit, request, options
        )
    finally:
        pool.leave(option.number)
    pool.belongs(option.number, answer.headers.get("openai-organization"))
    return answer


def _refused(tour: _Tour, option: _Option, answer: Any) -> Plan[bool]:
    """Tell whether another credential may answer better, and note what was said."""
    pool, number, status = tour.team.pool, option.number, answer.status_code
    if status not in {_UNAUTHORIZED, _TOO_MANY, *OVERLOADED}:
        return False
    now = yield Now()
    if status == _UNAUTHORIZED:
        yield Read(answer)
        pool.rest(number, now + _DEAD, "401: the provider does not know the key")
        _log.warning(
            "pool: the provider does not know the key of %s (401); it is left alone "
            "for %d s",
            pool.label(number),
            _DEAD,
        )
        return _may_go_on(tour)
    said = classify(status, answer.headers, answer.content, time.time())
    if said is not None and said.kind is Kind.NO_QUOTA:
        pool.rest(number, now + _UNPAID, f"{status}: {said.code or said.kind.value}")
    elif said is not None and said.kind is not Kind.TOO_LARGE:
        # Worth no longer a wait than the one that was asked for.
        wait = retry_after(answer.headers, time.time()) or _UNSAID
        tour.end = min(tour.end, now + max(wait, said.wait or _UNSAID))
    if status in OVERLOADED:
        _try_elsewhere(tour, number)
    return _may_go_on(tour)


def _may_go_on(tour: _Tour) -> bool:
    """Tell whether somebody is left, and the request can be sent again."""
    everybody = range(len(tour.team.sites))
    return body(tour.request) is not None and not tour.tried.issuperset(everybody)


def _try_elsewhere(tour: _Tour, number: int) -> list[int]:
    """Count all as tried whose calls go to the same place."""
    team = tour.team
    there = team.place(number)
    same = [each for each in range(len(team.sites)) if team.place(each) == there]
    tour.tried.update(same)
    return same


def _leave_place(tour: _Tour, number: int, now: float, why: str) -> None:
    for each in _try_elsewhere(tour, number):
        tour.team.pool.rest(each, now + _AWAY, why)


def _choose(tour: _Tour) -> Plan[tuple[_Option, Permit]]:
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
            if isinstance(found, _Option):
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
    tour: _Tour, now: float
) -> Plan[tuple[list[_Option], bool, list[Exception]]]:
    """Return who may have the call, in the order in which to ask."""
    pool = tour.team.pool
    numbers, sticky = pool.order(tour.ask.body)
    numbers = [each for each in numbers if each not in tour.tried]
    # If all are left alone, their own words are the best that can be had.
    awake = [each for each in numbers if not pool.rests(each, now)]
    found: list[_Option] = []
    refusals: list[Exception] = []
    for number in awake or ([] if tour.tried else numbers):
        site = tour.team.sites[number]
        key = pool.key(number, tour.ask.model)
        if any(each.account.key == key for each in found):
            continue  # another key of the same quota
        try:
            account = site.accounts.get(site.limiter, key)
            priced = site.price(account, tour.ask)
            yield from _call.refuse_known(site, account, priced, tour.request)
        except PacelineError as refusal:
            refusals.append(refusal)
        else:
            found.append(_Option(number, site, account, priced))
    return found, sticky, refusals


def _ask(
    tour: _Tour, option: _Option, refusals: list[Exception]
) -> Plan[Permit | _Option | None]:
    """Return a permit if the call can go now, else when it could; None if never."""
    now = yield Now()
    account, pool = option.account, tour.team.pool
    seconds = pool.backlog(account.key, account.policy.limits, now)
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
    return _Option(option.number, option.site, account, option.priced, seconds)


def _worth_waiting(tour: _Tour, option: _Option) -> bool:
    patience = tour.team.pool.patience
    return patience is None or option.seconds <= patience


def _wait(tour: _Tour, option: _Option, timeout: float) -> Plan[Permit]:
    account, pool, cost = option.account, tour.team.pool, option.priced.cost
    now = yield Now()
    pool.queue(account.key, cost, now + option.seconds)
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


def _best(refusals: list[Exception], tour: _Tour) -> Exception:
    """Return the refusal that says most: the first that no waiting cures."""
    if refusals:
        return refusals[0]
    return ConfigError(
        f"no credential of {tour.team.pool!r} is left for this call", code="P131"
    )
