"""
The answer to one request, kept as the script wrote it.

Most callers ask for a yes or no; what a reply says beside that is worked out when
somebody looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ._decision import Decision, LimitStatus, decided
from ._errors import StoreError
from ._limits import SECOND_US, CalendarWindow, Concurrency, Limit
from ._wire import SHARED, Book, Booking, Post, grace_us, lease_slot, own_field, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._calls import Life
    from ._rules import Policy
    from ._wire import Request, Scope

COOL_DOWN = "cool-down"

# The code of an answer.
_CHARGED, _LATER, _NEVER = 1, 2, -1


class Answer:
    """The reply to one request. What nobody asks of it is never worked out."""

    __slots__ = ("_at", "_booking", "_decision", "_number", "_request", "_sent")

    def __init__(self, at: int, request: Request, number: int, sent: Sent) -> None:
        self._at = at
        self._request = request
        self._number = number
        self._sent = sent
        self._decision: Decision | None = None
        self._booking: Booking | None = None

    @property
    def charged(self) -> bool:
        """Whether every limit was charged."""
        return self._sent.values[self._at] == _CHARGED

    @property
    def never(self) -> bool:
        """Whether a limit can never hold the cost."""
        return self._sent.values[self._at] == _NEVER

    @property
    def later(self) -> bool:
        """Whether to ask again after the wait, for it is too far ahead to book."""
        return self._sent.values[self._at] == _LATER

    @property
    def wait_us(self) -> int:
        """
        How long to wait, from the server's now.

        Until the permit may be used, until the cost could be granted, or (later) until
        it is time to ask again. Negative if the reply was lost and the permit's moment
        has gone by.
        """
        return self._sent.values[self._at + 1] - self._sent.age

    @property
    def now_us(self) -> int:
        """The server's clock when it decided."""
        return self._sent.now

    @property
    def cool_us(self) -> int:
        """Until the account's cool-down ends."""
        return self._sent.cool_us(self._request)

    @property
    def replayed(self) -> bool:
        """Whether it was decided before, and its first reply was lost."""
        return self._sent.age > 0

    @property
    def others(self) -> tuple[tuple[Limit, int], ...]:
        """Limits that another process takes for another capacity, and for which."""
        sent = self._sent
        return sent.others_of(self._request) if sent.others else ()

    def follows(self, other: Answer) -> bool:
        """Tell whether both came by one reply, and this one was decided later."""
        return self._sent.fields is other._sent.fields and self._number > other._number

    def is_of(self, policy: Policy) -> bool:
        """Tell whether it was asked for by these limits."""
        return self._request.policy is policy

    def alone(self) -> Answer:
        """Return the same answer without its neighbours, to be kept."""
        sent, size = self._sent, 3 + 2 * len(self._request.charges)
        if len(sent.values) <= size:
            return self
        values = sent.values[self._at : self._at + size]
        sent = sent._replace(values=values)
        return Answer(0, self._request, self._number, sent)

    @property
    def decision(self) -> Decision:
        """For the caller."""
        if self._decision is None:
            values, at = self._sent.values, self._at
            if values[at] == _CHARGED:
                self._decision = decided(
                    self.statuses, allowed=True, retry_after=0.0, limit=None
                )
            else:
                wait = values[at + 1] / SECOND_US
                self._decision = decided(
                    self.statuses, allowed=False, retry_after=wait, limit=self.cause
                )
        return self._decision

    def statuses(self) -> tuple[LimitStatus, ...]:
        """Return how each limit stands."""
        values, at = self._sent.values, self._at + 3
        return tuple(
            status_of(limit, values[at + 2 * i], values[at + 2 * i + 1])
            for i, limit in enumerate(self._request.policy.limits)
        )

    @property
    def lives(self) -> Sequence[Life]:
        """Of the account's field, and of the one that models share, if any."""
        if len(self._sent.fields) == 1:
            return self._sent.fields
        policy = self._request.policy
        own = self._sent.field(own_field(policy))
        return (own, self._sent.field(SHARED)) if policy.shared else (own,)

    @property
    def halves(self) -> tuple[tuple[Limit, int, int, int], ...]:
        """
        Limits of which a part is booked ahead.

        Its units, the other units, and in how many microseconds the latter are as if
        never used.
        """
        policy, known = self._request.policy, self._sent.others
        pairs = zip(policy.limits, self._sent.numbers(policy), strict=True)
        return tuple(
            (limit, known[at], known[at - 1], known[at - 2])
            for limit, number in pairs
            if (at := -3 * number) in known
        )

    @property
    def busy(self) -> bool:
        """Whether a limit on calls at a time decided: any release may end the wait."""
        return isinstance(self._decisive, Concurrency)

    @property
    def cause(self) -> str | None:
        """The limit that decided, or the cool-down; None if nobody has to wait."""
        decisive = self._decisive
        if decisive is None:
            return COOL_DOWN if self._sent.values[self._at + 2] < 0 else None
        return decisive.name

    @property
    def _decisive(self) -> Limit | None:
        why = self._sent.values[self._at + 2]
        if why <= 0:
            return None
        policy = self._request.policy
        numbers = list(self._sent.numbers(policy))
        if why not in numbers:
            raise StoreError(
                "the store's reply names a limit that nobody asked for",
                code="P209",
                hint="Is another program using the prefix paceline:1: on this server?",
            )
        return policy.limits[numbers.index(why)]

    @property
    def booking(self) -> Booking | None:
        """What was charged, if anything."""
        if self.charged and self._booking is None:
            self._booking = _post(
                self._sent.values[self._at + 1], self._request, self._number, self._sent
            )
        return self._booking


class Sent(NamedTuple):
    """What was asked, and what the reply says of the moment and the fields."""

    scope: Scope
    book: Book
    now: int
    age: int
    fields: list[Life]
    others: dict[int, int]
    values: list[int]

    def field(self, name: str) -> Life:
        return self.fields[self.book.fields[name] - 1]

    def cool_us(self, request: Request) -> int:
        if len(self.fields) == 1:
            return self.fields[0].cool_us
        return self.field(own_field(request.policy)).cool_us

    def numbers(self, policy: Policy) -> list[int]:
        return [self.book.limits[place(policy, limit)] for limit in policy.limits]

    def others_of(self, request: Request) -> tuple[tuple[Limit, int], ...]:
        policy = request.policy
        pairs = zip(policy.limits, self.numbers(policy), strict=True)
        return tuple(
            (limit, self.others[number])
            for limit, number in pairs
            if number in self.others
        )


def _post(wait: int, request: Request, number: int, sent: Sent) -> Booking:
    posts = []
    only = sent.fields[0] if len(sent.fields) == 1 else None
    for limit, units in zip(request.policy.limits, request.charges, strict=True):
        field = only or sent.field(place(request.policy, limit)[0])
        moment = sent.now + wait
        if isinstance(limit, Concurrency):
            slot = lease_slot(limit)
            moment = -(-(moment + field.shift + limit.lease_us) // slot) * slot
        elif not isinstance(limit, CalendarWindow):
            late = max(grace_us(limit), request.span_us) if wait else 0
            moment += sent.scope.guard_us + late
        stamp = field.seq * 1_000 + number
        posts.append(Post(moment, units, field.epoch, field.shift, stamp))
    return Booking(tuple(posts))


def status_of(limit: Limit, remaining: int, reset_us: int) -> LimitStatus:
    return LimitStatus(
        name=limit.name,
        unit=limit.unit,
        capacity=limit.capacity,
        remaining=remaining,
        reset_after=reset_us / SECOND_US,
    )
