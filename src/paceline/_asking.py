"""Who asks, and by which way: the short one if all is as usual, else with a plan."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from . import _short, _sync
from ._caller import caller_of
from ._calls import request_now
from ._permit import Permit
from ._refusals import note
from ._reply import Answer
from ._wish import Granted
from ._worlds import let_others_go_on

if TYPE_CHECKING:
    from ._caller import Begun, Caller
    from ._calls import Booking, Request, Scope
    from ._decision import Decision
    from ._desk import Desk
    from ._effects import Plan
    from ._engine import Engine
    from ._errors import StoreError
    from ._key import Key
    from ._policy import Cost, Policy
    from ._refusals import Table
    from ._survival import Survival
    from ._watch import Watch
    from ._wish import Wish
    from .stores import Store

T = TypeVar("T")


class Asking(ABC):
    """
    The verbs of an engine that ask for something.

    Attributes:
        brief: Whether asks may go the short way, which no driver sees.
    """

    brief: bool = True
    _desk: Desk
    _survival: Survival
    _watch: Watch | None

    @abstractmethod
    def _open(self) -> Store:
        """Return the store, if the limiter is not closed."""

    @abstractmethod
    def lookup(self, key: Key | str) -> tuple[Scope, Policy]:
        """Return where a key's account is, and the limits that apply to it."""

    @abstractmethod
    def run(self, plan: Plan[T]) -> T:
        """Drive a plan, blocking."""

    @abstractmethod
    async def run_async(self, plan: Plan[T]) -> T:
        """Drive a plan on the running event loop."""

    def acquire(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Wait for a permit, blocking."""
        caller = self._caller(key, cost, wish)
        if not self._goes_briefly(caller.scope, caller.policy):
            return self._permit(caller, self.run(self._acquire(caller)))
        store = self._open().sync()
        ticket = _short.enter(store.lines, caller)
        try:
            begun = _short.begin(self._desk, store, caller, ticket)
            granted = self._granted(caller, begun)
            if granted is None:
                granted = _sync.run(self._acquire(caller, begun), store)
        finally:
            if ticket is not None:
                ticket.leave()
        return self._permit(caller, granted)

    async def acquire_async(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Wait for a permit on the running event loop."""
        caller = self._caller(key, cost, wish)
        if not self._goes_briefly(caller.scope, caller.policy):
            return self._permit(caller, await self.run_async(self._acquire(caller)))
        store = self._open().aio()
        ticket = _short.enter(store.lines, caller)
        try:
            begun = await _short.begin_async(self._desk, store, caller, ticket)
            granted = self._granted(caller, begun)
            if granted is None:
                granted = await self.run_async(self._acquire(caller, begun))
        finally:
            if ticket is not None:
                ticket.leave()
        return self._permit(caller, granted)

    def _caller(self, key: Key | str, cost: Cost, wish: Wish) -> Caller:
        scope, policy = self.lookup(key)
        return caller_of(scope, policy, policy.charges(cost), wish, time.monotonic())

    def _goes_briefly(self, scope: Scope, policy: Policy) -> bool:
        usual = self._watch is None and self.brief
        return usual and self._survival.brief(scope, policy)

    def _granted(self, caller: Caller, begun: Begun) -> Granted | None:
        """Return the permit that was had by the short way, if it was for now."""
        answer = begun.answer
        if answer is None or not answer.charged or answer.wait_us > 0:
            return None
        booking: Booking | None = answer.booking
        now = time.monotonic()
        how = (caller.scope, caller.policy, caller.charges, now)
        if booking is None or not self._survival.admitted(*how):
            return None
        if begun.ticket is not None:
            begun.ticket.served()
        return Granted(booking, now - caller.start)

    def _acquire(self, caller: Caller, begun: Begun | None = None) -> Plan[Granted]:
        scope, policy, charges, wish, _, _ = caller
        plan = self._survival.acquire(scope, policy, charges, wish, begun)
        if self._watch is None:
            return plan
        return self._watch.acquire(plan, scope, policy, charges)

    def _permit(self, caller: Caller, granted: Granted) -> Permit:
        engine: Engine = self  # type: ignore[assignment]  # what it is a part of
        return Permit(engine, caller.scope, caller.policy, granted)

    def decide(self, key: Key | str, cost: Cost) -> Decision:
        """Decide for now, blocking; as :meth:`try_acquire` says."""
        scope, request = self._request(key, cost)
        if not self._goes_briefly(scope, request.policy):
            return self.run(self.try_acquire(key, cost))
        table = self._desk.refusals.of(scope.key)
        refused = self._refused(table, request)
        store = self._open().sync()
        if refused is not None:
            let_others_go_on()
            return refused
        found = _short.ask(self._desk, store, scope, request)
        if not isinstance(found, Answer):
            return _sync.run(self.try_acquire(key, cost, found), store)
        if (decision := self._decided(scope, request, found, table)) is None:
            return _sync.run(self._overtaken(scope, request, found), store)
        return decision

    async def decide_async(self, key: Key | str, cost: Cost) -> Decision:
        """Do as :meth:`decide` does, on the running event loop."""
        scope, request = self._request(key, cost)
        if not self._goes_briefly(scope, request.policy):
            return await self.run_async(self.try_acquire(key, cost))
        table = self._desk.refusals.of(scope.key)
        refused = self._refused(table, request)
        store = self._open().aio()
        if refused is not None:
            import asyncio  # noqa: PLC0415 -- not everybody's

            await asyncio.sleep(0)
            return refused
        found = await _short.ask_async(self._desk, store, scope, request)
        if not isinstance(found, Answer):
            return await self.run_async(self.try_acquire(key, cost, found))
        if (decision := self._decided(scope, request, found, table)) is None:
            return await self.run_async(self._overtaken(scope, request, found))
        return decision

    def _request(self, key: Key | str, cost: Cost) -> tuple[Scope, Request]:
        scope, policy = self.lookup(key)
        policy.refuse_places()
        return scope, request_now(policy, policy.charges(cost))

    def _refused(self, table: Table, request: Request) -> Decision | None:
        refusal = table.get(request.policy.account)
        return None if refusal is None else refusal.again(request, time.monotonic())

    def _decided(
        self, scope: Scope, request: Request, answer: Answer, table: Table
    ) -> Decision | None:
        """Return what was decided by the short way; None if an outage overtook it."""
        decision, now = answer.decision, time.monotonic()
        if not decision.allowed:
            note(table, request, answer, now)
            return decision
        how = (scope, request.policy, request.charges, now)
        return decision if self._survival.admitted(*how) else None

    def _overtaken(
        self, scope: Scope, request: Request, answer: Answer
    ) -> Plan[Decision]:
        how = (scope, request.policy, request.charges, answer)
        return self._survival.overtaken(*how)

    def try_acquire(
        self, key: Key | str, cost: Cost, known: StoreError | None = None
    ) -> Plan[Decision]:
        """
        Plan a decision for now.

        Args:
            known: How asking has failed already, by the short way.

        Raises:
            MisuseError: If a limit counts concurrent calls: nobody could say when
                this one is over (P505).
        """
        scope, policy = self.lookup(key)
        policy.refuse_places()
        charges = policy.charges(cost)
        plan = self._survival.try_acquire(scope, policy, charges, known)
        if self._watch is None:
            return plan
        return self._watch.decision(plan, scope, policy, charges)
