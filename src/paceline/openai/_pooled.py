"""
One call through a pool, as a plan that does no I/O.

It goes where its turn comes first. A quota that refuses has its cool-down; the call
goes on to another one within the same wait, once to each.
"""

from __future__ import annotations

import logging
import time
from math import inf
from typing import TYPE_CHECKING, Any

from paceline._errors import ConfigError
from paceline._provider.classify import OVERLOADED, Kind, classify
from paceline._provider.feedback import retry_after

from . import _call, _errors
from ._choose import Option, Tour, choose
from ._effects import Close, Now, Plan, Read
from ._team import body

if TYPE_CHECKING:
    from paceline import Permit

    from ._site import Site

_log = logging.getLogger("paceline")
_UNAUTHORIZED, _TOO_MANY = 401, 429
_NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout"})
# How long a key is left alone that the provider does not know, a quota that wants its
# bill paid, a place that cannot be reached.
_DEAD, _UNPAID, _AWAY = 300.0, 30.0, 5.0
_UNSAID = 1.0


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
    return (yield from _travel(Tour(team, request, ask, end), options))


def _travel(tour: Tour, options: dict[str, Any]) -> Plan[Any]:
    """Go from one credential to the next until one answers."""
    answer: Any = None
    failure: Exception | None = None
    while True:
        try:
            option, permit = yield from choose(tour)
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
            if not _unreachable(error) or not _may_go_on(tour):
                raise
            now = yield Now()
            _leave_place(tour, option.number, now, type(error).__name__)
            failure = error
            continue
        if not (yield from _refused(tour, option, answer)):
            return answer


def _send(
    tour: Tour, option: Option, permit: Permit, options: dict[str, Any]
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


def _refused(tour: Tour, option: Option, answer: Any) -> Plan[bool]:
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


def _may_go_on(tour: Tour) -> bool:
    """Tell whether somebody is left, and the request can be sent again."""
    everybody = range(len(tour.team.sites))
    return body(tour.request) is not None and not tour.tried.issuperset(everybody)


def _unreachable(error: Exception) -> bool:
    """Tell whether there was no connection, so that nothing was sent."""
    return any(kind.__name__ in _NO_CONNECTION for kind in type(error).__mro__)


def _try_elsewhere(tour: Tour, number: int) -> list[int]:
    """Count all as tried whose calls go to the same place."""
    team = tour.team
    there = team.place(number)
    same = [each for each in range(len(team.sites)) if team.place(each) == there]
    tour.tried.update(same)
    return same


def _leave_place(tour: Tour, number: int, now: float, why: str) -> None:
    for each in _try_elsewhere(tour, number):
        tour.team.pool.rest(each, now + _AWAY, why)
