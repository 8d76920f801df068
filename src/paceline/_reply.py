"""
Read the scripts' replies: the way back of ``_wire``.

A server that answers something else than our scripts gets one clear error, P209.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ._decision import Decision, LimitStatus
from ._errors import StoreError
from ._limits import SECOND_US, CalendarWindow, Limit
from ._wire import Book, Booking, grace_us, own_field, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._rules import Policy
    from ._wire import Request, Scope

COOL_DOWN = "cool-down"

# The first value of a reply; 0 asks for the calendar of the server's day.
OTHER_DAY = 0
_CHARGED, _NEVER = 1, -1
_HEAD, _FIELD, _STATUS = 2, 4, 2

Reply: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The reply to one request.

    Attributes:
        decision: For the caller.

        wait_us: From the server's now until the permit may be used, or until the
            cost could be granted.

        never: Whether a limit can never hold the cost.

        booking: What was charged, if anything.

        now_us: The server's clock.

        cool_us: Until the account's cool-down ends.
    """

    decision: Decision
    wait_us: int
    never: bool
    booking: Booking | None
    now_us: int
    cool_us: int


def decode_acquire(
    reply: Reply, scope: Scope, requests: Sequence[Request]
) -> list[Answer]:
    """
    Decode the reply of ``lua/acquire.lua``.

    Raises:
        StoreError: If the reply is none of that script (P209).
    """
    try:
        return list(_answers(reply, scope, requests))
    except (TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise _strange(reply) from error


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
            raise _strange(reply)
        return tuple(
            _status(limit, values[2 * i], values[2 * i + 1])
            for i, limit in enumerate(policy.limits)
        )
    except (TypeError, ValueError, IndexError) as error:
        raise _strange(reply) from error


def decode_cool(reply: Reply) -> int:
    """Return how long the first account's cool-down lasts, in microseconds."""
    try:
        return int(reply[_HEAD + _FIELD - 1])
    except (TypeError, ValueError, IndexError) as error:
        raise _strange(reply) from error


@dataclass(frozen=True, slots=True)
class _Sent:
    scope: Scope
    request: Request
    book: Book
    fields: dict[str, tuple[str, int, int]]


def _answers(
    reply: Reply, scope: Scope, requests: Sequence[Request]
) -> Iterable[Answer]:
    book = Book(requests, 0)
    now, at = int(reply[1]), _HEAD
    fields: dict[str, tuple[str, int, int]] = {}
    for name in book.fields:
        epoch, _, shift, cool = reply[at : at + _FIELD]
        text = epoch.decode() if isinstance(epoch, bytes) else str(epoch)
        fields[name] = (text, int(shift), int(cool))
        at += _FIELD
    for request in requests:
        width = 3 + 2 * len(request.policy.limits)
        values = [int(value) for value in reply[at : at + width]]
        if len(values) != width:
            raise _strange(reply)
        yield _answer(values, now, _Sent(scope, request, book, fields))
        at += width


def _answer(
    values: list[int],
    now: int,
    sent: _Sent,
) -> Answer:
    code, wait, why = values[:3]
    policy = sent.request.policy
    statuses = tuple(
        _status(limit, values[3 + 2 * i], values[4 + 2 * i])
        for i, limit in enumerate(policy.limits)
    )
    charged = code == _CHARGED
    decision = Decision(
        allowed=charged,
        retry_after=0.0 if charged else wait / SECOND_US,
        limit=None if charged else _named(why, sent),
        statuses=statuses,
    )
    booking = _booking(now, wait, sent) if charged else None
    cool = sent.fields[own_field(policy)][2]
    return Answer(decision, wait, code == _NEVER, booking, now, cool)


def _named(why: int, sent: _Sent) -> str | None:
    if why < 0:
        return COOL_DOWN
    policy = sent.request.policy
    numbers = sent.book.limits
    for limit in policy.limits:
        if numbers[place(policy, limit)] == why:
            return limit.name
    return None


def _booking(now: int, wait: int, sent: _Sent) -> Booking:
    posts = []
    request = sent.request
    for limit, units in zip(request.policy.limits, request.charges, strict=True):
        moment = now + wait
        if not isinstance(limit, CalendarWindow):
            moment += sent.scope.guard_us + (grace_us(limit) if wait else 0)
        epoch, shift, _ = sent.fields[place(request.policy, limit)[0]]
        posts.append((moment, units, epoch, shift))
    return Booking(tuple(posts))


def _status(limit: Limit, remaining: int, reset_us: int) -> LimitStatus:
    return LimitStatus(
        name=limit.name,
        unit=limit.unit,
        capacity=limit.capacity,
        remaining=remaining,
        reset_after=reset_us / SECOND_US,
    )


def _strange(reply: Reply) -> StoreError:
    what = type(reply).__name__
    hint = "Is another program using the prefix paceline:1: on this server?"
    return StoreError(
        f"the store's reply makes no sense ({what})", code="P209", hint=hint
    )
