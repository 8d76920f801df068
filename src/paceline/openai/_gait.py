"""
How fast all processes together may go after a refusal. Pure: time is an argument.

Whoever is refused at a rate that the limits allow is not alone there, or what is
configured is not what is granted. So all go on at half of the configured rate, one by
one, and then find the share that is theirs by what remains: it shall stay where it is,
a little above nothing. It is one number for all processes, which they tell each other
through the store.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from paceline._limits import SlidingWindow, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from paceline._limits import Limit

# How long a share holds if nobody says more, and when it is said again.
LIFE, _REFRESH = 30.0, 20.0
# It is changed once in so many seconds: a change must show before the next one.
_STEP = 1.0
_HALF, _LEAST, _ALL = 0.5, 1 / 64, 1.0
# What shall remain: a quarter of the capacity, or so many seconds of the refill.
_KEPT, _KEPT_SECONDS = 0.25, 3.0
# It is approached within so many seconds, by a part of what would be right at once:
# whatever is done shows a second or two later. Simulated: no more refusals with half of
# a quota used by others, for buckets of 1 to 60 s, and delays up to 2 s.
_APPROACH, _GAIN, _MOST_STEP = 12.0, 0.2, 0.25
# So many calls of a process ask the store at a time; the others look how the line in
# their process moves after half the time that it must take, within these seconds.
ABREAST, LEAST_NAP, MOST_NAP = 2, 0.02, 1.0
# Without a word of what remains.
_BLINDLY = 0.02
_REMEMBERED = 2.5
_APART = 0.5
_MOST_SEEN = 256
# Moments of one cool-down are known to this many seconds.
_SAME = 0.25
# Calls of a limit per day are not spread over the day.
_MINUTE = 60.0
_UNSAID = 0.05
# Steps by what remains are smaller than a halving.
_FEWER = 0.6


class Level(NamedTuple):
    """
    What remains of a limit at the provider.

    Attributes:
        moment: When it was so, about.

        capacity: The most that can remain.

        rate: Units that are configured per second.
    """

    moment: float
    remaining: int
    capacity: int
    rate: float


class Gait:
    """
    The share of the configured rate at which all processes go.

    Attributes:
        share: It, as far as is known; 1.0 is all of it, as the limiter alone says.

        line: The calls of this process that wait to go, in order.
    """

    def __init__(self) -> None:
        self.line: list[object] = []
        self.share: float = _ALL
        self._until = 0.0
        self._changed = float("-inf")
        self._halved = float("-inf")
        self._cooled = 0.0
        self._seen: dict[str, deque[Level]] = {}

    def now(self, moment: float) -> float:
        """Return the share that holds at a moment."""
        if self.share < _ALL and moment >= self._until:
            self.share = _ALL
        return self.share

    def refused(self, moment: float, cooled: float) -> float:
        """
        Halve the share, and return it: refusals that come together are one.

        Args:
            cooled: When the cool-down ends that began with it.
        """
        share = self.now(moment)
        self._cooled = max(self._cooled, cooled)
        if moment - self._halved >= _STEP:
            share = max(_LEAST, share * _HALF)
            self._halved = moment
        self._take(share, LIFE, moment)
        return share

    def is_new(self, cooled: float) -> bool:
        """Tell whether a cool-down's end is of one that was not known yet; note it."""
        if cooled <= self._cooled + _SAME:
            return False
        self._cooled = cooled
        return True

    def saw(self, name: str, level: Level) -> None:
        """Take note of what remains of a limit at the provider."""
        seen = self._seen.setdefault(name, deque(maxlen=_MOST_SEEN))
        seen.append(level)

    def adopt(self, share: float, seconds: float, moment: float) -> bool:
        """
        Take what another process told; return whether it is news that there is one.

        Args:
            seconds: For how long it holds.
        """
        news = self.now(moment) >= _ALL
        if share <= self.share * _FEWER:
            self._halved = moment - (LIFE - seconds)
        self._take(share, seconds, moment)
        self._changed = moment - (LIFE - seconds)
        return news

    def forget(self) -> None:
        """Take note that nobody speaks of a share any more."""
        self.share = _ALL

    def step(self, moment: float) -> float | None:
        """Return the share to tell all processes; None if nothing is to be told."""
        share = self.now(moment)
        if share >= _ALL or moment - self._changed < _STEP:
            return None
        steps = [_step(seen, moment) for seen in self._seen.values()]
        way = min((each for each in steps if each is not None), default=_BLINDLY)
        stepped = min(_ALL, max(_LEAST, share + way))
        if stepped == share and self._until - moment > _REFRESH:
            return None
        self._take(stepped, LIFE, moment)
        return stepped

    def _take(self, share: float, seconds: float, moment: float) -> None:
        self.share, self._until, self._changed = share, moment + seconds, moment


def _step(seen: Iterable[Level], moment: float) -> float | None:
    recent = [each for each in seen if each.moment > moment - _REMEMBERED]
    if not recent:
        return None
    first, last = recent[0], recent[-1]
    apart = last.moment - first.moment
    rises = (last.remaining - first.remaining) / apart if apart > _APART else 0.0
    kept = min(_KEPT * last.capacity, _KEPT_SECONDS * last.rate)
    should = (kept - last.remaining) / _APPROACH
    way = _GAIN * (rises - should) / last.rate
    return max(-_MOST_STEP, min(_MOST_STEP, way))


def seconds(limits: Iterable[Limit], cost: Mapping[str, int]) -> float:
    """Return the seconds in which the limits refill a cost."""
    rates = {
        limit: (getattr(limit, "rate", limit.capacity), limit.per)
        for limit in limits
        if isinstance(limit, SlidingWindow | TokenBucket)
    }
    longest = max(_MINUTE, min((per for _, per in rates.values()), default=_MINUTE))
    parts = [
        cost.get(limit.unit, 0) * per / rate
        for limit, (rate, per) in rates.items()
        if per <= longest
    ]
    return max(parts, default=0.0) or _UNSAID
