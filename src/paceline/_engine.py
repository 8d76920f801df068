"""
What a limiter owns, and the one place where plans meet a store.

Shared by the facade, reservations and decorators; it also knows when a verb is called
in the wrong world.
"""

from __future__ import annotations

import os
import sys
import warnings
from random import random
from typing import TYPE_CHECKING, TypeVar

from . import _plans, _short, _sync, _turns
from ._almanac import Almanac
from ._calls import Scope, request_now
from ._desk import Desk
from ._effects import Plan
from ._errors import ConfigError, MisuseError
from ._heartbeat import Heartbeat
from ._key import Key, as_key
from ._limits import SECOND_US
from ._options import as_secret, counts_as_used, seconds, watch
from ._permit import Permit
from ._reply import Answer
from ._rules import Cost, Policy, Rules
from ._scopes import Scopes
from ._turns import Wish
from .stores._open import open_store

if TYPE_CHECKING:
    from ._decision import Decision
    from ._events import EventHandler
    from ._heartbeat import Holds
    from .stores import Store

T = TypeVar("T")

_LONGEST_GUARD = 60.0
_MOST_KNOWN = 4_096


class Engine:
    """
    Rules, a store and what was last heard of it.

    Attributes:
        brief: Whether asks may go the short way, which no driver sees.
    """

    brief = True

    def __init__(
        self,
        store: object,
        rules: Rules | Scopes,
        *,
        guard: float,
        secret: bytes | str | None,
        timeouts: tuple[float, float],
        on_event: EventHandler | None = None,
        on_amnesia: object = "full",
    ) -> None:
        self.rules: Rules | Scopes = rules
        self.guard_us: int = round(seconds("guard", guard, _LONGEST_GUARD) * SECOND_US)
        connect, call = (seconds("a timeout of the store", t, 3600.0) for t in timeouts)
        if not connect or not call:
            raise ConfigError("a timeout of the store is 0", code="P111")
        self._secret = as_secret(secret)
        self._store: Store = open_store(
            store, connect_timeout=connect, call_timeout=call
        )
        # It tells two lives of a field apart, no secret.
        self._desk = Desk(Almanac(lambda: int(random() * 10_000)))  # noqa: S311
        self._desk.cautious = counts_as_used(on_amnesia)
        self._watch = watch(on_event)
        self.heartbeat: Heartbeat = Heartbeat(self._renew, connect + call)
        self._known: dict[object, tuple[Scope, Policy]] = {}
        self._warned = False
        self._closed = False

    def lookup(self, key: Key | str) -> tuple[Scope, Policy]:
        """Return where a key's account is, and the limits that apply to it."""
        try:
            return self._known[key]
        except (KeyError, TypeError):
            return self._look_up(key)

    def _look_up(self, key: Key | str) -> tuple[Scope, Policy]:
        full, policy = self.rules.resolve(as_key(key))
        name = f"paceline:1:{{{full.tag(self._secret)}}}"
        found = Scope(name, full.display or "", self.guard_us), policy
        # An API key is kept by nobody but its caller. A file's rules may change with
        # the environment.
        if type(key) is str and isinstance(self.rules, Rules):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    def run(self, plan: Plan[T]) -> T:
        """Drive a plan, blocking."""
        return _sync.run(plan, self._open().sync())

    async def run_async(self, plan: Plan[T]) -> T:
        """Drive a plan on the running event loop."""
        from . import _aio  # noqa: PLC0415 -- asyncio is not everybody's

        return await _aio.run(plan, self._open().aio())

    def acquire(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Wait for a permit, blocking."""
        scope, policy = self.lookup(key)
        plan = self._acquire(scope, policy, cost, wish)
        return Permit(self, scope, policy, self.run(plan))

    async def acquire_async(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Wait for a permit on the running event loop."""
        scope, policy = self.lookup(key)
        plan = self._acquire(scope, policy, cost, wish)
        return Permit(self, scope, policy, await self.run_async(plan))

    def _acquire(
        self, scope: Scope, policy: Policy, cost: Cost, wish: Wish
    ) -> Plan[_turns.Granted]:
        charges = policy.charges(cost)
        plan = _turns.acquire(self._desk, scope, policy, charges, wish)
        if self._watch is None:
            return plan
        return self._watch.acquire(plan, scope, policy, charges)

    def decide(self, key: Key | str, cost: Cost) -> Decision:
        """Decide for now, blocking; as :meth:`try_acquire` says."""
        if self._watch is None and self.brief:
            scope, policy = self.lookup(key)
            refuse_places(policy)
            request = request_now(policy, policy.charges(cost))
            store = self._open().sync()
            found = _short.ask(self._desk, store, scope, request)
            if isinstance(found, Answer):
                return found.decision
            if found is not None:
                return _sync.run(self.try_acquire(key, cost), store, found)
        return self.run(self.try_acquire(key, cost))

    async def decide_async(self, key: Key | str, cost: Cost) -> Decision:
        """Do as :meth:`decide` does, on the running event loop."""
        if self._watch is None and self.brief:
            scope, policy = self.lookup(key)
            refuse_places(policy)
            request = request_now(policy, policy.charges(cost))
            store = self._open().aio()
            found = await _short.ask_async(self._desk, store, scope, request)
            if isinstance(found, Answer):
                return found.decision
            if found is not None:
                from . import _aio  # noqa: PLC0415 -- as above

                return await _aio.run(self.try_acquire(key, cost), store, found)
        return await self.run_async(self.try_acquire(key, cost))

    def try_acquire(self, key: Key | str, cost: Cost) -> Plan[Decision]:
        """
        Plan a decision for now.

        Raises:
            MisuseError: If a limit counts concurrent calls: nobody could say when
                this one is over (P505).
        """
        scope, policy = self.lookup(key)
        refuse_places(policy)
        charges = policy.charges(cost)
        plan = _plans.try_acquire(self._desk, scope, policy, charges)
        if self._watch is None:
            return plan
        return self._watch.decision(plan, scope, policy, charges)

    def cooling(self, key: Key | str, duration: float) -> Plan[None]:
        """Plan a cool-down, in seconds."""
        scope, policy = self.lookup(key)
        plan = _plans.cool_down(self._desk, scope, policy, duration)
        if self._watch is None:
            return plan
        return self._watch.cool_down(plan, scope, policy, duration)

    def _renew(self, scope: Scope, holds: Holds) -> list[int]:
        return self.run(_plans.renew(self._desk, scope, holds))

    def settle(self, permit: Permit, actual: tuple[int, ...]) -> Plan[None]:
        """Plan the posting of a permit's true cost."""
        scope, policy, booking = permit.scope, permit.policy, permit.booking
        plan = _plans.settle(self._desk, scope, policy, booking, actual)
        if self._watch is None:
            return plan
        booked = tuple(post.units for post in booking.posts)
        return self._watch.settle(plan, scope, policy, booked, actual)

    @property
    def desk(self) -> Desk:
        """What all calls share."""
        return self._desk

    def may_block(self, verb: str, twin: str) -> None:
        """
        Refuse to block a running event loop.

        Raises:
            MisuseError: If one is running in this thread (P501).
        """
        if in_event_loop():
            raise MisuseError(
                f"{verb} would block the running event loop while it waits",
                code="P501",
                hint=f"Use {twin} in async code.",
            )

    def warn_once(self, verb: str, twin: str) -> None:
        """Warn that a verb's round trip stops a running event loop."""
        if not self._warned and in_event_loop():
            self._warned = True
            warnings.warn(
                f"{verb} stops the running event loop for a round trip; use {twin}",
                RuntimeWarning,
                stacklevel=3,
            )

    def _open(self) -> Store:
        if self._closed:
            raise MisuseError(
                "this limiter is closed",
                code="P503",
                hint="Make one limiter for the life of the process, and close it last.",
            )
        return self._store

    def close(self) -> None:
        """Close; twice is once."""
        if not self._closed:
            self._closed = True
            try:
                self.heartbeat.stop()
            finally:
                self._store.close()

    async def aclose(self) -> None:
        """Close, with the connections of the running event loop; twice is once."""
        if not self._closed:
            self._closed = True
            try:
                await self.heartbeat.stop_async()
            finally:
                await self._store.aclose()


def refuse_places(policy: Policy) -> None:
    """
    Refuse to take a place of a concurrency limit where nobody could release it.

    Raises:
        MisuseError: If the policy has such a limit (P505).
    """
    if policy.leases:
        raise MisuseError(
            "try_acquire() gives no permit that could be released, but a limit "
            "counts concurrent calls",
            code="P505",
            hint="Use acquire(key, cost, timeout=0), and settle() or release() the "
            "permit, or reserve().",
        )


def in_event_loop() -> bool:
    """Tell whether an event loop runs here, a notebook's idle one excepted."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False  # no loop runs here
    if task is None:
        return True  # a callback of the loop
    # A notebook runs each cell in a task of its kernel; nothing else needs the loop.
    code = getattr(task.get_coro(), "cr_code", None)
    return f"{os.sep}ipykernel{os.sep}" not in getattr(code, "co_filename", "")
