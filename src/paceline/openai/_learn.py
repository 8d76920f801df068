"""
What the answers teach about the provider's account. Pure: time is an argument.

Whether it gives unused tokens back, what its limits really are, and by how much the
account has less left than ours says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paceline._provider.feedback import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

# How much of max_tokens must have been left unused for an answer to prove anything,
# and what share of it must have come back.
_TELLING = 0.25
_LEAST_TELLING = 20
_CAME_BACK = 0.5
# What remains and what comes back until the reset are one sum in a bucket that is
# refilled continuously, to this share of its limit: a window that begins anew is none.
_SAME, _PER = 0.05, 60.0
# A header may be wrong for once: several must say it, among so many that could.
_PROOFS, _AMONG = 3, 50
# So many answers in a row must name a higher limit than the known one.
_AGAIN = 10
# So many answers must agree on limits that are new; so many, where none tells a window.
_AGREED, _UNTOLD, _MINUTE = 2, 4, 60.0
# What was told and did not change a limit is told again so many seconds later.
_IN_VAIN = 30.0
# Differences below this share of a limit are noise of estimates and of travel.
_NOISE = 0.02


@dataclass(frozen=True, slots=True)
class Answered:
    """
    A call that was answered, as a witness.

    Attributes:
        sent: When it was sent, in seconds of a clock that never goes back.

        heard: When its headers came.

        reserved: Tokens that it was sure to be charged on arrival.

        used: Tokens it used. None while that is not known.

        reading: What the headers said of tokens.
    """

    sent: float
    heard: float
    reserved: int
    used: int | None
    reading: Reading

    @property
    def unused(self) -> int:
        """Tokens charged on arrival that were not used."""
        return 0 if self.used is None else max(0, self.reserved - self.used)


class Refunds:
    """
    Whether a provider gives unused tokens back, judged by what remains.

    From one answer to the next, what remains falls by what the later call was charged
    and grows by the refill. If it fell by much less, tokens came back. Other users of
    the account only make it fall more, so they can hide the proof but not forge it.

    Attributes:
        shown: Whether it has been proved.
    """

    def __init__(self) -> None:
        self.shown: bool = False
        self._before: Answered | None = None
        self._proofs: deque[bool] = deque(maxlen=_AMONG)

    def witness(self, answered: Answered) -> None:
        """Hold an answer against the one before."""
        before, self._before = self._before, answered
        if before is None or self.shown or answered.sent < before.heard:
            return
        earlier, later = before.reading, answered.reading
        # A generous refill: the moments of the headers are not known any better.
        most = earlier.later(answered.heard - before.sent)
        if most is None or later.remaining is None or not _one_bucket(earlier, later):
            return
        unused = max(before.unused, answered.unused)
        if unused < max(_TELLING * answered.reserved, _LEAST_TELLING):
            return
        # The answer took its time, in which the refill went on.
        kept = replace(later, remaining=max(0, most - answered.reserved))
        without = kept.later(answered.heard - answered.sent) or 0
        came_back = later.remaining - without
        # Most answers prove nothing either way: the refill may have been as much.
        self._proofs.append(came_back >= _CAME_BACK * unused)
        self.shown = sum(self._proofs) >= _PROOFS


def _one_bucket(earlier: Reading, later: Reading) -> bool:
    if not earlier.limit or earlier.limit != later.limit:
        return False
    if earlier.reset is None or later.reset is None:
        return False
    grown = (later.remaining or 0) - (earlier.remaining or 0)
    due = (earlier.reset - later.reset) * earlier.limit / (earlier.per or _PER)
    return abs(grown - due) <= _SAME * earlier.limit


@dataclass(slots=True)
class Limits:
    """
    What the headers say the limits are: down at once, up when said often.

    Attributes:
        known: The limit by unit and window in seconds.

        silence: How many answers named no limit where nothing is known of any.
    """

    known: dict[tuple[str, float], int] = field(default_factory=dict)
    silence: int = 0
    _first: dict[tuple[str, int], tuple[int, float | None, int]] = field(
        default_factory=dict
    )
    _higher: dict[tuple[str, float], tuple[int, int]] = field(default_factory=dict)
    _told: dict[tuple[str, float], tuple[int, float]] = field(default_factory=dict)

    def see(self, reading: Reading) -> bool:
        """Take note of a reading; tell whether a limit changed by it."""
        if reading.limit is None or reading.per is None:
            return False
        name = (reading.unit, reading.per)
        known, said = self.known.get(name), reading.limit
        if known is None or said < known:
            self.known[name] = said
        elif said == known:
            self._higher.pop(name, None)
            return False
        else:
            # A higher number may be of another tier or another region: the least of
            # ten in a row counts.
            least, times = self._higher.get(name, (said, 0))
            self._higher[name] = (min(least, said), times + 1)
            if times + 1 < _AGAIN:
                return False
            self.known[name] = min(least, said)
        self._higher.pop(name, None)
        return True

    def first(self, said: Iterable[Reading]) -> dict[tuple[str, float], int]:
        """
        Return what there is to learn where nothing is known; nothing while in doubt.

        Two answers must agree on each limit that they name, for what a header implies
        of its window may be wrong once. A window that four do not tell is a minute; so
        is one of a second, which a burst below the limit looks like.
        """
        named = [each for each in said if each.limit is not None]
        found: dict[tuple[str, float], int] = {}
        seen: list[str] = []
        for reading in named:
            unit, limit, per = reading.unit, reading.limit or 0, reading.per
            place = (unit, seen.count(unit))
            seen.append(unit)
            per = per and max(per, _MINUTE)
            before, window, times = self._first.get(place, (limit, per, 0))
            same = before == limit and (None in (per, window) or per == window)
            window = per or (window if same else None)
            times = times + 1 if same else 1
            self._first[place] = (limit, window, times)
            if window is None and times >= _UNTOLD:
                window = _MINUTE
            if window is not None and times >= _AGREED:
                found[unit, window] = limit
        self.silence = 0 if named else self.silence + 1
        return found if len(found) == len(named) else {}

    def may_tell(self, name: tuple[str, float], units: int, now: float) -> bool:
        """Tell whether to tell the others of a limit: nobody else does, or in vain."""
        told, at = self._told.get(name, (-1, now))
        if told == units and now - at < _IN_VAIN:
            return False
        self._told[name] = (units, now)
        return True


def gap(reading: Reading, elapsed: float, capacity: int, remaining: int) -> int:
    """
    Return the units by which our account shows more than the provider's.

    Args:
        reading: What the provider said.

        elapsed: The most seconds since then.

        capacity: Of our limit.

        remaining: In our account, now.

    Returns:
        What to charge, so that both agree. 0 if ours is the lower one, or the
        difference is noise: what remains is only ever tightened.
    """
    theirs = reading.later(elapsed)
    if theirs is None:
        return 0
    more = remaining - theirs
    noise = max(1, round(_NOISE * capacity))
    return more if more > noise else 0
