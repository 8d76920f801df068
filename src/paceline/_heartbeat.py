"""
Keeps the leases of long calls: one thread for all permits of a limiter.

It runs while permits hold a place of a concurrency limit, and asks the store only for
those that are held for a good part of their lease: a short call costs nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from ._limits import Concurrency
from ._under_way import UnderWay
from .stores._gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._calls import Post, Scope
    from ._limits import Limit
    from ._permit import Permit
    from ._policy import Policy

    Holds = list[tuple[Policy, Limit, Post]]

_log = logging.getLogger("paceline")

# A lease is renewed when so much of it is over: time enough for a second try.
_PART = 1 / 3

# Leases that become due within a part of theirs are renewed together.
_TOGETHER = 1 / 12

# The thread goes when nothing was held for so many seconds.
_LINGER = 5.0


class Heartbeat:
    """
    Renews the leases of permits until they are released or forgotten.

    Args:
        renew: Renews leases of a scope; returns the new ends, 0 for what is lost.

        patience: Seconds for which others wait for a renewal under way.
    """

    def __init__(
        self, renew: Callable[[Scope, Holds], list[int]], patience: float
    ) -> None:
        self._renew = renew
        self._patience = patience
        self._lock, self._changed = threading.Lock(), Gate()
        self._failing = False
        self._stopped = False
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._due: weakref.WeakKeyDictionary[Permit, float] = (
            weakref.WeakKeyDictionary()
        )
        self._thread: threading.Thread | None = None
        self._beating: UnderWay | None = None

    def hold(self, permit: Permit) -> None:
        """Renew a permit's leases from now on."""
        if self._pid != os.getpid():
            # A fork's permits are its own; its parent goes on renewing the others.
            self._lock, self._changed = threading.Lock(), Gate()
            self._forget()
        with self._lock:
            if self._stopped:
                return
            self._due[permit] = time.monotonic() + _PART * _lease(permit)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="paceline-heartbeat", daemon=True
                )
                self._thread.start()
            self._changed.open()

    def drop(self, permit: Permit) -> None:
        """Renew a permit's leases no more."""
        if self._pid == os.getpid():
            with self._lock:
                self._due.pop(permit, None)

    def permits(self) -> list[Permit]:
        """Return those whose leases are renewed."""
        with self._lock:
            return list(self._due) if self._pid == os.getpid() else []

    def stop(self) -> None:
        """Renew nothing any more; wait, but not for ever, for what is under way."""
        beating = self._end()
        if beating is not None:
            beating.wait()

    async def stop_async(self) -> None:
        """Do as :meth:`stop` does, on the running event loop."""
        beating = self._end()
        if beating is not None:
            await beating.wait_async()

    def _end(self) -> UnderWay | None:
        if self._pid != os.getpid():
            return None
        with self._lock:
            self._stopped = True
            self._due.clear()
            self._changed.open()
            return self._beating

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._lock:
                now = time.monotonic()
                first = min(self._due.values(), default=None)
                if first is not None:
                    idle_since = now
                elif self._stopped or now - idle_since >= _LINGER:
                    self._thread = None
                    return
                due = [
                    permit
                    for permit, moment in self._due.items()
                    if first is not None
                    and first <= now
                    and moment <= now + _TOGETHER * _lease(permit)
                ]
                beating = UnderWay(self._patience)
                self._beating = beating if due else None
            if due:
                try:
                    self._beat(due)
                finally:
                    beating.end()
            else:
                self._changed.wait(_LINGER if first is None else first - now)
            # Nothing here may keep a permit alive that its owner has forgotten.
            del due

    def _beat(self, due: list[Permit]) -> None:
        by_scope: dict[Scope, list[Permit]] = {}
        for permit in due:
            by_scope.setdefault(permit.scope, []).append(permit)
        for scope, permits in by_scope.items():
            if self._stopped:
                return
            self._renew_all(scope, permits)
            self._put_off(permits)

    def _renew_all(self, scope: Scope, permits: list[Permit]) -> None:
        renewal = UnderWay(self._patience)
        held = [(permit, permit.renewing(renewal)) for permit in permits]
        holds = [hold for _, some in held for hold in some]
        ends: list[int] = []
        try:
            if holds:
                ends = self._renew(scope, holds)
                self._failing = False
        except Exception as error:  # noqa: BLE001 -- the next renewal may succeed
            self._failed(error)
        for (policy, limit, _), end in zip(holds, ends, strict=False):
            if not end:
                _log.warning(
                    "a call held a place of %s (%s) for longer than its lease, "
                    "which could not be renewed in time; more than %d may be "
                    "under way",
                    limit.name,
                    "/".join(filter(None, (scope.display, policy.account))),
                    limit.capacity,
                )
        for permit, some in held:
            of_it, ends = ends[: len(some)], ends[len(some) :]
            permit.renewed(of_it)
        renewal.end()
        for permit in permits:
            try:
                permit.end_hold()
            except Exception as error:  # noqa: BLE001 -- its lease ends it
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        # One line per outage, and none of what closing interrupts.
        if not self._failing and not self._stopped:
            self._failing = True
            _log.warning("leases were not renewed, trying again: %s", error)

    def _put_off(self, permits: list[Permit]) -> None:
        now = time.monotonic()
        with self._lock:
            for permit in permits:
                if permit in self._due:
                    self._due[permit] = now + _PART * _lease(permit)


def _lease(permit: Permit) -> float:
    return min(
        each.lease for each in permit.policy.limits if isinstance(each, Concurrency)
    )
