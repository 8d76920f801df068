"""
What a limiter owns, and the one place where plans meet a store.

Shared by the facade, reservations and decorators.
"""

from __future__ import annotations

from contextlib import suppress
from random import random
from typing import TYPE_CHECKING, TypeVar

from . import _plans, _sync
from ._almanac import Almanac
from ._asking import Asking
from ._attendant import Attendant
from ._calls import Scope
from ._desk import Desk
from ._effects import Plan
from ._errors import ConfigError, MisuseError
from ._heartbeat import Heartbeat
from ._key import Key, as_key
from ._limits import SECOND_US
from ._options import as_policy, as_secret, counts_as_used, seconds, watch
from ._outage import Outage
from ._repayment import LocalBooking
from ._rules import Policy, Rules
from ._scopes import Scopes
from ._survival import Survival
from ._ward import Warden
from ._worlds import Worlds
from .stores._open import open_store

if TYPE_CHECKING:
    from ._amends import Whose
    from ._calls import Booking
    from ._decision import LimitStatus
    from ._events import EventHandler
    from ._heartbeat import Holds
    from ._permit import Permit
    from .stores import Store

T = TypeVar("T")

_LONGEST_GUARD = 60.0


class Engine(Asking, Worlds, Warden):
    """Rules, a store and what was last heard of it."""

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
        on_outage: object = "local",
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
        self._known = self._desk.corrections.found
        self._attendant = Attendant(self)
        self._survival = Survival(
            as_policy(on_outage),
            self._desk,
            lambda: self._store.breaker,
            self._attendant.attend,
            Outage(self.held, self.last_seen),
        )
        if self._watch is not None:
            self._survival.amends.told = self._watch.repaid
            self._watch.attend(self._store)
        self._closed = False

    def lookup(self, key: Key | str) -> tuple[Scope, Policy]:
        """Return where a key's account is, and the limits that apply to it."""
        name: object = key
        if type(key) is Key:  # an API key is kept by nobody but its caller
            name = (key.tag(self._secret), key.model, key.display)
        try:
            return self._known[name]
        except (KeyError, TypeError):
            return self._look_up(key, name)

    def _look_up(self, key: Key | str, known_as: object) -> tuple[Scope, Policy]:
        full, policy = self.rules.resolve(as_key(key))
        name = f"paceline:1:{{{full.tag(self._secret)}}}"
        scope = Scope(name, full.display or "", self.guard_us)
        # A file's rules may change with the environment.
        plain = (type(key) is str or type(key) is Key) and isinstance(self.rules, Rules)
        return self._desk.corrections.find(scope, policy, known_as if plain else None)

    def run(self, plan: Plan[T]) -> T:
        """Drive a plan, blocking."""
        return _sync.run(plan, self._open().sync())

    async def run_async(self, plan: Plan[T]) -> T:
        """Drive a plan on the running event loop."""
        from . import _aio  # noqa: PLC0415 -- asyncio is not everybody's

        return await _aio.run(plan, self._open().aio())

    def peek(self, key: Key | str) -> Plan[tuple[LimitStatus, ...]]:
        """Plan a look at how the limits stand."""
        scope, policy = self.lookup(key)
        return self.seen(_plans.peek(self._desk, scope, policy), scope, policy)

    def reset(self, key: Key | str) -> Plan[None]:
        """Plan to forget what was used."""
        scope, policy = self.lookup(key)
        return self.seen(_plans.reset(self._desk, scope, policy), scope, policy)

    def seen(self, plan: Plan[T], scope: Scope, policy: Policy) -> Plan[T]:
        """Let whoever is told of events see a plan."""
        if self._watch is None:
            return plan
        return self._watch.other(plan, scope, policy)

    def answered(self, key: Key | str, status: int) -> None:
        """Tell whoever is told of events that the provider answered."""
        if self._watch is not None:
            # Whoever only looks on must not break a call, whatever became of a file.
            with suppress(ConfigError):
                self._watch.upstream(*self.lookup(key), status)

    def cooling(self, key: Key | str, duration: float, *, refused: bool) -> Plan[None]:
        """Plan a cool-down, in seconds."""
        scope, policy = self.lookup(key)
        plan = _plans.cool_down(self._desk, scope, policy, duration, refused=refused)
        if self._watch is None:
            return plan
        return self._watch.cool_down(plan, scope, policy, duration)

    def _run_seen(self, plan: Plan[None], whose: Whose | None) -> None:
        self.run(self.seen(plan, *whose) if whose else plan)

    def _renew(self, scope: Scope, holds: Holds) -> list[int]:
        known = self._survival.outage.registered(scope, holds)
        plan = _plans.renew(self._desk, scope, known)
        return self.run(self.seen(plan, scope, holds[0][0]))

    def settle(self, permit: Permit, actual: tuple[int, ...]) -> Plan[None]:
        """Plan the posting of a permit's true cost."""
        scope, policy, booking = permit.scope, permit.policy, permit.booking
        plan = self._survival.settle(scope, policy, booking, actual)
        if self._watch is None:
            return plan
        booked = tuple(post.units for post in booking.posts)
        return self._watch.settle(plan, scope, policy, booked, actual)

    def must_post(self, booking: Booking, actual: tuple[int, ...]) -> bool:
        """Tell whether anybody is to hear of a true cost: it is another, or watched."""
        self._open()
        if self._watch is not None or isinstance(booking, LocalBooking):
            return True
        return actual != tuple([post.units for post in booking.posts])

    @property
    def desk(self) -> Desk:
        """What all calls share."""
        return self._desk

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
            self.last_visit()
            self._closed = True
            try:
                self.heartbeat.stop()
            finally:
                self._store.close()

    async def aclose(self) -> None:
        """Close, with the connections of the running event loop; twice is once."""
        if not self._closed:
            if self.owes or self._attendant.attends:
                import asyncio  # noqa: PLC0415 -- not everybody's

                await asyncio.to_thread(self.last_visit)
            self._closed = True
            try:
                await self.heartbeat.stop_async()
            finally:
                await self._store.aclose()
