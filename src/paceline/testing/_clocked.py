"""A real limiter in memory, on a clock that the test moves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .._almanac import Almanac
from .._calls import Call, Clock as Moment
from .._desk import Desk
from .._effects import Ask, Effect, Now, Plan, Sleep, Wait
from .._engine import Engine
from .._limiter import RateLimiter
from ..stores.memory import MemorySource
from ._clock import Clock

if TYPE_CHECKING:
    from .._alone import OnOutage
    from .._events import EventHandler
    from .._limits import Limit
    from .._options import Amnesia
    from .._rules import Limits, Rules
    from .._scopes import Scopes

T = TypeVar("T")


class ClockedLimiter(RateLimiter):
    """
    A limiter that decides as in production, by a clock of the test's own.

    Waiting moves the clock and takes no time: ``acquire(...).waited`` is what a caller
    would have waited. It needs the extra ``memory``. Places of a concurrency limit are
    free when they are released, or when their lease ends by this clock: nothing renews
    them here.

    Args:
        store: A ``memory://`` URL, to share an account with another one. Any other
            store is left alone, and this has one for itself.

        limits, families, shared, guard, secret, on_event: As of RateLimiter.

        connect_timeout, call_timeout, on_amnesia, on_outage: Taken, as a file may have
            them, and not needed.

        clock: The clock. Default: one of its own.

    Attributes:
        clock: The clock.
    """

    def __init__(
        self,
        store: object = None,
        *,
        limits: Limits | Rules | Scopes | None = None,
        families: Mapping[str, Iterable[str]] | None = None,
        shared: str | Limit | Iterable[str | Limit] = (),
        guard: float = 0.0,
        secret: bytes | str | None = None,
        connect_timeout: float = 0.5,
        call_timeout: float = 0.5,
        on_amnesia: Amnesia = "full",
        on_event: EventHandler | None = None,
        on_outage: OnOutage = "local",  # noqa: ARG002 -- its store is never gone
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(store, str) or not store.startswith("memory://"):
            store = f"memory://clocked-{uuid.uuid4().hex}"
        super().__init__(
            store,
            limits=limits,
            families=families,
            shared=shared,
            guard=guard,
            secret=secret,
            connect_timeout=connect_timeout,
            call_timeout=call_timeout,
            on_amnesia=on_amnesia,
        )
        self.clock: Clock = clock or Clock()
        rules = self._engine.rules
        self._engine = _ClockedEngine(
            self.clock, store, rules, guard=guard, secret=secret, on_event=on_event
        )


class _ClockedEngine(Engine):
    """An engine whose server, plans and sleepers go by a test's clock."""

    brief = False

    def __init__(
        self,
        clock: Clock,
        store: str,
        rules: Rules | Scopes,
        *,
        guard: float,
        secret: bytes | str | None,
        on_event: EventHandler | None,
    ) -> None:
        super().__init__(
            store,
            rules,
            guard=guard,
            secret=secret,
            timeouts=(10.0, 10.0),
            on_event=on_event,
            on_outage="raise",
        )
        self._desk = Desk(
            _ClockedAlmanac(self._desk.almanac.nonce, ticker=clock),
            corrections=self._desk.corrections,
        )
        self._survival.use(self._desk)
        self._clock = clock
        self._memory = MemorySource(store.removeprefix("memory://")).sync_client()

    def run(self, plan: Plan[T]) -> T:
        """Drive a plan, blocking; waiting moves the clock."""
        return super().run(self._timed(plan, _leap))

    async def run_async(self, plan: Plan[T]) -> T:
        """Drive a plan; waiting moves the clock when everybody waits."""
        return await super().run_async(self._timed(plan, _queue))

    def _timed(
        self, plan: Plan[T], wait: Callable[[Clock, int], Plan[None]]
    ) -> Plan[T]:
        """Answer what a plan asks of time; pass the rest on to the driver."""
        step: Callable[[Any], Any] = plan.send
        value: Any = None
        asked_us = self._clock.now_us
        try:
            while True:
                effect = step(value)
                try:
                    value = None
                    if isinstance(effect, Now):
                        value = self._clock.elapsed
                    elif isinstance(effect, Wait) and not effect.ticket.first:
                        yield Wait(effect.ticket, 0)  # who is first moves the clock
                    elif isinstance(effect, Sleep | Wait):
                        # Since the answer others may have moved the clock.
                        late = self._clock.now_us - asked_us
                        due = self._clock.after(effect.seconds) - late
                        yield from wait(self._clock, due)
                    else:
                        asked_us = self._clock.now_us
                        with self._clock.busy():
                            value = yield effect
                        self._keep(effect)
                    step = plan.send
                except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                    value, step = error, plan.throw
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # the plan's own type
        finally:
            plan.close()

    def _keep(self, effect: Effect) -> None:
        # The state would expire by real time, of which a test may take any amount.
        if isinstance(effect, Ask):
            self._memory.persist(effect.scope.key)
        elif isinstance(effect, Call):
            self._memory.persist(effect.key)


def _leap(clock: Clock, moment_us: int) -> Plan[None]:
    clock.move_to(moment_us)
    yield from ()


def _queue(clock: Clock, moment_us: int) -> Plan[None]:
    for _ in clock.turns(moment_us):
        yield Sleep(0)


@dataclass(slots=True)
class _ClockedAlmanac(Almanac):
    """Tells the scripts what time it is, in place of the server's own clock."""

    ticker: Clock = field(default_factory=Clock)

    def clock(self) -> Moment:
        """Return what the next call needs to know of time and chance."""
        return replace(Almanac.clock(self), now_us=self.ticker.now_us)
