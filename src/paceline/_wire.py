"""
Speak the scripts' language: requests to KEYS and ARGV. ``_reply`` is the way back.

The twin of ``lua/``: the constants name the arguments as the scripts' headers do, in
the same order, and a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._calendar import boundaries
from ._calls import Arg, Booking, Call, Clock, Packed, Post, Request, Scope
from ._limits import (
    SECOND_US,
    CalendarWindow,
    Concurrency,
    Limit,
    SlidingWindow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._rules import Policy

HEAD = ("lane", "number", "oldest", "now", "nonce", "display", "guard")
FIELD = ("field",)
LIMIT = ("account", "tag", "capacity", "grace", "p1", "p2", "p3")
REQUEST = ("times", "own", "max_wait", "horizon", "span", "part", "again", "charges")
CHARGE = ("limit", "cost")
SETTLEMENT = ("limit", "moment", "change", "epoch", "shift", "stamp")
RENEWAL = ("limit", "stop", "epoch")
COOL = ("duration", "refused")

__all__ = [
    "FURTHEST_US",
    "Book",
    "Booking",
    "Call",
    "Clock",
    "Post",
    "Request",
    "Scope",
    "book_of",
    "encode_acquire",
    "encode_cool_down",
    "encode_peek",
    "encode_renew",
    "encode_reset",
    "encode_settle",
    "grace_us",
    "lease_slot",
    "own_field",
    "place",
    "spare_us",
]

# Bookings reach no further ahead than the longest window: a month.
FURTHEST_US = 31 * 86_400 * SECOND_US
SHARED = "s"

_FOREVER = 10**18
# Different requests of a policy whose packed form is kept: most calls ask alike.
_MOST_ASKED = 512

_LEASE_SLOTS = 60
_BUCKET_SLOTS = 60


def own_field(policy: Policy) -> str:
    """Name the field of the policy's own account."""
    return f"m:{policy.account}"


