"""A store under examination, and what is found."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from .._errors import StoreUnavailable
from ..stores._needs import RULE
from ..stores._resp import readable
from ..stores._translate import FAILURES, Member, translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._errors import StoreError
    from ..stores import SyncStore

Level = Literal["ok", "warn", "fail"]

# Beside what a limiter needs, for all of the doctor's findings.
OPERATOR_RULE = f"{RULE} +ping +info +scan +config|get +cluster|info"
GRANT = f"For the doctor: ACL SETUSER name {OPERATOR_RULE}"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was looked at.

    Attributes:
        name: What.

        level: Whether it is in order.

        text: What was found.

        remedy: What to do about it; empty if nothing.

        values: The numbers behind it.
    """

    name: str
    level: Level
    text: str
    remedy: str = ""
    values: dict[str, object] = field(default_factory=dict)


@dataclass
class Patient:
    """
    A store under examination.

    Attributes:
        store: The blocking store.

        key: A throw-away key that the limiter's ACL rule allows.

        runs: Whether the scripts run, as far as was seen.

        node: Of a cluster: a client of the primary that is examined.

        address: Of a cluster: that primary's.
    """

    store: SyncStore
    key: str = field(default_factory=lambda: new_key(secrets.token_hex(8)))
    runs: bool = True
    node: Any = None
    address: str = ""

    @property
    def client(self) -> Any:
        """The client underneath."""
        return self.node or self.store.client

    @property
    def place(self) -> str:
        """Where a failure happened."""
        return Member(self.address) if self.address else self.store.place

    @property
    def local(self) -> bool:
        """Whether it is the store of this process alone."""
        return self.store.where.startswith("memory://")

    @cached_property
    def info(self) -> dict[str, Any]:
        """What INFO says; empty if the user may not ask."""
        try:
            with readable():
                return dict(self.client.info())
        except FAILURES as error:
            if isinstance(translate(error, self.place), StoreUnavailable):
                raise
            return {}

    def setting(self, name: str) -> str | None:
        """Return a setting of the server; None if the user may not ask."""
        with suppress(*FAILURES), readable():
            found = self.client.config_get(name)
            return None if name not in found else str(found[name])
        return None

    def timed(self, what: Callable[[], object], times: int) -> list[float]:
        """Return how many seconds something took each time, in order of length."""
        spans = []
        for _ in range(times):
            begun = time.perf_counter()
            what()
            spans.append(time.perf_counter() - begun)
        return sorted(spans)

    def tidy(self) -> None:
        """Remove what was written: with a command that every limiter's user has."""
        with suppress(*FAILURES), readable():
            names = self.client.hgetall(self.key)
            if names:
                self.client.hdel(self.key, *names)


def new_key(tag: str) -> str:
    """Return a throw-away key with a hash tag."""
    return f"paceline:doctor:{{{tag}}}"


def failed(name: str, error: StoreError) -> Finding:
    """Make a finding of an error."""
    return Finding(name, "fail", error.message, error.hint, {"code": error.code})


def unknown(name: str, what: str) -> Finding:
    """Make a finding of what the user may not ask."""
    return Finding(name, "warn", f"unknown: the user may not ask ({what})", GRANT)
