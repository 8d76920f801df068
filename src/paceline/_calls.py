"""
What is asked of the store, and what was charged: values.

``_wire`` puts them into the scripts' language. Below the facade moments and waits are
integer microseconds, above it float seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._policy import Policy

Arg: TypeAlias = str | int

_MOST_KNOWN = 512

# Scripts that change something for good: sent again, they must not do so again.
_ONCE = frozenset(("acquire", "renew", "settle"))


class Packed:
    """
    Arguments that go together in many calls, packed for the store once.

    Attributes:
        args: The arguments.

        data: As the store reads them; filled in by who packs them first.
    """

    __slots__ = ("args", "data")

    def __init__(self, args: Iterable[Arg]) -> None:
        self.args: tuple[Arg, ...] = tuple(args)
        self.data: bytes | None = None


class Place(NamedTuple):
    """
    A call's number on a lane.

    Attributes:
        lane: Its name.

        number: Counted from 1.

        oldest: The least number whose answer may still be asked for.
    """

    lane: str
    number: int
    oldest: int


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of ``lua/{script}.lua``, ready to be sent.

    Attributes:
        parts: Its arguments, the lane's excepted.

        needless: Of a call that waits for others of its key that have one: asked when
            its turn comes; if True it is not sent, and its reply is None.

        until: The moment of the monotonic clock at which its caller gives up.

        lane: The lane and number under which it was sent before, if it was.
    """

    script: str
    key: str
    parts: tuple[Arg | Packed, ...]
    needless: Callable[[], bool] | None = None
    until: float = inf
    lane: Place | None = None

    @property
    def once(self) -> bool:
        """Whether it must take effect once, however often it is sent."""
        return self.script in _ONCE

    @property
    def args(self) -> tuple[Arg, ...]:
        """Its arguments one by one, the lane's excepted."""
        return unpacked(self.parts)

    def argv(self, lane: Place | None) -> tuple[Arg, ...]:
        """Return the script's arguments one by one, sent on a lane."""
        return unpacked(self.on(lane))

    def on(self, lane: Place | None) -> tuple[Arg | Packed, ...]:
        """Return the script's arguments, sent on a lane."""
        if not self.once:
            return self.parts
        return (*(lane or Place("", 0, 0)), *self.parts)


def unpacked(parts: Iterable[Arg | Packed]) -> tuple[Arg, ...]:
    """Return arguments one by one."""
    args: list[Arg] = []
    for part in parts:
        if isinstance(part, Packed):
            args += part.args
        else:
            args.append(part)
    return tuple(args)


@dataclass(frozen=True, slots=True)
class Telling(Call):
    """
    A call of ``lua/heal.lua``.

    Attributes:
        limits: The names of those that it is about, in the order of its rows.

        remembered: Whether anybody knew what they had.
    """

    limits: tuple[str, ...] = ()
    remembered: bool = True


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
    """
    What one caller asks for.

    Attributes:
        charges: Units per limit of the policy.

        max_wait_us: How long the caller will wait.

        horizon_us: How far ahead it may book, beside its own time of service. -1 is
            no bound.

        span_us: For how long its permit may be used late if it waits, where that is
            more than the limits' own grace.

        part: Thousandths of each limit that it may fill.

        again: Whether it was told before to come back.
    """

    policy: Policy
    charges: tuple[int, ...]
    max_wait_us: int
    horizon_us: int = -1
    span_us: int = 0
    part: int = 1_000
    again: bool = False


class Life(NamedTuple):
    """
    What a reply says of a field.

    Attributes:
        epoch: Names this life of it: another one knows nothing of what was before.

        seq: How many scripts had written it.

        shift: By how much its clock had stepped back (us).

        cool_us: Until the account's cool-down ends.
    """

    epoch: str
    seq: int
    shift: int
    cool_us: int


def request_now(policy: Policy, charges: tuple[int, ...]) -> Request:
    """Return the request of somebody who does not wait; most of them ask alike."""
    known: dict[tuple[int, ...], Request] = policy.notes.setdefault("now", {})
    request = known.get(charges)
    if request is None:
        request = Request(policy, charges, 0)
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[charges] = request
    return request


def request_of(
    policy: Policy,
    charges: tuple[int, ...],
    max_wait_us: int,
    horizon_us: int,
    span_us: int,
    part: int,
) -> Request:
    """Return the request of somebody who asks for the first time; many ask alike."""
    how = (charges, max_wait_us, horizon_us, span_us, part)
    known: dict[tuple[object, ...], Request] = policy.notes.setdefault("first", {})
    request = known.get(how)
    if request is None:
        request = Request(policy, *how)
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[how] = request
    return request


class Post(NamedTuple):
    """
    What one limit was charged.

    Attributes:
        moment: When (us); of a concurrency limit, the end of its lease.

        units: How much.

        epoch: The life of the field.

        shift: By how much its clock had stepped back (us).

        stamp: Which booking of the field it was.
    """

    moment: int
    units: int
    epoch: str
    shift: int
    stamp: int


@dataclass(frozen=True, slots=True)
class Booking:
    """What was charged, and where, so that it can be settled: a post per limit."""

    posts: tuple[Post, ...]
