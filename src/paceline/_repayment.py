"""What a process spent while the store was gone, and how its account is charged."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from math import inf
from operator import add
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from . import _reply, _wire
from ._batch import ask_day
from ._calls import Booking, Call, Clock, Post, Scope
from ._effects import Now, Plan
from ._errors import StoreError
from ._limits import SECOND_US, CalendarWindow, Concurrency, TokenBucket
from ._unheard import unheard_of

if TYPE_CHECKING:
    from ._almanac import Almanac
    from ._limits import Limit
    from ._local import Share
    from ._log import Log
    from ._policy import Policy
    from ._reply import Reply

# Every so many-th call of an account may ask how many processes there are.
_COUNT_CALLS = 16

# Notes are sorted into the logs when there are so many of them.
_MOST_FRESH = 512


class Entry:
    """
    What was spent within a short while, by one or several calls.

    Attributes:
        first: The first of them, by this process's clock.

        moment: The latest.

        units: Per limit of the policy.

        closed: Whether it is being charged: nothing is added to it any more.

        sent: The call that may have charged it, if its reply was lost.

        posts: What the store was charged for it; empty until then.
    """

    __slots__ = ("closed", "first", "moment", "posts", "sent", "units")

    def __init__(self, moment: float, units: tuple[int, ...]) -> None:
        self.first = moment
        self.moment = moment
        self.units = units
        self.closed = False
        self.sent: Call | None = None
        self.posts: tuple[Post, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalBooking(Booking):
    """
    A booking that no store knows of.

    Its posts say what was booked; one of a place has a moment once it is registered.
    """

    entry: Entry


class Account:
    """What this process knows, used and owes of one account."""

    def __init__(self, scope: Scope, policy: Policy, logs: tuple[Log, ...]) -> None:
        self.scope = scope
        self.policy = policy
        self.logs = logs
        self.clients = 0
        self.calls = 0
        self.counted = 0.0
        self.pause = 0.0
        self.due = False
        self.entries: list[Entry] = []
        self.unpaid: list[int] = [0] * len(logs)
        self.epochs: dict[str, str] = {}
        self._fresh: deque[tuple[float, tuple[int, ...]]] = deque()

    def doubt(self) -> None:
        """Look at once at what other processes tell."""
        self.due, self.counted = True, -inf

    def note(self, now: float, charges: tuple[int, ...]) -> bool:
        """Note a permit of the store's; tell whether it is time to sort."""
        self._fresh.append((now, charges))
        self.calls += 1
        if not self.clients or (
            self.calls >= _COUNT_CALLS and now - self.counted >= self.pause
        ):
            self.due = True
        return len(self._fresh) > _MOST_FRESH

    @property
    def owes(self) -> bool:
        """Whether the store does not know yet of all that was spent."""
        return bool(self.entries)

    def sort(self) -> None:
        """Sort what was noted into the logs."""
        if self._fresh:
            for log in self.logs:
                log.trim(self._fresh[0][0])
        while self._fresh:
            now, charges = self._fresh.popleft()
            for log, units in zip(self.logs, charges, strict=True):
                log.add(now, units)

    def spend(
        self, moment: float, charges: tuple[int, ...], width: float
    ) -> LocalBooking:
        """Note a call that the store knows nothing of."""
        entry = self.entries[-1] if self.entries else None
        if entry is None or entry.closed or abs(moment - entry.first) > width:
            entry = Entry(moment, (0,) * len(charges))
            self.entries.append(entry)
        entry.moment = max(entry.moment, moment)
        self.adjust(entry, charges)
        posts = tuple(Post(0, units, "", 0, 0) for units in charges)
        return LocalBooking(posts, entry)

    def adjust(self, entry: Entry, changes: tuple[int, ...]) -> None:
        """Change what an entry holds, before it is charged."""
        entry.units = tuple(
            max(0, units + change)
            for units, change in zip(entry.units, changes, strict=True)
        )
        self.unpaid = [
            max(0, units + change)
            for units, change in zip(self.unpaid, changes, strict=True)
        ]


# Of each limit.
Units: TypeAlias = "tuple[int, ...]"


class _Field(NamedTuple):
    epoch: str
    seq: int
    shift: int


