"""
How the limits of one model let calls through, as a sum on paper. Pure.

Each account takes costs in order and tells the earliest moment of each, in seconds from
now. Moments never go back. A backlog may fill nine tenths of a limit: what the store
keeps free for others is kept free here.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from paceline._calendar import boundaries
from paceline._limits import (
    SECOND_US,
    CalendarWindow,
    Concurrency,
    Limit,
    SlidingWindow,
    TokenBucket,
)

PART = 0.9


class Account(Protocol):
    """What is left of one limit."""

    def earliest(self, cost: int, moment: float) -> float:
        """Return from when on *cost* fits, not before *moment*."""

    def charge(self, cost: int, moment: float) -> None:
        """Take *cost* at a moment that :meth:`earliest` allowed."""


def account_of(
    limit: Limit, used: int, reset: float, now: float, call: float
) -> Account:
    """
    Return the account of a limit.

    Args:
        used: Units that are taken now.

        reset: Seconds until these are back.

        now: Seconds since the epoch, for limits that follow the calendar.

        call: Seconds that a call takes, for limits on calls at a time.
    """
    part = int(limit.capacity * PART)
    if isinstance(limit, TokenBucket):
        return _Bucket(part, limit.rate / limit.per, used)
    if isinstance(limit, SlidingWindow):
        return _Window(part, limit.per, limit.per / limit.slots, used, reset)
    if isinstance(limit, CalendarWindow):
        return _Calendar(part, limit, used, now)
    assert isinstance(limit, Concurrency)  # noqa: S101 -- there is no fifth kind
    return Places(limit.limit, call)


class _Bucket:
    def __init__(self, part: int, rate: float, used: int) -> None:
        self._part, self._rate = part, rate
        self._debt, self._at = float(used), 0.0

    def earliest(self, cost: int, moment: float) -> float:
        over = self._debt + cost - max(self._part, cost)
        return max(moment, self._at + over / self._rate)

    def charge(self, cost: int, moment: float) -> None:
        back = (moment - self._at) * self._rate
        self._debt = max(0.0, self._debt - back) + cost
        self._at = moment


class _Window:
    """A log of [first act, last act, cost], as coarse as the store's."""

    def __init__(
        self, part: int, per: float, slot: float, used: int, reset: float
    ) -> None:
        self._part, self._per, self._slot = part, per, slot
        self._log: deque[list[float]] = deque()
        self._sum = used
        if used:
            # What the store has is back by then, and some of it before.
            self._log.append([reset - per, reset - per, used])

    def earliest(self, cost: int, moment: float) -> float:
        room = max(self._part, cost) - cost
        left = self._sum
        for _, last, spent in self._log:
            gone = last + self._per
            if gone > moment and left <= room:
                break
            left -= int(spent)
            moment = max(moment, gone)
        return moment

    def charge(self, cost: int, moment: float) -> None:
        while self._log and self._log[0][1] + self._per <= moment:
            self._sum -= int(self._log.popleft()[2])
        if self._log and moment - self._log[-1][0] < self._slot:
            self._log[-1][1] = moment
            self._log[-1][2] += cost
        else:
            self._log.append([moment, moment, cost])
        self._sum += cost


class _Calendar:
    def __init__(self, part: int, limit: CalendarWindow, used: int, now: float) -> None:
        self._part, self._limit, self._now = part, limit, now
        self._used = used
        self._end = self._next(0.0)

    def earliest(self, cost: int, moment: float) -> float:
        if moment >= self._end or self._used + cost <= max(self._part, cost):
            return moment
        return self._end

    def charge(self, cost: int, moment: float) -> None:
        if moment >= self._end:
            self._used, self._end = 0, self._next(moment)
        self._used += cost

    def _next(self, moment: float) -> float:
        now_us = int((self._now + moment) * SECOND_US) + 1
        end = boundaries(self._limit.period, self._limit.tz, now_us)[1]
        return end / SECOND_US - self._now


class Places:
    """Calls at a time, each of which takes so many seconds."""

    def __init__(self, places: int, call: float) -> None:
        self._places, self._call = places, call
        self._ends: deque[float] = deque()

    def earliest(self, cost: int, moment: float) -> float:  # noqa: ARG002 -- a call is one
        if len(self._ends) < self._places:
            return moment
        return max(moment, self._ends[0])

    def charge(self, cost: int, moment: float) -> None:  # noqa: ARG002 -- as above
        if len(self._ends) == self._places:
            self._ends.popleft()
        self._ends.append(moment + self._call)
