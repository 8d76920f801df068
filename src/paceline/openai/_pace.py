"""
How fast this process may go after a refusal. Pure: time is an argument.

A cool-down is shared through the store and ends for all at the same moment. So that
they do not all go at that moment, a process that was refused lets its calls go one by
one for a while, at the rate at which the provider refills; what all processes do
together is in ``_gait``. ``slow_down`` is answered with half
the rate that was used, which then grows by a constant step: the rule of TCP (Chiu and
Jain, 1989), under which several processes end at fair shares.
"""

from __future__ import annotations

from collections import deque

# A cool-down without a word from the server.
_UNSAID = 1.0
# Jitter on top of what the server asks, which it calls a minimum.
_JITTER_SHARE = 0.1
_LEAST_JITTER, _MOST_JITTER = 0.05, 5.0
_LONGEST = 86_400.0

_SHORTEST_RELEASE, _LONGEST_RELEASE = 1.0, 10.0
# Without a word about the refill: twenty waiters spread over a second.
_UNSAID_REFILL = 0.05

_HALF = 0.5
_SLOWEST = 1 / 64
_STEP = 0.05
_STEP_SECONDS = 3.0
# Refusals that come together are one signal.
_DEAF = 1.0
_REMEMBERED = 10.0


def cool_down(wait: float | None, dice: float) -> float:
    """
    Return for how long nobody should call.

    Args:
        wait: Seconds that the server asks for at least. None if it does not say.

        dice: A random number from 0 to 1.
    """
    asked = _UNSAID if wait is None else min(wait, _LONGEST)
    spread = min(_MOST_JITTER, max(_LEAST_JITTER, asked * _JITTER_SHARE))
    return asked + spread * dice


class Pace:
    """
    When the next call of this process may go.

    Attributes:
        alarms: How many refusals there were; who waits looks whether it grew.

        factor: The share of its former rate that ``slow_down`` left. 1.0 is all of it.
    """

    def __init__(self) -> None:
        self.alarms: int = 0
        self.factor: float = 1.0
        self._starts: deque[float] = deque(maxlen=1000)
        self._next = 0.0
        self._release_until = 0.0
        self._interval = 0.0
        self._rate = 0.0
        self._slowed_at = 0.0

    def refused(self, now: float, seconds: float, refill: float) -> None:
        """
        Pace the calls that follow a cool-down.

        Args:
            seconds: How long the cool-down lasts.

            refill: Seconds in which the provider refills one call. 0 if unknown.
        """
        self.alarms += 1
        self._interval = min(refill or _UNSAID_REFILL, _SHORTEST_RELEASE)
        begin = now + seconds
        length = min(max(seconds, _SHORTEST_RELEASE), _LONGEST_RELEASE)
        self._release_until = max(self._release_until, begin + length)
        self._next = max(self._next, begin)

    def slow_down(self, now: float) -> None:
        """Halve the rate, measured over the last ten seconds."""
        if self.factor < 1.0 and now - self._slowed_at < _DEAF:
            return
        if self.factor >= 1.0 or not self._rate:
            self._rate = self._measured(now)
        self.factor = max(_SLOWEST, self.share(now) * _HALF)
        self._slowed_at = now

    def share(self, now: float) -> float:
        """Return the share of the former rate that may be used: it grows in steps."""
        if self.factor >= 1.0:
            return 1.0
        steps = (now - self._slowed_at) / _STEP_SECONDS
        share = self.factor + steps * _STEP
        if share >= 1.0:
            self.factor, share = 1.0, 1.0
        return share

    def recovery(self, now: float) -> float:
        """Return the seconds until the former rate may be used again."""
        return (1.0 - self.share(now)) / _STEP * _STEP_SECONDS

    def follow(self, now: float, recovery: float) -> None:
        """Slow down as another process did, unless this one is as slow already."""
        share = max(_SLOWEST, 1.0 - recovery / _STEP_SECONDS * _STEP)
        if share >= self.share(now) - _STEP:
            return
        if self.factor >= 1.0 or not self._rate:
            self._rate = self._measured(now)
        self.factor, self._slowed_at = share, now

    def turn(self, now: float, most: float) -> float:
        """
        Return the seconds until the next turn of this process.

        It is taken, unless it is more than *most* seconds away.
        """
        interval = self._current_interval(now)
        if interval <= 0.0:
            return 0.0
        at = max(now, self._next)
        if at - now <= most:
            self._next = at + interval
        return at - now

    def started(self, now: float) -> None:
        """Take note that a call was sent."""
        self._starts.append(now)

    def _current_interval(self, now: float) -> float:
        release = self._interval if max(now, self._next) < self._release_until else 0.0
        share = self.share(now)
        slow = 1.0 / (self._rate * share) if share < 1.0 and self._rate else 0.0
        return max(release, slow)

    def _measured(self, now: float) -> float:
        recent = [at for at in self._starts if at > now - _REMEMBERED]
        if not recent:
            return 1.0
        return len(recent) / max(1.0, now - recent[0])
