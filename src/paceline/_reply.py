"""
Read the scripts' replies: the way back of ``_wire``.

A server that answers something else than our scripts gets one clear error, P209.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ._calls import Life
from ._decision import Decision, LimitStatus
from ._errors import StoreError
from ._limits import SECOND_US, CalendarWindow, Concurrency, Limit
from ._wire import SHARED, Book, Booking, Post, grace_us, lease_slot, own_field, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._rules import Policy
    from ._wire import Request, Scope

COOL_DOWN = "cool-down"

# The first value of a reply. 0 asks for the calendar of the server's day.
OTHER_DAY = 0
AGAIN, _FORGOTTEN = 2, 3

# The code of an answer.
_CHARGED, _LATER, _NEVER = 1, 2, -1
_HEAD, _FIELD, _STATUS = 2, 4, 2

Reply: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The reply to one request.

    Attributes:
        decision: For the caller.

        wait_us: From the server's now until the permit may be used, until the cost
            could be granted, or (later) until it is time to ask again. Negative if the
            reply was lost and the permit's moment has gone by.

        never: Whether a limit can never hold the cost.

        later: Whether to ask again then, for it is too far ahead to book.

        busy: Whether a limit on calls at a time decided: any release may end the wait.

        cause: The name of the limit that decided, or of the cool-down; None if nobody
            has to wait.

        booking: What was charged, if anything.

        now_us: The server's clock when it decided.

        cool_us: Until the account's cool-down ends.

        lives: Of the account's field, and of the one that models share, if any.

        others: Limits that another process holds to be of another capacity: the limit,
            and what the other takes it for.

        replayed: Whether it was decided before, and its first reply was lost.
    """

    decision: Decision
    wait_us: int
    never: bool
    later: bool
    busy: bool
    cause: str | None
    booking: Booking | None
    now_us: int
    cool_us: int
    lives: tuple[Life, ...] = ()
    others: tuple[tuple[Limit, int], ...] = ()
    replayed: bool = False


