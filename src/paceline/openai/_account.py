"""What this process has learnt of each account: one scope and model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from paceline._concurrency import LEARNING, Concurrency
from paceline._policy import is_learnt
from paceline._provider.estimate import Ratio

from ._epochs import Epochs
from ._gait import Gait
from ._learn import Limits, Refunds
from ._pace import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline import Key, RateLimiter
    from paceline._facts import Known
    from paceline._limits import Limit

# Models may come from users: what is remembered of them must not grow forever.
_MOST_ACCOUNTS = 4096
# How long a scope whose bill must be paid is left alone.
_PAUSE = 30.0
# How long a request of a size the provider refused is refused here.
_REFUSED_SIZE = 60.0
_SHARE_OF_NEW_OUTPUT = 0.1
# One round trip a second costs nobody anything.
_MEET = 1.0


class Account:
    """
    What was learnt of one scope and model.

    Attributes:
        key: Its key.

        configured: The limits that apply to it, as corrected.

        units: What they count, calls at a time excepted.

        own: Those of them that are not shared over models, of which headers speak.

        learns: Whether nobody configured its limits.

        starts: Whether nothing is known of them yet.

        told: What the store was last heard to keep of it.
    """

    def __init__(self, limiter: RateLimiter, key: Key) -> None:
        self.key: Key = key
        self._version = -1
        self.look_up(limiter)
        self.ratio: Ratio = Ratio()
        self.pace: Pace = Pace()
        self.gait: Gait = Gait()
        self.refunds: Refunds = Refunds()
        self.epochs: Epochs = Epochs()
        self.limits: Limits = Limits()
        self.usual_output: float = 0.0
        self.lock: threading.Lock = threading.Lock()
        self.told: Mapping[str, Known] = {}
        self._looked = float("-inf")
        self._meets = float("-inf")
        self._too_large: tuple[dict[str, int], float, str] | None = None

    def look_up(self, limiter: RateLimiter) -> None:
        """
        Take the limits as they are by now.

        Raises:
            ConfigError: If no limits apply to its model (P104).
        """
        version = limiter.corrected()
        if version == self._version:
            return
        limits = limiter.limits(self.key)
        self.own: tuple[Limit, ...] = limiter.own_limits(self.key)
        self.configured: tuple[Limit, ...] = limits
        self.units: frozenset[str] = frozenset(
            limit.unit for limit in limits if not isinstance(limit, Concurrency)
        )
        self.learns: bool = any(map(is_learnt, self.own))
        self.starts: bool = LEARNING in self.own
        self._version = version

    def may_look(self, now: float, every: float) -> bool:
        """Tell whether to compare accounts again: not more often than *every* s."""
        with self.lock:
            if now - self._looked < every:
                return False
            self._looked = now
            return True

    def may_meet(self, now: float) -> bool:
        """Tell whether to exchange facts with other processes again."""
        with self.lock:
            if now < self._meets:
                return False
            self._meets = now + _MEET
            return True

    def meet_later(self, moment: float) -> None:
        """Exchange no facts before a moment."""
        with self.lock:
            self._meets = max(self._meets, moment)

    def saw_output(self, tokens: int) -> None:
        """Take the length of an answer into the running mean."""
        share = _SHARE_OF_NEW_OUTPUT if self.usual_output else 1.0
        self.usual_output += (tokens - self.usual_output) * share

    def too_large(self, cost: dict[str, int], now: float, words: str) -> None:
        """Take note that the provider will never take so much."""
        self._too_large = (cost, now + _REFUSED_SIZE, words)

    def known_too_large(self, cost: dict[str, int], now: float) -> str | None:
        """Return what the provider said of a request that was no larger, or None."""
        if self._too_large is None:
            return None
        refused, until, words = self._too_large
        if now >= until:
            return None
        # By our own measure of both, whatever the provider's is.
        tokens = {unit: n for unit, n in refused.items() if unit != "requests"}
        larger = tokens and all(cost.get(unit, 0) >= n for unit, n in tokens.items())
        return words if larger else None


class Accounts:
    """All accounts of one limiter, and the scopes whose bill must be paid."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, Account] = OrderedDict()
        self._paused: dict[tuple[str | None, str | None], tuple[float, str, str]] = {}
        self._lock = threading.Lock()

    def get(self, limiter: RateLimiter, key: Key) -> Account:
        """
        Return the account of a key.

        Raises:
            ConfigError: If no limits apply to its model (P104).
        """
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        made = Account(limiter, key)
        with self._lock:
            account = self._known.setdefault(key, made)
            if len(self._known) > _MOST_ACCOUNTS:
                self._known.popitem(last=False)
            return account

    def all(self) -> tuple[Account, ...]:
        """Return what is known, the least recently used first."""
        with self._lock:
            return tuple(self._known.values())

    def pause(
        self, key: Key, now: float, code: str, words: str, seconds: float = _PAUSE
    ) -> float:
        """Leave all models of a scope alone for a while; return for how long."""
        with self._lock:
            self._paused[key.api_key, key.scope] = (now + seconds, code, words)
        return seconds

    def paused(self, key: Key, now: float) -> tuple[str, str] | None:
        """Return the provider's code and words if a scope is left alone, or None."""
        with self._lock:
            found = self._paused.get((key.api_key, key.scope))
            if found is None:
                return None
            until, code, words = found
            if now < until:
                return code, words
            del self._paused[key.api_key, key.scope]
            return None


_accounts: WeakKeyDictionary[RateLimiter, Accounts] = WeakKeyDictionary()
_lock = threading.Lock()


def accounts_of(limiter: RateLimiter) -> Accounts:
    """Return what is known of a limiter's accounts, through whichever client."""
    with _lock:
        return _accounts.setdefault(limiter, Accounts())
