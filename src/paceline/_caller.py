"""Who waits for a turn, for what and until when; what it did before it had a plan."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from ._calls import Request, request_of
from ._limits import SECOND_US
from ._wire import FURTHEST_US, spare_us

if TYPE_CHECKING:
    from ._calls import Scope
    from ._desk import Desk
    from ._effects import Ticket
    from ._errors import StoreError
    from ._policy import Policy
    from ._reply import Answer
    from ._wish import Wish

# A turn that may be used so many times as late as the limits' own grace costs a
# fortieth of a window; more is not worth it.
_MORE_SPARE = 5

# How far ahead who stands in line may book, beside its own time of service: long
# enough to be there in time, too short to freeze much or to keep others waiting.
_AHEAD_US = 1_000_000
_AHEAD_BATCH_US = 250_000

# Thousandths of each limit that a backlog may fill.
_ALL, _PART_BATCH = 1_000, 900

_FURTHEST = FURTHEST_US / SECOND_US
# Whoever waits as long as it takes waits for the store, too.
_FAR = 1e15


class Caller(NamedTuple):
    """
    Who asks, and for what.

    Attributes:
        start: When it came, by the monotonic clock.

        end: Until when it will wait.
    """

    scope: Scope
    policy: Policy
    charges: tuple[int, ...]
    wish: Wish
    start: float
    end: float

    @property
    def lines_up(self) -> bool:
        """Whether it stands in line before it asks."""
        patient = self.wish.timeout != 0
        cautious = self.wish.estimate or self.wish.batch or self.policy.leases
        return patient and cautious

    @property
    def gives_up(self) -> float:
        """When it stops waiting for the store; "now" means one answer, however."""
        return inf if self.wish.timeout == 0 else min(self.end, _FAR)

    @property
    def line(self) -> str:
        """The name of its line, in its scope."""
        return f"{self.policy.account}{'/batch' if self.wish.batch else ''}"

    def request(
        self, left: float, span: int, *, leads: bool = True, again: bool = False
    ) -> Request:
        """
        Return what it asks for if it has so many seconds left.

        Args:
            leads: Whether nobody is before it in its line, if it has one.

            again: Whether it was told before to come back.
        """
        wait, ahead, part = self._how(left, leads=leads)
        return Request(self.policy, self.charges, wait, ahead, span, part, again)

    def first_request(self, span: int, *, leads: bool) -> Request:
        """Return what it asks for when it comes: most ask as others did before."""
        timeout = self.wish.timeout
        left = inf if timeout is None else timeout
        wait, ahead, part = self._how(left, leads=leads)
        return request_of(self.policy, self.charges, wait, ahead, span, part)

    def _how(self, left: float, *, leads: bool) -> tuple[int, int, int]:
        wish = self.wish
        wait = int(min(left, _FURTHEST) * SECOND_US)
        if not (wish.estimate or wish.batch):
            return wait, -1, _ALL
        ahead = _AHEAD_BATCH_US if wish.batch else _AHEAD_US
        # Who does not lead takes what is there, but no turn to ask again.
        wait = wait if leads else min(wait, ahead)
        return wait, ahead, _PART_BATCH if wish.batch else _ALL


class Begun(NamedTuple):
    """
    What a caller did before it had a plan.

    Attributes:
        start: When it came.

        span_us: For how long it asked to use its turn late.

        ticket: Its place in its line; whoever made it sees to it that it is left.

        answer: The store's, if it was asked, and that was as usual.

        error: How asking failed, if it did.
    """

    start: float
    span_us: int
    ticket: Ticket | None = None
    answer: Answer | None = None
    error: StoreError | None = None

    @property
    def asked(self) -> bool:
        """Whether it has asked the store."""
        return self.answer is not None or self.error is not None


def caller_of(
    scope: Scope,
    policy: Policy,
    charges: tuple[int, ...],
    wish: Wish,
    start: float,
) -> Caller:
    """Return the caller who came at a moment."""
    end = inf if wish.timeout is None else start + wish.timeout
    return Caller(scope, policy, charges, wish, start, end)


def span_us(desk: Desk, caller: Caller) -> int:
    """Return for how long a turn is booked to be used late, beyond its own grace."""
    late_us = desk.spare_us
    if not late_us:
        return 0
    own_us = spare_us(caller.scope, caller.policy, caller.charges)
    return min(late_us, _MORE_SPARE * own_us)
