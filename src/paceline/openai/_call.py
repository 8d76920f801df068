"""
One call, from the request to the answer, as a plan that does no I/O.

Wait for a permit, send, listen to what the answer says of the limits, post what it
used. Nothing is held while waiting: neither a connection of the pool nor one of the
store. Every retry of the SDK comes through here anew.
"""

from __future__ import annotations

import logging
import random
import time
from math import inf
from typing import TYPE_CHECKING, Any

from paceline._concurrency import LEARNING
from paceline._errors import CostTooLarge, StoreError
from paceline._provider import cost as _cost
from paceline._provider.feedback import raw_readings
from paceline._provider.usage import BodyReader, StreamReader, Usage, from_body

from . import _errors
from ._effects import Close, Enter, Now, Plan, Post, Send, Sleep, Tap, Verb, Watch
from ._gait import ABREAST, LEAST_NAP, MOST_NAP, seconds
from ._listen import count, hear, listen
from ._site import Priced, Site, with_usage
from ._tell import found_out, hear_of_refusals, meet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paceline import Permit
    from paceline._provider.feedback import Reading

    from ._account import Account

_log = logging.getLogger("paceline")
_TOO_MANY = 429
# Who waited less cannot have waited for a cool-down.
_A_WAIT = 0.02
_ERROR = 400
# The request did not leave, says httpx.
_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}
)


def call(site: Site, request: Any, options: dict[str, Any]) -> Plan[Any]:
    """
    Plan a call: what the HTTP client's send does for the SDK.

    Refusals and failures of paceline come as answers that raise when the SDK looks at
    their status, because older SDKs would retry what send raises.
    """
    try:
        ready = yield from _prepare(site, request)
    except Exception as error:  # noqa: BLE001 -- raised by the SDK, once
        return _errors.refuse(request, _errors.translate(error, request))
    if ready is None:
        return (yield Send(request, options))
    return (yield from send(site, *ready, request, options))


def _prepare(site: Site, request: Any) -> Plan[tuple[Account, Priced, Permit] | None]:
    """Wait for a permit; None if what is asked for is not limited."""
    ask = site.ask(request)
    account = site.account(site.key(request, ask), ask)
    if account is None:
        return None
    now = yield Now()
    yield from meet(site, account, now)
    priced = site.price(account, ask)
    refuse_known(site, account, priced, request, now)
    return (
        account,
        priced,
        (yield from turn(site, account, priced, request, site.timeout)),
    )


def refuse_known(
    site: Site, account: Account, priced: Priced, request: Any, now: float
) -> None:
    """Raise what the provider would answer, if it answered so a moment ago."""
    if found := site.accounts.paused(account.key, now):
        answer = _errors.quota_answer(request, *found)
        raise _errors.quota_exhausted(*found, answer)
    if words := account.known_too_large(priced.cost, now):
        raise _errors.too_large(CostTooLarge(words), request)


def turn(
    site: Site,
    account: Account,
    priced: Priced,
    request: Any,
    timeout: float | None,
) -> Plan[Permit]:
    """
    Wait until it is this call's turn.

    After a refusal calls go one by one, those of this process and of all. One that was
    let go while another call was refused gives its permit back, and queues behind the
    cool-down.
    """
    start = now = yield Now()
    while True:
        left = _left(timeout, start, now)
        with account.lock:
            alarms = account.pace.alarms
            pause = account.pace.turn(now, inf if left is None else left)
        if left is not None and pause > left:
            raise _errors.too_late(pause, left, request)
        if pause > 0:
            yield Sleep(pause)
            now = yield Now()
        if account.gait.share < 1.0:
            yield from _space(site, account, priced, request, start, timeout)
            now = yield Now()
        left = _left(timeout, start, now)
        reservation = site.limiter.reserve(account.key, priced.cost, timeout=left)
        permit: Permit = yield Enter(reservation)
        if permit.waited > _A_WAIT:
            # While it waited, another process may have been refused.
            yield from hear_of_refusals(site, account)
        if _is_first(permit) and (yield from found_out(site, account)):
            # It had waited to be the only one; now there are limits to go by.
            yield Verb(permit, "cancel")
        elif account.pace.alarms == alarms:
            return permit
        else:
            yield from _post(permit, dict.fromkeys(account.units, 0))
        now = yield Now()


def _is_first(permit: Permit) -> bool:
    """Tell whether it was given to one at a time, for no limits are known."""
    return permit.policy.leases and LEARNING in permit.policy.limits


def _left(timeout: float | None, start: float, now: float) -> float | None:
    """Return what is left of a timeout: all of it to the digit, if nothing is gone."""
    if timeout is None or now == start:
        return timeout
    return max(0.0, start + timeout - now)


