"""
Speak the scripts' language: requests to KEYS and ARGV. ``_reply`` is the way back.

The twin of ``lua/``: the constants name the arguments as the scripts' headers do, in
the same order, and a test holds the two together. Below the facade moments and waits
are integer microseconds, above it float seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ._calendar import boundaries
from ._limits import SECOND_US, CalendarWindow, Limit, SlidingWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._rules import Policy

HEAD = ("now", "nonce", "display", "guard")
FIELD = ("field",)
LIMIT = ("account", "tag", "capacity", "grace", "p1", "p2", "p3")
REQUEST = ("own", "max_wait", "charges")
CHARGE = ("limit", "cost")
SETTLEMENT = ("limit", "moment", "change", "epoch", "shift")

# Bookings reach no further ahead than the longest window: a month.
FURTHEST_US = 31 * 86_400 * SECOND_US
SHARED = "s"

Arg: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of ``lua/{script}.lua``, ready to be sent.

    Attributes:
        ordered: Whether callers of one process must be served in their order.

        needless: Of an ordered call: asked when its turn comes; if True it is not
            sent, and its reply is None.
    """

    script: str
    key: str
    args: tuple[Arg, ...]
    ordered: bool = False
    needless: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Who is limited, as the wire sees it.

    Attributes:
        key: The hash in the store.

        display: How people see the scope; may be stored. Empty if nobody said.

        guard_us: For how long every permit may be used late.
    """

    key: str
    display: str
    guard_us: int = 0


@dataclass(frozen=True, slots=True)
class Clock:
    """
    What a call needs to know of time and chance.

    Attributes:
        nonce: 0 to 9999, random.

        day_us: Any moment of the server's present day, for calendars.

        now_us: The moment to decide at. Only tests give one; None is the server's.
    """

    nonce: int
    day_us: int
    now_us: int | None = None

    @property
    def now(self) -> Arg:
        """The argument of a script."""
        return "" if self.now_us is None else self.now_us


@dataclass(frozen=True, slots=True)
class Request:
    """What one caller asks for: charges are units per limit of the policy."""

    policy: Policy
    charges: tuple[int, ...]
    max_wait_us: int


@dataclass(frozen=True, slots=True)
class Booking:
    """
    What was charged, and where, so that it can be settled.

    Attributes:
        posts: Per limit of the policy: moment (us), units, epoch, shift (us).
    """

    posts: tuple[tuple[int, int, str, int], ...]


def own_field(policy: Policy) -> str:
    """Name the field of the policy's own account."""
    return f"m:{policy.account}"


def grace_us(limit: Limit) -> int:
    """
    For how long a permit that waited may be used late, in microseconds.

    A 200th of the window, 1 to 100 ms: what a scheduler needs, and little capacity.
    """
    if isinstance(limit, CalendarWindow):
        return 0
    window = limit.per_us
    if not isinstance(limit, SlidingWindow):
        window = window * limit.capacity // limit.rate
    # Never so long that a tiny bucket would spend its time in graces.
    return min(100_000, max(1_000, window // 200), window // 20)


def encode_acquire(scope: Scope, requests: Sequence[Request], clock: Clock) -> Call:
    """Encode a call of ``lua/acquire.lua``; the first request's caller waits."""
    book = Book(requests, clock.day_us)
    args: list[Arg] = [clock.now, clock.nonce, scope.display, scope.guard_us]
    args += book.args
    args.append(len(requests))
    for request in requests:
        limits = request.policy.limits
        wait = min(FURTHEST_US, request.max_wait_us)
        args += (book.fields[own_field(request.policy)], wait, len(limits))
        for limit, cost in zip(limits, request.charges, strict=True):
            args += (book.limits[place(request.policy, limit)], cost)
    return Call("acquire", scope.key, tuple(args), ordered=True)


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
        moment, booked, epoch, shift = post
        if units != booked:
            number = book.limits[place(policy, limit)]
            rows += (number, moment, units - booked, epoch, shift)
    args += (len(rows) // len(SETTLEMENT), *rows)
    return Call("settle", scope.key, tuple(args))


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


def encode_reset(scope: Scope, policy: Policy) -> Call:
    """Encode a call of ``lua/reset.lua``."""
    fields = [own_field(policy), *([SHARED] if policy.shared else [])]
    return Call("reset", scope.key, (len(fields), *fields))


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
    return limit.per_us, limit.rate, 0
