"""
How all accounts of a store stand, for whoever measures: ``otel`` and ``prometheus``.

One look at the store serves all who ask within a second. It is made on a thread of its
own: who asks waits no longer than it is willing to, whatever the store does.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from ._bounds import period_name
from ._errors import ConfigError, StoreError
from ._limits import CalendarWindow, Concurrency, Limit, TokenBucket
from ._meter import OTHER, Name
from ._options import seconds
from ._worlds import in_event_loop
from .ops.accounts import Account, Look, Reader

LIMIT = Name("limit", "gauge", "", "Units that a limit allows.", ("unit", "window"))
USED = Name("used", "gauge", "", "Units that are taken now.", ("unit", "window"))
FREE = Name("free", "gauge", "", "Units that are left now.", ("unit", "window"))
WAITING = Name(
    "waiting", "gauge", "", "Units booked for a later moment.", ("unit", "window")
)
COOLING = Name("cool_down", "gauge", "s", "For how long nobody uses the account.")
REFUSED = Name("refusals", "gauge", "", "429s that all processes met, as counted.")
SCOPES = Name("scopes", "gauge", "", "API keys and named scopes with an account.")
UP = Name("store.up", "gauge", "", "1 if the store said how the accounts stand.")
GAUGES = (LIMIT, USED, FREE, WAITING, COOLING, REFUSED, SCOPES, UP)
# Of the store, not of an account.
OF_ALL = (SCOPES, UP)
# The limits over all models of a scope.
_ALL_MODELS = "*"

# Seconds for one answer of the store: a look needs a few.
_CALL = 2.0
_LONGEST = 3600.0

# Values by name, each by the values of its labels in their order.
Found: TypeAlias = Mapping[Name, Mapping[tuple[str, ...], float]]

_log = logging.getLogger("paceline")


class Gauges:
    """
    What shows how the accounts of a store stand, until it is closed.

    Args:
        most: How many scopes, and how many models, are told apart.

        timeout: Seconds that whoever asks waits.

        max_age: Seconds for which a look serves all who ask.

    Raises:
        ConfigError: If there is no such store (P106, P107, P601), or a number makes no
            sense (P111).
    """

    def __init__(
        self, store: object, *, most: int, timeout: float, max_age: float
    ) -> None:
        self._timeout = seconds("timeout", timeout, _LONGEST)
        if not self._timeout:
            raise ConfigError("timeout is 0", code="P111", hint="Such as 5.0, in s.")
        self._max_age = seconds("max_age", max_age, _LONGEST)
        self._reader = Reader(store, call_timeout=min(self._timeout, _CALL))
        self._names = (_Names(most), _Names(most))
        self._at_end: list[Callable[[], None]] = []
        self._closed = False
        self._complained = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._under_way: _Looking | None = None
        self._last: Found = {}

    def read(self) -> Found:
        """
        Return all values; nothing but that the store is not up, if it is not.

        On an event loop, which must not wait, those of the look before.
        """
        if self._pid != os.getpid():
            self._begin()  # a fork inherits locks, and no threads
        try:
            looking = self._looking()
        except RuntimeError:
            return {}  # the interpreter ends: there are no new threads
        if looking is None:
            return {}
        if in_event_loop():
            return self._last
        return looking.wait(self._timeout)

    def at_end(self, stop: Callable[[], None]) -> None:
        """Have something done by :meth:`close`."""
        self._at_end.append(stop)

    def close(self) -> None:
        """Show nothing any more, and close the connections; twice is once."""
        with self._lock:
            closed, self._closed = self._closed, True
            looking = self._under_way
        if closed:
            return
        for stop in self._at_end:
            stop()
        if looking is not None:
            looking.wait(self._timeout)
        self._reader.close()

    def _looking(self) -> _Looking | None:
        with self._lock:
            if self._closed:
                return None
            known = self._under_way
            if known is not None and not known.is_over(self._max_age):
                return known
            looking = _Looking()
            thread = threading.Thread(
                target=self._look, args=(looking,), name="paceline-gauges", daemon=True
            )
            thread.start()
            self._under_way = looking
            return looking

    def _look(self, looking: _Looking) -> None:
        found = _DOWN
        try:
            found = self._measured(self._reader.look())
            self._complained = False
        except StoreError as error:
            self._complain("how the accounts stand is not known: %s", error)
        except Exception:  # noqa: BLE001 -- of a thread that nobody sees
            self._complain("how the accounts stand is not known", exc_info=True)
        finally:
            self._last = found
            looking.end(found)

    def _complain(self, *text: object, exc_info: bool = False) -> None:
        # Once: whoever measures asks again and again.
        if not self._complained:
            self._complained = True
            _log.warning(*text, exc_info=exc_info)

    def _measured(self, look: Look) -> Found:
        scopes, models = self._names
        scopes.keep(scope.name or "" for scope in look.scopes)
        models.keep(_model(each) for scope in look.scopes for each in scope.accounts)
        found: dict[Name, dict[tuple[str, ...], float]] = {name: {} for name in GAUGES}
        found[UP][()], found[SCOPES][()] = 1, len(look.scopes)
        for scope in look.scopes:
            # No tag: it is made from the key.
            who = scopes.bounded(scope.name or "")
            for account in scope.accounts:
                whose = (who, models.bounded(_model(account)))
                cooling = found[COOLING]
                cool = account.cool_us / 1_000_000
                cooling[whose] = max(cool, cooling.get(whose, 0.0))
                refused = found[REFUSED]
                refused[whose] = account.refusals.count + refused.get(whose, 0)
                for name, labels, value in _standings(account):
                    # Those whose labels are the same count as one.
                    told = (*whose, *labels)
                    found[name][told] = found[name].get(told, 0) + value
        return found


_DOWN: Found = {UP: {(): 0}}


class _Looking:
    """One look at the store, under way or over."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._ended = 0.0
        self._over = threading.Event()
        self._found: Found = _DOWN

    def end(self, found: Found) -> None:
        self._found, self._ended = found, time.monotonic()
        self._over.set()

    def is_over(self, seconds: float) -> bool:
        """Tell whether it is over for so long."""
        return self._over.is_set() and time.monotonic() - self._ended >= seconds

    def wait(self, timeout: float) -> Found:
        """Wait until it has taken so long; a store that takes longer is not up."""
        self._over.wait(max(0.0, self._begun + timeout - time.monotonic()))
        return self._found


