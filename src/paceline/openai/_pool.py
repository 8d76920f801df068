"""Several quotas that were separately granted, and what is known of each."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from paceline._key import Key
from paceline._options import seconds

from ._credential import Credential, wrong

if TYPE_CHECKING:
    from paceline._limits import Limit

Sticky: TypeAlias = str | Callable[[Mapping[str, object]], str | None]

_log = logging.getLogger("paceline")


class Pool:
    """
    Credentials whose quotas were separately granted, used as one.

    Each call goes to the quota whose turn comes first. One that refuses is left alone
    for as long as it asks, and the call goes to another. See
    :func:`paceline.openai.limit`, and "Pools" in the documentation for what they are
    not for.

    Args:
        credentials: At least one. The first is home to all that is not a model's
            answer: files, batches, lists, stored responses.

        sticky: What calls have in common that should meet the same prompt cache: the
            name of a field of the JSON body ("prompt_cache_key"), or a callable of the
            body. Such calls go to one quota while it has room. None spreads all.

        patience: Seconds that such a call would rather wait than go elsewhere. None
            never lets it go elsewhere while its own quota answers.

    Raises:
        ConfigError: If there is no credential, one has no key, or two have the same
            key under two names (P131); if *patience* is out of range (P111).
    """

    def __init__(
        self,
        credentials: Iterable[Credential],
        *,
        sticky: Sticky | None = None,
        patience: float | None = 2.0,
    ) -> None:
        self.credentials: tuple[Credential, ...] = tuple(credentials)
        self.sticky: Sticky | None = sticky
        if patience is not None:
            patience = seconds("patience", patience)
        self.patience: float | None = patience
        if not self.credentials:
            raise wrong("a pool has no credentials", 'Pool([Credential(env="KEY")])')
        self._secrets = tuple(
            each.secret(f"credential {number} of a pool")
            for number, each in enumerate(self.credentials, 1)
        )
        self._check_scopes()
        self._lock = threading.Lock()
        self._resting: dict[int, tuple[float, str]] = {}
        self._waiting: dict[Key, Counter[str]] = {}
        self._busy: Counter[int] = Counter()
        self._turn = count(1)
        self._last: Counter[int] = Counter()
        self._due: dict[Key, float] = {}
        self._organisations: dict[str, str] = {}
        self._told: set[frozenset[str]] = set()

    def __repr__(self) -> str:
        return f"Pool([{', '.join(map(self.label, range(len(self.credentials))))}])"

    @property
    def resting(self) -> Mapping[str, str]:
        """Who is left alone by this process, and why, by scope or variable."""
        now = time.monotonic()
        with self._lock:
            found = [(i, why) for i, (end, why) in self._resting.items() if end > now]
        return {self.label(number): why for number, why in found}

    def label(self, number: int) -> str:
        """Name a credential for people."""
        each = self.credentials[number]
        return each.scope or each.env or f"credential {number + 1}"

    def secret(self, number: int) -> str:
        """Return a credential's key."""
        return self._secrets[number]

    def key(self, number: int, model: str | None) -> Key:
        """Return whose quota a call of a model uses with a credential."""
        scope = self.credentials[number].scope
        if scope is not None:
            return Key(scope=scope, model=model)
        return Key(self._secrets[number], model)

    def order(self, body: Mapping[str, object]) -> tuple[list[int], bool]:
        """
        Return all credentials in the order in which to ask, and whether it is sticky.

        Sticky calls have an order of their own that is the same in all processes, and
        that changes for few of them when a credential joins or leaves (rendezvous
        hashing, Thaler and Ravishankar, 1998). Others ask the least busy one first, of
        these the one that had no call for longest.
        """
        numbers = list(range(len(self.credentials)))
        text = self._shared(body)
        if text is not None:
            numbers.sort(key=lambda number: self._weight(text, number))
            return numbers, True
        random.shuffle(numbers)
        with self._lock:
            numbers.sort(key=lambda number: (self._busy[number], self._last[number]))
        return numbers, False

    def rest(self, number: int, until: float, why: str) -> None:
        """Leave a credential alone until a moment of the monotonic clock."""
        with self._lock:
            self._resting[number] = (until, why)

    def rests(self, number: int, now: float) -> bool:
        """Tell whether a credential is left alone."""
        with self._lock:
            end, _ = self._resting.get(number, (0.0, ""))
            return now < end

    def enter(self, number: int) -> None:
        """Take note that a call of this process is with a credential."""
        with self._lock:
            self._busy[number] += 1
            self._last[number] = next(self._turn)

    def leave(self, number: int) -> None:
        """Take note that it is there no more."""
        with self._lock:
            self._busy[number] -= 1

    def queue(self, key: Key, cost: Mapping[str, int], due: float | None) -> None:
        """
        Take note that a call of this process waits.

        Args:
            due: When there is room for the first, if the store said so.
        """
        with self._lock:
            self._waiting.setdefault(key, Counter()).update(cost)
            known = self._due.setdefault(key, 0.0)
            self._due[key] = known if due is None else max(due, known)

    def unqueue(self, key: Key, cost: Mapping[str, int]) -> None:
        """Take note that it waits no more."""
        with self._lock:
            left = self._waiting[key]
            left.subtract(cost)
            if not any(left.values()):
                del self._waiting[key], self._due[key]

    def backlog(self, key: Key, limits: Iterable[Limit], now: float) -> float | None:
        """
        Return the seconds until all have gone that wait in this process; None if none.

        Who waits must not be overtaken, so where some do, the store is not asked.
        """
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                return None
            due = max(0.0, self._due[key] - now)
            return due + drain(limits, waiting)

    def belongs(self, number: int, organisation: str | None) -> None:
        """Take note of whose a credential is; warn if two quotas turn out to be one."""
        if not organisation:
            return
        ours = self.label(number)
        with self._lock:
            if self._organisations.get(ours) == organisation:
                return
            self._organisations[ours] = organisation
            known = self._organisations.items()
            same = [who for who, whose in known if whose == organisation]
            pairs = [frozenset({ours, who}) for who in same if who != ours]
            new = [pair for pair in pairs if pair not in self._told]
            self._told.update(new)
        for pair in new:
            _log.warning(
                "pool: %s are both of the organization %s, whose limits count them "
                "together; unless each was granted a quota of its own, give both the "
                "same scope",
                " and ".join(sorted(pair)),
                organisation,
            )

    def _shared(self, body: Mapping[str, object]) -> str | None:
        if self.sticky is None:
            return None
        found = self.sticky(body) if callable(self.sticky) else body.get(self.sticky)
        return found if isinstance(found, str) and found else None

    def _weight(self, text: str, number: int) -> bytes:
        holder = self.key(number, None).tag(None)
        return hashlib.sha256(f"{holder} {text}".encode()).digest()

    def _check_scopes(self) -> None:
        known: dict[tuple[str, str | None], int] = {}
        for number, secret in enumerate(self._secrets):
            each = self.credentials[number]
            self.key(number, None)  # a scope that is none says so now
            first = known.setdefault((secret, each.base_url), number)
            if self.credentials[first].scope != each.scope:
                raise wrong(
                    f"credentials {first + 1} and {number + 1} of a pool have one key "
                    "under two names",
                    "One key is one quota: give them the same scope.",
                )


def drain(limits: Iterable[Limit], waiting: Mapping[str, int]) -> float:
    """Return the seconds in which the limits let so many units pass."""
    longest = 0.0
    for limit in limits:
        per = getattr(limit, "per", None)
        rate = getattr(limit, "rate", limit.capacity)
        if isinstance(per, int | float):  # a calendar's period says nothing of now
            longest = max(longest, waiting.get(limit.unit, 0) * per / rate)
    return longest
