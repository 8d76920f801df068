"""
Speak the scripts' language: requests to KEYS and ARGV. ``_reply`` is the way back.

The twin of ``lua/``: the constants name the arguments as the scripts' headers do, in
the same order, and a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._calendar import boundaries
from ._calls import Arg, Booking, Call, Clock, Post, Request, Scope
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
REQUEST = ("own", "max_wait", "horizon", "span", "part", "again", "charges")
CHARGE = ("limit", "cost")
SETTLEMENT = ("limit", "moment", "change", "epoch", "shift", "stamp")
RENEWAL = ("limit", "stop", "epoch")

__all__ = [
    "FURTHEST_US",
    "Book",
    "Booking",
    "Call",
    "Clock",
    "Post",
    "Request",
    "Scope",
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
    """Encode a call of ``lua/acquire.lua``; the first request's caller waits."""
    book = Book(requests, clock.day_us)
    args: list[Arg] = [clock.now, clock.nonce, scope.display, scope.guard_us]
    args += book.args
    args.append(len(requests))
    for request in requests:
        limits = request.policy.limits
        wait = min(FURTHEST_US, request.max_wait_us)
        args += (book.fields[own_field(request.policy)], wait, request.horizon_us)
        args += (request.span_us, request.part, int(request.again), len(limits))
        for limit, cost in zip(limits, request.charges, strict=True):
            args += (book.limits[place(request.policy, limit)], cost)
    return Call("acquire", scope.key, tuple(args))


def encode_settle(
    scope: Scope,
    policy: Policy,
    booking: Booking,
    actual: Sequence[int],
    clock: Clock,
) -> Call:
    """Encode a call of ``lua/settle.lua``: *actual* units per limit, not *booked*."""
    book = Book([Request(policy, tuple(actual), 0)], clock.day_us)
    args: list[Arg] = [clock.now, clock.nonce, *book.args]
    rows: list[Arg] = []
    for limit, post, units in zip(policy.limits, booking.posts, actual, strict=True):
        if units != post.units:
            number = book.limits[place(policy, limit)]
            rows += (number, post.moment, units - post.units)
            rows += (post.epoch, post.shift, post.stamp)
    args += (len(rows) // len(SETTLEMENT), *rows)
    return Call("settle", scope.key, tuple(args))


def encode_renew(
    scope: Scope, holds: Sequence[tuple[Policy, Limit, Post]], clock: Clock
) -> Call:
    """Encode a call of ``lua/renew.lua``, for leases of concurrency limits."""
    book = Book([Request(policy, (), 0) for policy, _, _ in holds], clock.day_us)
    args: list[Arg] = [clock.now, clock.nonce, *book.args, len(holds)]
    for policy, limit, post in holds:
        args += (book.limits[place(policy, limit)], post.moment, post.epoch)
    return Call("renew", scope.key, tuple(args))


def encode_peek(scope: Scope, policy: Policy, clock: Clock) -> Call:
    """Encode a call of ``lua/peek.lua``."""
    book = Book([Request(policy, (), 0)], clock.day_us)
    return Call("peek", scope.key, (clock.now, *book.args))


def encode_cool_down(
    scope: Scope, policy: Policy, duration_us: int, clock: Clock
) -> Call:
    """Encode a call of ``lua/cool_down.lua``."""
    field = own_field(policy)
    args = (clock.now, clock.nonce, scope.display, 1, field, duration_us)
    return Call("cool_down", scope.key, args)


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
    """Fields and limits of a batch, each once, with the places they got."""

    __slots__ = ("args", "fields", "limits")

    def __init__(self, requests: Iterable[Request], day_us: int) -> None:
        self.fields: dict[str, int] = {}
        self.limits: dict[tuple[str, str], int] = {}
        rows: list[Arg] = []
        for request in requests:
            policy = request.policy
            for name in (own_field(policy), *([SHARED] if policy.shared else [])):
                self.fields.setdefault(name, len(self.fields) + 1)
            for limit in policy.limits:
                where = place(policy, limit)
                if where not in self.limits:
                    self.limits[where] = len(self.limits) + 1
                    rows += (self.fields[where[0]], limit.tag, limit.capacity)
                    rows += (grace_us(limit), *_parameters(limit, day_us))
        self.args: tuple[Arg, ...] = (
            len(self.fields),
            *self.fields,
            len(self.limits),
            *rows,
        )


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
