"""Limits that are never reached, so that only the deciding is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline import SlidingWindow, TokenBucket

if TYPE_CHECKING:
    from paceline import Decision

_MUCH = 4_000_000_000
# Seconds for the store to answer: redis-py's own, which the other limiters have too.
PATIENCE = 5.0

BUCKET = TokenBucket.per_minute(_MUCH)
WINDOW = SlidingWindow.per_minute(_MUCH)
# Requests and tokens per minute, and requests per day.
THREE = (
    SlidingWindow.per_minute(_MUCH),
    SlidingWindow.per_minute(_MUCH, unit="tokens"),
    SlidingWindow.per_day(_MUCH),
)
THREE_COST = {"tokens": 850}


def granted(decision: Decision | bool) -> None:  # noqa: FBT001 -- it is the answer
    """
    Fail if there was no room: a denial is cheaper, and not what is measured.

    Raises:
        RuntimeError: If so.
    """
    if not decision:
        raise RuntimeError("a limit that is never reached was reached")