class _Names:
    """Tells so many names apart, each for as long as it is there."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def keep(self, names: Iterable[str]) -> None:
        there = set(names)
        self._known &= there
        room = max(0, self._most - len(self._known))
        self._known.update(sorted(there - self._known)[:room])

    def bounded(self, name: str) -> str:
        return name if name in self._known else OTHER


def _model(account: Account) -> str:
    return _ALL_MODELS if account.shared else account.model or ""


def _standings(account: Account) -> Iterator[tuple[Name, tuple[str, str], float]]:
    for each in account.standings:
        labels = (each.limit.unit, window(each.limit))
        yield LIMIT, labels, each.limit.capacity
        yield USED, labels, each.used
        yield FREE, labels, each.remaining
        yield WAITING, labels, each.ahead


def window(limit: Limit) -> str:
    """Return the period of a limit as its default name has it: "min", "min burst"."""
    if isinstance(limit, Concurrency):
        return ""
    if isinstance(limit, CalendarWindow):
        zone = "" if limit.tz == "UTC" else f" {limit.tz}"
        return f"{limit.period} calendar{zone}"
    period = period_name(limit.per)
    return f"{period} burst" if isinstance(limit, TokenBucket) else period


def labels_of(name: Name) -> tuple[str, ...]:
    """Return the names of a gauge's labels, in their order."""
    return () if name in OF_ALL else ("scope", "model", *name.labels)
