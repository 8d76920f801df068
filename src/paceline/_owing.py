"""
Calls that are owed to a store: nobody knows their outcome, or they could not be sent.

They go with later calls, so that what is charged and not used is given back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from ._calls import Call, Request, Scope
from ._errors import StoreUnavailable
from ._unheard import unheard_of

# The oldest are given up.
_MOST = 100


@dataclass(frozen=True, slots=True)
class Owed:
    """
    A call whose outcome is not known, or that gives back and could not be sent.

    Attributes:
        call: As it was sent, lane included, if it was.

        scope: Whose account it was about.

        requests: What it asked for, if it was an acquire.
    """

    call: Call
    scope: Scope
    requests: tuple[Request, ...] = ()


class Owing(deque[Owed]):
    """What one limiter owes; used from any thread."""

    def __init__(self) -> None:
        super().__init__(maxlen=_MOST)

    def note(self, error: BaseException, scope: Scope) -> None:
        """Note the call that an error says may have been carried out, once."""
        unheard = unheard_of(error)
        if unheard is not None and unheard.claim():
            self.append(Owed(unheard.call, scope, unheard.requests))

    def take(self, scope: Scope) -> Owed | None:
        """Take the call that was owed first, one of this scope if there is any."""
        try:
            for owed in tuple(self):
                if owed.scope.key == scope.key:
                    self.remove(owed)
                    return owed
            return self.popleft()
        except (IndexError, ValueError, RuntimeError):
            return None  # another thread took it

    def put_back(self, owed: Owed, error: BaseException) -> None:
        """
        Put back what was taken in vain; once sent it keeps its lane.

        Without a lane it goes back only if it was not sent: an interruption without a
        word of the call leaves open whether that was carried out.
        """
        unheard = unheard_of(error)
        if unheard is not None:
            self.append(replace(owed, call=unheard.call))
        elif owed.call.lane is not None or isinstance(error, StoreUnavailable):
            self.append(owed)