def repay(almanac: Almanac, account: Account, shares: tuple[Share, ...]) -> Plan[Units]:
    """
    Charge what was spent; return how many units of each limit.

    What was spent in windows and periods is charged at its moment, what was spent of a
    bucket as far as it would not have drained since. A call whose reply was lost is
    sent again in its place, so that it counts once.

    Raises:
        StoreError: If the store is gone again (what is not charged is still there), or
            refused.
    """
    policy, scope = account.policy, account.scope

    def look(clock: Clock) -> Call:
        return _wire.encode_peek(scope, policy, clock)

    # By the clock as it was before: what the answer took is not taken off.
    at = yield Now()
    reply = yield from ask_day(almanac, look)
    fields = _fields(reply, policy)
    account.epochs = {name: field.epoch for name, field in fields.items()}
    server_us = int(reply[1])
    total = (0,) * len(policy.limits)
    # What is booked for later is used then, or taken back.
    due = [entry for entry in account.entries if entry.moment <= at]
    for entry in due:
        entry.closed = True
        moment = server_us - round((at - entry.moment) * SECOND_US)
        units = _due(account, entry, shares, at, last=entry is due[-1])
        try:
            if entry.sent is not None:
                charged = yield replace(entry.sent, until=inf)
            elif any(units):
                charged = yield from _charge(
                    almanac, account, units, _posts(policy, fields, moment, units)
                )
            else:
                charged = None
        except StoreError as error:
            unheard = unheard_of(error)
            entry.sent = unheard.call if unheard else entry.sent
            entry.closed = entry.sent is not None
            raise
        if charged is not None:
            total = tuple(map(add, total, units))
            fields = _fields(_reply.unwrap(charged)[1], policy)
        entry.posts = _posts(policy, fields, moment, entry.units)
        account.entries.remove(entry)
        if entry is due[-1]:
            account.unpaid = [0] * len(policy.limits)
    return total


def _due(
    account: Account,
    entry: Entry,
    shares: tuple[Share, ...],
    now: float,
    *,
    last: bool,
) -> tuple[int, ...]:
    """Return what to charge for an entry; the last one is charged for all buckets."""
    due = []
    for i, limit in enumerate(account.policy.limits):
        units = entry.units[i]
        if isinstance(limit, Concurrency):
            units = 0  # places are registered, not charged
        elif isinstance(limit, TokenBucket):
            units = shares[i].owed(now, account.unpaid[i]) if last else 0
        elif not isinstance(limit, CalendarWindow) and entry.moment <= now - limit.per:
            units = 0
        due.append(units)
    return tuple(due)


def _charge(
    almanac: Almanac,
    account: Account,
    units: tuple[int, ...],
    posts: tuple[Post, ...],
) -> Plan[Reply]:
    nothing = Booking(tuple(post._replace(units=0) for post in posts))

    def encode(clock: Clock) -> Call:
        return _wire.encode_settle(account.scope, account.policy, nothing, units, clock)

    return (yield from ask_day(almanac, encode))


def _fields(reply: Reply, policy: Policy) -> dict[str, _Field]:
    names = [_wire.own_field(policy), *([_wire.SHARED] if policy.shared else [])]
    fields = {}
    try:
        for i, name in enumerate(names):
            epoch, seq, shift, _ = reply[2 + 4 * i : 6 + 4 * i]
            text = epoch.decode() if isinstance(epoch, bytes) else str(epoch)
            fields[name] = _Field(text, int(seq), int(shift))
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise StoreError("the store's reply makes no sense", code="P209") from error
    return fields


def _posts(
    policy: Policy, fields: dict[str, _Field], moment: int, units: tuple[int, ...]
) -> tuple[Post, ...]:
    posts = []
    for limit, each in zip(policy.limits, units, strict=True):
        field = fields[_wire.place(policy, limit)[0]]
        # A stamp above all others: of a bucket nothing is given back afterwards.
        stamp = (field.seq + 1) * 1_000
        posts.append(Post(moment, each, field.epoch, field.shift, stamp))
    return tuple(posts)


def paid_booking(
    policy: Policy, booking: LocalBooking, actual: tuple[int, ...]
) -> tuple[Booking, tuple[int, ...]]:
    """Return the booking and true cost to post for a permit that is charged already."""
    posts, costs = [], []
    rows = zip(policy.limits, booking.posts, booking.entry.posts, actual, strict=True)
    for limit, post, paid, new in rows:
        if isinstance(limit, Concurrency):
            # Registered by the heartbeat since, or the store knows nothing of it.
            posts.append(post._replace(epoch=paid.epoch, shift=paid.shift))
            costs.append(new if post.moment else post.units)
        else:
            posts.append(paid._replace(units=post.units))
            drained = isinstance(limit, TokenBucket) and new < post.units
            costs.append(post.units if drained else new)
    return Booking(tuple(posts)), tuple(costs)


def as_known(policy: Policy, limit: Limit, post: Post, epochs: dict[str, str]) -> Post:
    """Return the post of a place for a store that knows of none taken without it."""
    if post.epoch:
        return post
    return post._replace(epoch=epochs.get(_wire.place(policy, limit)[0], ""))
