"""
Look at all accounts of a store, or forget some.

Keys are found by SCAN of our prefix, values are decoded here: no script runs, nothing
is written, and no foreign key is read.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from random import randrange
from typing import TYPE_CHECKING, Any

from .._calls import Arg, Call
from .._errors import StoreError
from ..stores._open import open_store
from ..stores._resp import readable
from ..stores._translate import FAILURES, translate
from ._reading import Account, ScopeState, read_scope, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .._limits import Limit
    from ..stores import SyncStore

__all__ = ["Account", "Look", "Reader", "ScopeState", "told"]

PREFIX = "paceline:1:"
_BATCH = 100
_RULE = "ACL SETUSER name ~paceline:* +scan +hgetall +time; of a cluster +cluster|slots"


@dataclass(frozen=True, slots=True)
class Look:
    """
    What was seen at one moment.

    Attributes:
        now_us: The server's clock.

        scopes: Ordered by label.

        strange: Keys with our prefix that hold something else.
    """

    now_us: int
    scopes: tuple[ScopeState, ...]
    strange: int = 0


class Reader:
    """
    A store, seen by its operator.

    Args:
        store: As of RateLimiter.

        limits: What limits are known to be, by tag.

        call_timeout: Seconds for the store to answer.

    Raises:
        ConfigError: If there is no such store (P106, P107, P601).
    """

    def __init__(
        self,
        store: object = None,
        limits: Mapping[str, Limit] | None = None,
        call_timeout: float = 2.0,
    ) -> None:
        self._store = open_store(store, connect_timeout=1.0, call_timeout=call_timeout)
        self._limits = limits or {}

    @property
    def sync(self) -> SyncStore:
        """The blocking store; an embedded one is started."""
        return self._store.sync()

    @property
    def where(self) -> str:
        """The store's address, for people: no password."""
        return self.sync.where

    def look(self, words: Sequence[str] = (), tags: Sequence[str] = ()) -> Look:
        """
        Read accounts: all, or those of scopes that go by *words* or have *tags*.

        Raises:
            StoreError: If the store refused (P2xx) or (StoreUnavailable) was not there.
        """
        with told(self.sync, _RULE):
            found = self._named(tags)
            if words or not tags:
                found = {**found, **self._scan()}
            now_us = self._now()
            scopes, strange = [], 0
            for key, values in found.items():
                if not isinstance(values, dict):
                    strange += 1
                    continue
                tag = key.removeprefix(PREFIX).strip("{}")
                scope, odd = read_scope(tag, values, now_us, self._limits)
                strange += odd
                asked = not (words or tags) or scope.tag in tags
                if scope.accounts and (asked or any(map(scope.goes_by, words))):
                    scopes.append(scope)
            scopes.sort(key=lambda scope: (scope.label, scope.tag))
        return Look(now_us, tuple(scopes), strange)

    def forget(self, scope: ScopeState, fields: Sequence[str]) -> int:
        """Forget accounts of a scope by their fields; return how many there were."""
        nonce = randrange(10_000)  # noqa: S311 -- no secret
        args: tuple[Arg, ...] = ("", nonce, len(fields), *fields, 0)
        call = Call("reset", _key(scope.tag), args)
        with told(self.sync, _RULE):
            return int(self.sync.call(call, time.monotonic()))

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def _now(self) -> int:
        seconds, micros = self.sync.client.time()
        return int(seconds) * 1_000_000 + int(micros)

    def _named(self, tags: Iterable[str]) -> dict[str, Any]:
        return self._hashes([_key(tag) for tag in tags])

    def _scan(self) -> dict[str, Any]:
        keys = self.sync.client.scan_iter(match=f"{PREFIX}*", count=1_000)
        # SCAN may return a key twice.
        return self._hashes(list({text_of(key) for key in keys}))

    def _hashes(self, keys: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            pipe = self.sync.client.pipeline(transaction=False)
            for key in batch:
                pipe.hgetall(key)
            for key, reply in zip(
                batch, pipe.execute(raise_on_error=False), strict=True
            ):
                if isinstance(reply, FAILURES) and not str(reply).startswith(
                    "WRONGTYPE"
                ):
                    raise reply
                found[key] = reply
        return found


@contextmanager
def told(store: SyncStore, rule: str) -> Iterator[None]:
    """
    Turn a client's failure into ours.

    Args:
        store: The store.

        rule: What an operator needs to be allowed.
    """
    try:
        with readable():
            yield
    except FAILURES as error:
        finding = translate(error, store.place)
        if finding.code == "P204":
            finding = StoreError(
                f"the user at {store.place} may not look", code="P204", hint=rule
            )
        raise finding from error


def _key(tag: str) -> str:
    return f"{PREFIX}{{{tag}}}"
