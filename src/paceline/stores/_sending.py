"""
One call under way: whether to send it again, and what to say when that ends.

A call whose reply is lost may have been carried out. On its lane it can be sent again
without harm, so it is, on a new connection, until its time is up.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from redis.exceptions import (
    AuthenticationError,
    ConnectionError as RedisConnectionError,
    TimeoutError as RedisTimeoutError,
)

if TYPE_CHECKING:
    from .._calls import Call
    from .._errors import StoreError
    from ._lanes import Lanes

# For how many times the store's own timeout a call is sent again.
_TIMEOUTS = 2

_FIRST_PAUSE, _LAST_PAUSE = 0.002, 0.1


class Sending:
    """What happened to one call so far."""

    def __init__(self, call: Call, asked: float, timeout: float, lanes: Lanes) -> None:
        self.lane = call.lane or (lanes.take() if call.once else None)
        self.pause = 0.0
        self._call = call
        self._lanes = lanes
        self._until = asked + min(call.patience, _TIMEOUTS * timeout)
        self._arrived = call.lane is not None
        self._healed = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent twice: what came after a reset must stay."""
        return self._call.script != "reset"

    def failed(self, error: BaseException) -> bool:
        """Note a failure; tell whether to send again."""
        if never_sent(error) or not _lost(error):
            return False
        self._arrived = True
        self.pause = min(max(_FIRST_PAUSE, 2 * self.pause), _LAST_PAUSE)
        late = time.monotonic() + self.pause >= self._until
        return not late and self.repeatable

    def may_heal(self, error: BaseException) -> bool:
        """Tell, once, whether nobody listened: a server of our own can be started."""
        first, self._healed = not self._healed, True
        return first and never_sent(error)

    def answered(self) -> None:
        """Note the reply."""
        if self.lane is not None:
            self._lanes.give(self.lane)

    def interrupted(self, error: BaseException) -> None:
        """Note that nobody will hear what came of the call, and which it was."""
        if self.lane is not None:
            self._lanes.retire(self.lane)
            error.sent = replace(self._call, lane=self.lane)  # type: ignore[attr-defined]

    def give_up(self, finding: StoreError) -> StoreError:
        """Note the end; if nobody knows what came of the call, say which it was."""
        if self.lane is not None and self._arrived:
            self._lanes.retire(self.lane)
            finding.sent = replace(self._call, lane=self.lane)  # type: ignore[attr-defined]
        elif self.lane is not None:
            self._lanes.give(self.lane)
        return finding


def never_sent(error: BaseException) -> bool:
    """Tell whether the error came before anything was sent: nobody was listening."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return True
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, RedisConnectionError) and str(error).startswith(
        ("Error 2 connecting", "Error 111 connecting", "Error 61 connecting")
    )


def _lost(error: BaseException) -> bool:
    """Tell whether the error leaves open what came of the call."""
    lost = isinstance(error, RedisConnectionError | RedisTimeoutError | OSError)
    return lost and not isinstance(error, AuthenticationError)
