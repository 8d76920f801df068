"""
One call under way: whether to send it again, and what to say when that ends.

A call whose reply is lost may have been carried out. On its lane it can be sent again
without harm, so it is, on a new connection, until its time is up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError as RedisConnectionError,
    MovedError,
    ReadOnlyError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
    TryAgainError,
)

from .._unheard import Unheard, note, note_end
from ._hopeless import NoPrimary, is_hopeless

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._calls import Call
    from .._errors import StoreError
    from ._lanes import Lanes

# A call has so many seconds for its round trip, however little its caller has left:
# the answer to somebody whose time is up is a refusal, not a store that is gone.
LEAST = 0.1

# Said by a server instead of doing anything, while another takes over.
PASSING = (BusyLoadingError, ClusterDownError, ReadOnlyError, TryAgainError)

_PASSING = ("TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN")

_FIRST_PAUSE, _LAST_PAUSE = 0.002, 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """
    For how long a call is sent again.

    Attributes:
        trip: Seconds for which the reply to anybody's call is waited for.

        failover: Seconds for which a call of somebody who waits is sent to whoever
            takes over from a server that is gone. 0 if nobody does.
    """

    trip: float
    failover: float = 0.0

    def end(self, call: Call, asked: float) -> float:
        """Return the moment at which a call ends, come what may."""
        longest = self.trip
        if call.until < inf:
            longest = max(longest, self.failover)
        return min(max(call.until, asked + LEAST), asked + longest)


class Sending:
    """What happened to one call so far."""

    def __init__(self, call: Call, asked: float, window: Window, lanes: Lanes) -> None:
        self.lane = call.lane or (lanes.take() if call.once else None)
        self.pause = 0.0
        self.asked: float = asked
        self.until = window.end(call, asked)
        self._call = call
        self._lanes = lanes
        self._fair = asked + window.trip
        self._successor = window.failover > 0
        self._arrived = call.lane is not None
        self._healed = False

    @property
    def hurried(self) -> bool:
        """Whether its caller was in too much of a hurry to wait for a reply."""
        return self.until < self._fair and time.monotonic() >= self.until - self.pause

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent twice: what came after a reset must stay."""
        return self._call.script != "reset"

    def failed(self, error: BaseException) -> bool:
        """Note a failure; tell whether to send again."""
        if is_hopeless(error):
            return False
        if never_sent(error) or passing(error) or elsewhere(error):
            # Nothing was done; there may be somebody else who will.
            again = self._successor or isinstance(error, BusyLoadingError)
        else:
            again = _lost(error)
            self._arrived |= again
        if not again:
            return False
        self.pause = min(max(_FIRST_PAUSE, 2 * self.pause), _LAST_PAUSE)
        late = time.monotonic() + self.pause >= self.until
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
            note(error, Unheard(replace(self._call, lane=self.lane)))

    def give_up(self, finding: StoreError) -> StoreError:
        """Note the end; if nobody knows what came of the call, say which it was."""
        if self.lane is not None and self._arrived:
            self._lanes.retire(self.lane)
            note(finding, Unheard(replace(self._call, lane=self.lane)))
        elif self.lane is not None:
            self._lanes.give(self.lane)
        note_end(finding, self._call.until)
        return finding


# How a call begins.
Begin: TypeAlias = "Callable[[Call, float, Window, Lanes], Sending]"


def passing(error: BaseException) -> bool:
    """Tell whether a server did nothing because another one takes over."""
    # Before 5.1 redis-py has no classes for these outside of its cluster client; Redis
    # 6.2 puts words of its own before what went wrong inside a script.
    words = str(error)
    return isinstance(error, PASSING) or (
        isinstance(error, ResponseError)
        and (words.startswith(_PASSING) or "-READONLY" in words)
    )


def elsewhere(error: BaseException) -> bool:
    """Tell whether a node of a cluster named another one."""
    return isinstance(error, AskError | MovedError) or (
        isinstance(error, ResponseError) and str(error).startswith(("ASK ", "MOVED "))
    )


def never_sent(error: BaseException) -> bool:
    """Tell whether the error came before anything was sent: nobody was listening."""
    if isinstance(error, NoPrimary):
        return True
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