def grace_us(limit: Limit) -> int:
    """
    For how long a permit that waited may be used late, in microseconds.

    A 200th of the window, 1 to 100 ms: what a scheduler needs, and little capacity.
    """
    if isinstance(limit, CalendarWindow | Concurrency):
        return 0
    window = limit.per_us
    if not isinstance(limit, SlidingWindow):
        window = window * limit.capacity // limit.rate
    # Never so long that a tiny bucket would spend its time in graces.
    return min(100_000, max(1_000, window // 200), window // 20)


def spare_us(scope: Scope, policy: Policy, charges: Sequence[int]) -> int:
    """Return by how many microseconds a permit that waited may be used late."""
    graces = [
        grace_us(limit)
        for limit, units in zip(policy.limits, charges, strict=True)
        if units and not isinstance(limit, CalendarWindow | Concurrency)
    ]
    return scope.guard_us + min(graces, default=FURTHEST_US)


def encode_acquire(scope: Scope, requests: Sequence[Request], clock: Clock) -> Call:
    """
    Encode a call of ``lua/acquire.lua``; the first request's caller waits.

    Equal requests that follow each other are sent once, with their number.
    """
    book = book_of(requests, clock.day_us)
    head = (clock.now, clock.nonce, scope.display, scope.guard_us)
    times: list[int] = []
    asked: list[Packed] = []
    before = None
    for request in requests:
        packed = asked[-1] if request is before else book.asked(request)
        if asked and packed is asked[-1]:
            times[-1] += 1
        else:
            times.append(1)
            asked.append(packed)
        before = request
    rows: list[Arg | Packed] = []
    for row in zip(times, asked, strict=True):
        rows += row
    return Call("acquire", scope.key, (*head, book.args, len(times), *rows))


def encode_settle(
    scope: Scope,
    policy: Policy,
    booking: Booking,
    actual: Sequence[int],
    clock: Clock,
) -> Call:
    """Encode a call of ``lua/settle.lua``: *actual* units per limit, not *booked*."""
    book = book_of([Request(policy, tuple(actual), 0)], clock.day_us)
    rows: list[Arg] = []
    for limit, post, units in zip(policy.limits, booking.posts, actual, strict=True):
        if units != post.units:
            number = book.limits[place(policy, limit)]
            rows += (number, post.moment, units - post.units)
            rows += (post.epoch, post.shift, post.stamp)
    count = len(rows) // len(SETTLEMENT)
    args = (clock.now, clock.nonce, book.args, count, *rows)
    return Call("settle", scope.key, args)


def encode_renew(
    scope: Scope, holds: Sequence[tuple[Policy, Limit, Post]], clock: Clock
) -> Call:
    """Encode a call of ``lua/renew.lua``, for leases of concurrency limits."""
    book = Book([Request(policy, (), 0) for policy, _, _ in holds], clock.day_us)
    rows: list[Arg] = []
    for policy, limit, post in holds:
        rows += (book.limits[place(policy, limit)], post.moment, post.epoch)
    args = (clock.now, clock.nonce, book.args, len(holds), *rows)
    return Call("renew", scope.key, args)


def encode_peek(scope: Scope, policy: Policy, clock: Clock) -> Call:
    """Encode a call of ``lua/peek.lua``."""
    book = book_of([Request(policy, (), 0)], clock.day_us)
    return Call("peek", scope.key, (clock.now, book.args))


def encode_cool_down(
    scope: Scope,
    policy: Policy,
    duration_us: int,
    clock: Clock,
    *,
    refused: bool = False,
) -> Call:
    """Encode a call of ``lua/cool_down.lua``, which counts a 429 if *refused*."""
    args = (clock.now, clock.nonce, scope.display, 1, own_field(policy))
    return Call("cool_down", scope.key, (*args, duration_us, int(refused)))


def encode_reset(
    scope: Scope, policy: Policy, clock: Clock, known: Sequence[tuple[str, int]] = ()
) -> Call:
    """
    Encode a call of ``lua/reset.lua``.

    Args:
        known: Per field, in their order: a life of it that is remembered, and for how
            long others may remember it, in microseconds.
    """
    fields = [own_field(policy), *([SHARED] if policy.shared else [])]
    rows: list[Arg] = []
    for number, (epoch, rest) in enumerate(known[: len(fields)], 1):
        rows += (number, epoch, rest)
    args = (clock.now, clock.nonce, len(fields), *fields, len(rows) // 3, *rows)
    return Call("reset", scope.key, args)


class Book:
    """
    Fields and limits of a batch, each once, with the places they got.

    Attributes:
        args: What is sent of them.

        days: The moments from which and until when their calendars are right.
    """

    __slots__ = ("_asked", "args", "days", "fields", "limits")

    def __init__(self, requests: Iterable[Request], day_us: int) -> None:
        self.fields: dict[str, int] = {}
        self.limits: dict[tuple[str, str], int] = {}
        self.days: tuple[int, int] = (0, _FOREVER)
        self._asked: dict[tuple[object, ...], Packed] = {}
        limits: dict[tuple[str, str], Limit] = {}
        for request in requests:
            policy = request.policy
            for name in (own_field(policy), *([SHARED] if policy.shared else [])):
                self.fields.setdefault(name, len(self.fields) + 1)
            for limit in policy.limits:
                where = place(policy, limit)
                self.limits.setdefault(where, len(self.limits) + 1)
                # One that is being corrected may be there with both of its figures.
                known = limits.get(where, limit)
                limits[where] = min(known, limit, key=_least)
        rows: list[Arg] = []
        for where, limit in limits.items():
            parameters = _parameters(limit, day_us)
            rows += (self.fields[where[0]], limit.tag, limit.capacity)
            rows += (grace_us(limit), *parameters)
            if isinstance(limit, CalendarWindow):
                since, until = self.days
                start, stop, _ = parameters
                self.days = (max(since, start), min(until, stop))
        self.args: Packed = Packed(
            (len(self.fields), *self.fields, len(self.limits), *rows)
        )

    def asked(self, request: Request) -> Packed:
        """Return what is sent of a request."""
        charges, wait = request.charges, min(FURTHEST_US, request.max_wait_us)
        how = (wait, request.horizon_us, request.span_us, request.part, request.again)
        known = self._asked.get((id(request.policy), *how, *charges))
        if known is not None:
            return known
        policy = request.policy
        args: list[Arg] = [self.fields[own_field(policy)], *how[:-1]]
        args += (int(request.again), len(charges))
        for limit, cost in zip(policy.limits, charges, strict=True):
            args += (self.limits[place(policy, limit)], cost)
        packed = Packed(args)
        if len(self._asked) >= _MOST_ASKED:
            # Who waits asks for ever different waits: what is common comes back.
            self._asked.clear()
        self._asked[id(policy), *how, *charges] = packed
        return packed


def book_of(requests: Sequence[Request], day_us: int | None) -> Book:
    """
    Return the fields and limits of a batch; those of one policy are made once.

    Args:
        day_us: Any moment of the server's day; None if only the places matter.
    """
    policy = requests[0].policy
    for request in requests:
        if request.policy is not policy:
            return Book(requests, day_us or 0)
    known: Book | None = policy.notes.get("book")
    if known is None or (
        day_us is not None and not known.days[0] <= day_us < known.days[1]
    ):
        known = policy.notes["book"] = Book(requests[:1], day_us or 0)
    return known


def _least(limit: Limit) -> tuple[int, int]:
    return limit.capacity, getattr(limit, "rate", 0)


def place(policy: Policy, limit: Limit) -> tuple[str, str]:
    # Identity, not equality: the same limit may stand in both lists.
    own = any(limit is each for each in policy.own)
    return (own_field(policy) if own else SHARED, limit.tag)


def _parameters(limit: Limit, day_us: int) -> tuple[int, int, int]:
    if isinstance(limit, SlidingWindow):
        # Waiters may fill eight windows' entries before they must ask again.
        return limit.per_us, -(-limit.per_us // limit.slots), 8 * limit.slots
    if isinstance(limit, CalendarWindow):
        return boundaries(limit.period, limit.tz, day_us)
    if isinstance(limit, Concurrency):
        return limit.lease_us, lease_slot(limit), 0
    fill = limit.per_us * limit.capacity // limit.rate
    return limit.per_us, limit.rate, max(1, fill // _BUCKET_SLOTS)


def lease_slot(limit: Concurrency) -> int:
    """Return to how many microseconds the end of a lease is rounded up."""
    return -(-limit.lease_us // _LEASE_SLOTS)
