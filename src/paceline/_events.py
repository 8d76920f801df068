"""
What a limiter tells of its work: values, for metrics and logs.

No event holds an API key or a part of one. ``scope`` is how people see the key, empty
for one without a name; ``model`` is its account: the model or family, or empty.

* Event
  + Waiting        a caller has to wait
  + Admitted       it may call
  + Refused        its turn would come too late
  + Abandoned      it was cancelled or interrupted
  + Failed         the store failed it
  + Rebooked       its turn was given back and booked anew
  + Replayed       a reply was lost; the store gave the answer of then again
  + Settled        the true cost was another than the booked one
  + CooledDown     nobody uses the account for a while
  + OutageBegan    the store is not there
  + OutageEnded    it is back
  + Healed         it had lost what was booked, and was told
  + Repaid         it was charged what was spent while it was not there
  + Called         a call of the store ended
  + Answered       the provider answered a call
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a call of an account."""

    scope: str
    model: str


class EventHandler(Protocol):
    """
    Is told of events: any callable with one argument.

    It is called where the event happens, on whatever thread or event loop that is, and
    holds that one up until it returns. What it raises is logged, once, and ignored.
    """

    def __call__(self, event: Event, /) -> None:
        """Take note of an event."""


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """A caller has to wait. One of the next four ends this."""


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """
    The end of asking, one way or the other.

    Attributes:
        seconds: From asking to this.

        queued: Whether a Waiting was told before.
    """

    seconds: float
    queued: bool


@dataclass(frozen=True, slots=True)
class Admitted(Ended):
    """
    A caller may call.

    Attributes:
        units: What was booked, by unit.

        offline: Whether the store was not there, and ``on_outage=`` let the caller go.

        limit: The name of the limit that made the caller wait, or "cool-down"; None if
            the store made nobody wait.
    """

    units: Mapping[str, int]
    offline: bool = False
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Refused(Ended):
    """
    A turn would come too late, or (``try_acquire``) not now.

    Attributes:
        limit: The name of the limit that decided, or "cool-down".

        retry_after: Seconds until this cost could be granted; infinite if never.
    """

    limit: str | None
    retry_after: float


@dataclass(frozen=True, slots=True)
class Abandoned(Ended):
    """A caller was cancelled or interrupted; what was booked goes back."""


@dataclass(frozen=True, slots=True)
class Failed(Ended):
    """
    The store failed a caller.

    Attributes:
        code: The error's, such as "P201".
    """

    code: str


@dataclass(frozen=True, slots=True)
class Rebooked(Event):
    """A turn could not be used, for it came late or a cool-down came between."""


@dataclass(frozen=True, slots=True)
class Replayed(Event):
    """A call was sent again, and had been carried out before: it counts once."""


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """
    The true cost of a call was posted, and was another than the booked one.

    Attributes:
        booked: What was charged before, by unit.

        used: What was used, by unit.
    """

    booked: Mapping[str, int]
    used: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CooledDown(Event):
    """
    Nobody uses the account for so many seconds, as this process told the store.

    Attributes:
        seconds: From now.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class OutageBegan(Event):
    """
    The store is not there; scope and model are those of the call that noticed.

    Attributes:
        code: The error's, such as "P201".
    """

    code: str


@dataclass(frozen=True, slots=True)
class OutageEnded(Event):
    """
    The store is back; scope and model are those of the call that noticed.

    Attributes:
        seconds: From when this process noticed that it was gone.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Repaid(Event):
    """
    The store was charged what callers of this process spent while it was not there.

    Attributes:
        units: By unit; of a limit whose window is over, or a bucket that has drained
            since, nothing.
    """

    units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Healed(Event):
    """
    The store had lost what was booked of an account, and knows it again.

    Attributes:
        restored: Units that were given back to it, by the limit's name. Empty if
            another process had told of them before.

        remembered: Whether this process remembered them. If not, the limits count as
            used up, as ``on_amnesia="empty"`` has it.
    """

    restored: Mapping[str, int]
    remembered: bool


@dataclass(frozen=True, slots=True)
class Called(Event):
    """
    A call of the store ended. It may have served many callers: scope and model are "".

    Attributes:
        op: What it did: "acquire", "settle" and so on.

        seconds: From sending it to the answer; sent again meanwhile, if need be.

        code: The error's, such as "P201"; None if the store answered.
    """

    op: str
    seconds: float
    code: str | None


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """
    The provider answered a call that had its turn: adapters tell this.

    Attributes:
        status: HTTP's, such as 200 or 429.
    """

    status: int