def _space(
    site: Site,
    account: Account,
    priced: Priced,
    request: Any,
    start: float,
    timeout: float | None,
) -> Plan[None]:
    """
    Let the calls of all processes go one by one, if somebody was refused lately.

    Those of a process stand in line here, so that each asks at the pace of then.
    """
    gait, place = account.gait, object()
    with account.lock:
        gait.line.append(place)
    try:
        while True:
            now = yield Now()
            left = inf if timeout is None else max(0.0, start + timeout - now)
            with account.lock:
                share, ahead = gait.now(now), gait.line.index(place)
            step = seconds(account.configured, priced.cost) / share
            if share >= 1.0 or ahead < ABREAST:
                break
            if ahead * step > left:
                raise _errors.too_late(ahead * step, left, request)
            yield Sleep(min(max(LEAST_NAP, ahead * step / 2), MOST_NAP))
        if share < 1.0:
            bound = None if timeout is None else left
            yield Verb(site.limiter, "space", (account.key, step, bound))
    except StoreError as failure:
        # This process goes by its own pace all the same.
        _log.debug("%s: calls are not spaced: %s", account.key.label, failure)
    finally:
        with account.lock:
            gait.line.remove(place)


def send(
    site: Site,
    account: Account,
    priced: Priced,
    permit: Permit,
    request: Any,
    options: dict[str, Any],
) -> Plan[Any]:
    hide = site.inject and priced.ask.lacks_usage
    sent = yield Now()
    with account.lock:
        account.pace.started(sent)
    try:
        if hide:
            request = with_usage(request, priced.ask)
        response = yield Send(request, options)
    except GeneratorExit:
        raise  # a plan that is closed can post nothing
    except BaseException as error:
        # What may have arrived may have been charged.
        nothing = dict.fromkeys(account.units, 0)
        yield from _post(permit, nothing if never_sent(error) else {})
        raise
    try:
        heard = yield Now()
        site.limiter.answered(account.key, response.status_code)
        said = raw_readings(response.headers.raw, time.time())
        if response.status_code >= _ERROR:
            yield from _refused(site, account, priced, permit, response)
            return response
        if site.learn:
            yield from _hear(site, account, permit, said, (sent, heard))
    except BaseException:
        yield from _post(permit, {})
        yield Close(response)
        raise

    def settle(usage: Usage | None) -> dict[str, int]:
        return _settlement(site, account, priced, usage)

    count(site, account, said, priced, sent, heard)
    if options.get("stream"):
        reader = _reader(response, hide=hide) if priced.ask.metered else None

        def ended(usage: Usage | None) -> dict[str, int]:
            listen(account, said, priced, usage, sent, heard)
            return settle(usage)

        return (yield Watch(response, Tap(reader, permit, ended)))
    usage = from_body(response.content) if priced.ask.metered else None
    listen(account, said, priced, usage, sent, heard)
    yield from _post(permit, settle(usage))
    return response


def _hear(
    site: Site,
    account: Account,
    permit: Permit,
    said: Iterable[Reading],
    when: tuple[float, float],
) -> Plan[None]:
    yield from hear(site, account, said, *when)
    if _is_first(permit) and not account.starts:
        yield Verb(permit, "release")  # others need not wait for the end of a stream


def _refused(
    site: Site, account: Account, priced: Priced, permit: Permit, response: Any
) -> Plan[None]:
    """Do what an error status asks for, and give back what was not charged."""
    from ._refusals import react  # noqa: PLC0415 -- few calls come here

    admitted = response.status_code != _TOO_MANY
    keep = admitted and not site.gives_back(account)
    try:
        yield from react(site, account, priced, response, random.random())  # noqa: S311
    finally:
        yield from _post(permit, _cost.refused(priced.cost, admitted=keep))


def _settlement(
    site: Site, account: Account, priced: Priced, usage: Usage | None
) -> dict[str, int]:
    if usage is not None:
        with account.lock:
            if site.tokens == "learnt":
                account.ratio.learn(priced.size, usage.input)
            account.saw_output(usage.output)
    return _cost.spent(priced.cost, usage, gives_back=site.gives_back(account))


def _reader(response: Any, *, hide: bool) -> StreamReader | BodyReader | None:
    kind = response.headers.get("content-type", "")
    if kind.startswith("text/event-stream"):
        return StreamReader(hide=hide)
    return BodyReader() if "json" in kind else None


def _post(permit: Permit, cost: dict[str, int]) -> Plan[None]:
    """Post, and log what goes wrong: there is an answer or an error to hand on."""
    try:
        yield Post(permit, cost)
    except StoreError as failure:
        _log.warning("a true cost was not posted, the estimate stays: %s", failure)


def never_sent(error: BaseException) -> bool:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & _NEVER_SENT)
