"""Learn from the answers of a client that paceline does not send for."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from paceline._key import Key, as_key
from paceline._provider.classify import Kind, classify
from paceline._provider.feedback import readings

from . import _aio, _sync
from ._effects import Now
from ._listen import hear
from ._refusals import share_cool_down
from ._tell import unpaid
from ._terms import site_of

if TYPE_CHECKING:
    from paceline import RateLimiter

    from ._effects import Plan

What: TypeAlias = Literal[
    "ok", "failed", "later", "slow_down", "busy", "no_quota", "too_large"
]
_ERROR = 400
_NAMES: Mapping[Kind, What] = {
    Kind.RATE: "later",
    Kind.SLOW_DOWN: "slow_down",
    Kind.BUSY: "busy",
    Kind.NO_QUOTA: "no_quota",
    Kind.TOO_LARGE: "too_large",
}


@dataclass(frozen=True, slots=True)
class Observed:
    """
    What an answer means.

    Attributes:
        what: ``"ok"``; ``"later"``, ``"slow_down"`` and ``"busy"`` ask for a pause, in
            which nobody gets a permit; ``"no_quota"`` and ``"too_large"`` are cured by
            no waiting; ``"failed"`` is any other error.

        wait: Seconds of that pause. 0.0 if there is none.

        message: The provider's text. May be empty.
    """

    what: What
    wait: float = 0.0
    message: str = ""

    @property
    def final(self) -> bool:
        """Whether no retry can help."""
        return self.what in {"no_quota", "too_large"}


def observe(
    limiter: RateLimiter,
    key: Key | str,
    headers: Mapping[str, str],
    status: int = 200,
    *,
    body: bytes = b"",
    elapsed: float = 0.0,
) -> Observed:
    """
    Learn from an answer that came through any client.

    What remains at the provider, if it is less than here, is charged here, once a
    second at most. A refusal with a pause is obeyed by all processes.

    Args:
        limiter: Whose limits apply.

        key: Whose quota the call used, with its model.

        headers: The answer's; names in lower case, unless the mapping does not care.

        status: The answer's.

        body: The answer's, if its status is an error: some refusals tell it there only.

        elapsed: Seconds since the request was sent.

    What cannot be shared through the store, or compared with it, is logged.

    Raises:
        ConfigError: If no limits apply to the model (P104).
        MisuseError: If *key* is none (P502).
    """
    plan = _observe(limiter, as_key(key), headers, status, body, elapsed)
    seen: Observed = _sync.drive(plan, _nothing)
    return seen


async def observe_async(
    limiter: RateLimiter,
    key: Key | str,
    headers: Mapping[str, str],
    status: int = 200,
    *,
    body: bytes = b"",
    elapsed: float = 0.0,
) -> Observed:
    """Do as :func:`observe` does, on the running event loop."""
    plan = _observe(limiter, as_key(key), headers, status, body, elapsed)
    seen: Observed = await _aio.drive(plan, _nothing)
    return seen


def _observe(
    limiter: RateLimiter,
    key: Key,
    headers: Mapping[str, str],
    status: int,
    body: bytes,
    elapsed: float,
) -> Plan[Observed]:
    site = site_of(limiter, {})
    account = site.accounts.get(limiter, key)
    now = yield Now()
    limiter.answered(key, status)
    if status < _ERROR:
        said = readings(headers, time.time())
        yield from hear(site, account, said, now - elapsed, now)
        return Observed("ok")
    refusal = classify(status, headers, body, time.time())
    if refusal is None:
        return Observed("failed")
    wait = 0.0
    if refusal.kind is Kind.NO_QUOTA:
        yield from unpaid(site, account, now, (refusal.code, refusal.message))
    elif refusal.kind is not Kind.TOO_LARGE:
        dice = random.random()  # noqa: S311 -- jitter
        wait = yield from share_cool_down(site, account, refusal, now, dice)
    return Observed(_NAMES[refusal.kind], wait, refusal.message)


def _nothing(*_: object) -> None:
    """Send nothing: the answer is there."""
