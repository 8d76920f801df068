"""
Look at all accounts of a store, or forget some.

Keys are found by SCAN of our prefix, values are decoded here: no script runs, nothing
is written, and no foreign key is read.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import randrange
from typing import TYPE_CHECKING, Any

from .._calls import Arg, Call
from .._errors import StoreError
from .._facts import GIVES_BACK, read_facts
from .._standing import Standing, standing
from .._state import read_field
from .._telling import SPACED
from ..stores._open import open_store
from ..stores._resp import readable
from ..stores._translate import FAILURES, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .._limits import Limit
    from ..stores import SyncStore

PREFIX = "paceline:1:"
SHARED = "s"
_OWN = "m:"
_TAG = 32  # hexadecimal digits
_SHOWN = 8  # of them, where a scope has no name
_BATCH = 100
_RULE = "ACL SETUSER name ~paceline:* +scan +hgetall +time"


@dataclass(frozen=True, slots=True)
class Account:
    """
    What one model of a scope, or all of them together, have used.

    Attributes:
        field: Its name in the hash.

        epoch: Names this life of it.

        cool_us: Until its cool-down ends.

        standings: Its limits.

        unknown: Tags of limits that this release does not know.

        gives_back: Whether answers showed that unused tokens come back.
    """

    field: str
    epoch: str
    cool_us: int
    standings: tuple[Standing, ...]
    unknown: tuple[str, ...] = ()
    gives_back: bool = False

    @property
    def shared(self) -> bool:
        """Whether it is that of the limits over all models."""
        return self.field == SHARED

    @property
    def model(self) -> str | None:
        """The model or family; None for calls without one, and for all together."""
        return None if self.shared else self.field.removeprefix(_OWN) or None

    @property
    def fullness(self) -> float:
        """How full the limit is that will bind first: 0 to 1."""
        return max((each.fullness for each in self.standings), default=0.0)


@dataclass(frozen=True, slots=True)
class ScopeState:
    """
    The accounts of one API key or named scope.

    Attributes:
        tag: What stands for it in the store.

        name: How people see it; None if nobody said.
    """

    tag: str
    name: str | None
    accounts: tuple[Account, ...]

    @property
    def label(self) -> str:
        """What to show: its name, else the beginning of its tag."""
        return self.name or self.tag[:_SHOWN]

    def goes_by(self, word: str) -> bool:
        """Tell whether *word* is its name, or the beginning of its tag."""
        return word == self.name or (len(word) >= _SHOWN and self.tag.startswith(word))


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
                scope, odd = self._scope(key, values, now_us)
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
        return self._hashes(list({_text(key) for key in keys}))

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

    def _scope(
        self, key: str, values: Mapping[Any, Any], now_us: int
    ) -> tuple[ScopeState, int]:
        accounts, strange, name = [], 0, None
        fields = {_text(field): value for field, value in values.items()}
        for field_name, value in fields.items():
            text = _text(value)
            if field_name == "n":
                name = text
            elif field_name.startswith(f"{_OWN}{SPACED}"):
                continue  # how calls are spaced is no limit
            elif field_name == SHARED or field_name.startswith(_OWN):
                try:
                    account = self._account(field_name, text, now_us)
                    facts = read_facts(fields.get(f"f:{field_name[2:]}", b""), now_us)
                except (ValueError, IndexError):
                    strange += 1
                else:
                    shown = GIVES_BACK in facts
                    accounts += [replace(account, gives_back=shown)] if account else []
        accounts.sort(key=lambda account: (account.shared, account.field))
        tag = key.removeprefix(PREFIX).strip("{}")
        return ScopeState(tag, name, tuple(accounts)), strange

    def _account(self, name: str, value: str, now_us: int) -> Account | None:
        field = read_field(value, now_us)
        if not field.sections and not field.cool_us:
            return None  # it was reset, and lists what must not come back
        standings, unknown = [], []
        for section in field.sections:
            limit = self._limits.get(section.tag)
            try:
                standings.append(standing(section, field, now_us, limit))
            except ValueError:
                unknown.append(section.tag)
        seen = {section.tag for section in field.sections}
        if name != SHARED:
            standings += [
                Standing.unused(limit)
                for tag, limit in self._limits.items()
                if tag not in seen
            ]
        return Account(
            name, field.epoch, field.cool_us, tuple(standings), tuple(unknown)
        )


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


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