def decode_acquire(
    reply: Reply, scope: Scope, requests: Sequence[Request]
) -> list[Answer]:
    """
    Decode the reply of ``lua/acquire.lua``.

    Raises:
        StoreError: If the reply is none of that script (P209), or the store does not
            know any more what it answered (P212).
    """
    age, reply = unwrap(reply)
    try:
        return list(_answers(reply, age, scope, requests))
    except (TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise strange(reply) from error


def decode_renew(reply: Reply, count: int) -> list[int]:
    """
    Decode the reply of ``lua/renew.lua``: the new end of each lease, 0 if it is lost.

    Raises:
        StoreError: As of :func:`decode_acquire`.
    """
    _, reply = unwrap(reply)
    try:
        values = [int(value) for value in reply[-3 * count :]]
        if len(reply) < _HEAD + _FIELD + 3 * count:
            raise strange(reply)
        return values[1::3]
    except (TypeError, ValueError, IndexError) as error:
        raise strange(reply) from error


def unwrap(reply: Reply) -> tuple[int, Reply]:
    """
    Return how many microseconds ago a reply was made, and the reply.

    A call that was sent again gets the answer of then.

    Raises:
        StoreError: If the store does not know it any more (P212).
    """
    try:
        kind = int(reply[0])
        if kind == AGAIN:
            return int(reply[1]), reply[2:]
    except (TypeError, ValueError, IndexError) as error:
        raise strange(reply) from error
    if kind == _FORGOTTEN:
        raise StoreError(
            "the store does not know any more what it answered to a call sent again",
            code="P212",
            hint="What it may have charged stays charged. Call again.",
        )
    return 0, reply


def decode_peek(reply: Reply, policy: Policy) -> tuple[LimitStatus, ...]:
    """
    Decode the reply of ``lua/peek.lua``.

    Raises:
        StoreError: If the reply is none of that script (P209).
    """
    try:
        fields = 1 + bool(policy.shared)
        values = [int(value) for value in reply[_HEAD + _FIELD * fields :]]
        if len(values) != _STATUS * len(policy.limits):
            raise strange(reply)
        return tuple(
            _status(limit, values[2 * i], values[2 * i + 1])
            for i, limit in enumerate(policy.limits)
        )
    except (TypeError, ValueError, IndexError) as error:
        raise strange(reply) from error


def decode_cool(reply: Reply) -> int:
    """Return how long the first account's cool-down lasts, in microseconds."""
    try:
        return int(reply[_HEAD + _FIELD - 1])
    except (TypeError, ValueError, IndexError) as error:
        raise strange(reply) from error


def read_life(values: Sequence[Any]) -> Life:
    """Read what a reply says of one field."""
    epoch, seq, shift, cool = values
    text = epoch.decode() if isinstance(epoch, bytes) else str(epoch)
    return Life(text, int(seq), int(shift), int(cool))


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was asked, and what the reply says of the moment and the fields."""

    scope: Scope
    book: Book
    now: int
    age: int
    fields: dict[str, Life]


def _answers(
    reply: Reply, age: int, scope: Scope, requests: Sequence[Request]
) -> Iterable[Answer]:
    book = Book(requests, 0)
    at = _HEAD
    fields: dict[str, Life] = {}
    for name in book.fields:
        fields[name] = read_life(reply[at : at + _FIELD])
        at += _FIELD
    sent = _Sent(scope, book, int(reply[1]), age, fields)
    widths = [3 + _STATUS * len(request.policy.limits) for request in requests]
    others = [int(value) for value in reply[at + sum(widths) :]]
    known = dict(zip(others[::2], others[1::2], strict=True))
    for number, (request, width) in enumerate(zip(requests, widths, strict=True), 1):
        values = [int(value) for value in reply[at : at + width]]
        if len(values) != width:
            raise strange(reply)
        yield _answer(values, request, number, known, sent)
        at += width


def _answer(
    values: list[int],
    request: Request,
    number: int,
    others: dict[int, int],
    sent: _Sent,
) -> Answer:
    code, wait, why = values[:3]
    limits = request.policy.limits
    numbers = [sent.book.limits[place(request.policy, limit)] for limit in limits]
    statuses = tuple(
        _status(limit, values[3 + 2 * i], values[4 + 2 * i])
        for i, limit in enumerate(limits)
    )
    charged = code == _CHARGED
    own = sent.fields[own_field(request.policy)]
    decided = None if why <= 0 else limits[numbers.index(why)]
    name = decided.name if decided else (COOL_DOWN if why < 0 else None)
    return Answer(
        decision=Decision(
            allowed=charged,
            retry_after=0.0 if charged else wait / SECOND_US,
            limit=None if charged else name,
            statuses=statuses,
        ),
        wait_us=wait - sent.age,
        never=code == _NEVER,
        later=code == _LATER,
        busy=isinstance(decided, Concurrency),
        cause=name,
        booking=_booking(wait, request, number, sent) if charged else None,
        now_us=sent.now,
        cool_us=own.cool_us,
        lives=(own, sent.fields[SHARED]) if request.policy.shared else (own,),
        others=tuple(
            (limit, others[place_of])
            for limit, place_of in zip(limits, numbers, strict=True)
            if place_of in others
        ),
        replayed=sent.age > 0,
    )


def _booking(wait: int, request: Request, number: int, sent: _Sent) -> Booking:
    posts = []
    for limit, units in zip(request.policy.limits, request.charges, strict=True):
        field = sent.fields[place(request.policy, limit)[0]]
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


def _status(limit: Limit, remaining: int, reset_us: int) -> LimitStatus:
    return LimitStatus(
        name=limit.name,
        unit=limit.unit,
        capacity=limit.capacity,
        remaining=remaining,
        reset_after=reset_us / SECOND_US,
    )


def strange(reply: Reply) -> StoreError:
    """Return the error for a reply that is none of our scripts'."""
    what = type(reply).__name__
    hint = "Is another program using the prefix paceline:1: on this server?"
    return StoreError(
        f"the store's reply makes no sense ({what})", code="P209", hint=hint
    )
