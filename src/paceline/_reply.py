"""
Read the scripts' replies: the way back of ``_wire``.

A server that answers something else than our scripts gets one clear error, P209.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ._answer import Answer, Sent, status_of
from ._calls import Life
from ._errors import StoreError
from ._wire import book_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._decision import LimitStatus
    from ._rules import Policy
    from ._wire import Request, Scope

__all__ = [
    "AGAIN",
    "DECIDED",
    "OTHER_DAY",
    "Answer",
    "Reply",
    "decode_acquire",
    "decode_cool",
    "decode_peek",
    "decode_renew",
    "read_life",
    "strange",
    "unwrap",
]

# The first value of a reply. 0 asks for the calendar of the server's day.
OTHER_DAY, DECIDED = 0, 1
AGAIN, _FORGOTTEN = 2, 3

_HEAD, _FIELD, _STATUS = 2, 4, 2
_NUMBERS = frozenset((int,))

Reply: TypeAlias = Any


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
        return _answers(reply, age, scope, requests)
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
            status_of(limit, values[2 * i], values[2 * i + 1])
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


def _answers(
    reply: Reply, age: int, scope: Scope, requests: Sequence[Request]
) -> list[Answer]:
    book = book_of(requests, None)
    at = _HEAD
    fields = []
    for _ in book.fields:
        fields.append(read_life(reply[at : at + _FIELD]))
        at += _FIELD
    values = reply[at:]
    if not _NUMBERS.issuperset(map(type, values)):
        raise strange(reply)
    end = sum([3 + _STATUS * len(request.charges) for request in requests])
    if len(values) < end:
        raise strange(reply)
    more = values[end:]
    others = dict(zip(more[::2], more[1::2], strict=True)) if more else {}
    sent = Sent(scope, book, int(reply[1]), age, fields, others, values)
    answers = []
    at = 0
    for number, request in enumerate(requests, 1):
        answers.append(Answer(at, request, number, sent))
        at += 3 + _STATUS * len(request.charges)
    return answers


def strange(reply: Reply) -> StoreError:
    """Return the error for a reply that is none of our scripts'."""
    what = type(reply).__name__
    hint = "Is another program using the prefix paceline:1: on this server?"
    return StoreError(
        f"the store's reply makes no sense ({what})", code="P209", hint=hint
    )
