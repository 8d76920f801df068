"""The facade: signatures and docstrings. What happens is in ``_plans``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ._closing import Closing
from ._cooling import Cooling
from ._correcting import Correcting
from ._decorator import Terms, limit_calls
from ._engine import Engine
from ._errors import ConfigError
from ._from_config import FromConfig
from ._looking import Looking
from ._options import wish
from ._reservation import Reservation
from ._rules import Rules
from ._scopes import Scopes
from ._telling import Telling

if TYPE_CHECKING:
    from ._alone import OnOutage
    from ._decision import Decision
    from ._events import EventHandler
    from ._key import Key, KeyTemplate
    from ._limits import Limit
    from ._options import Amnesia
    from ._permit import Permit
    from ._rules import Cost, Limits
    from ._turns import Priority

P = ParamSpec("P")
R = TypeVar("R")

_TIMEOUT = 60.0


class RateLimiter(FromConfig, Looking, Telling, Correcting, Cooling, Closing):
    """
    Keeps one account of each quota, for every process that shares a store.

    One object serves threads, event loops and forks; make it once. It is a context
    manager, sync and async.

    Args:
        store: A URL ("redis://host:6379/0", "rediss://", "unix://", "valkey://",
            "embedded://", "memory://name"), or a redis-py client whose server is used
            through connections of our own. Default: $PACELINE_STORE.

        limits: A string such as "500 requests/min", a limit object, several of these,
            or a mapping from model patterns to these. Each model of a key has an
            account of its own. "learnt" stands for what headers will tell.

        families: Models that share one account: {"gpt-4o": ["gpt-4o", "gpt-4o-*"]}.

        shared: Limits over all models of a key together.

        guard: Seconds by which calls may reach the provider later than others do (the
            spread of the network's delay). Every permit then holds for that long,
            which takes a bucket's refill of as much time off its burst. Up to 60.

        secret: Keys are stored as HMAC-SHA-256 under this secret; the same for every
            process. Without it a fixed one of the application is used.

        connect_timeout: Seconds to reach the store.

        call_timeout: Seconds for the store to answer.

        on_amnesia: What counts where a store may have lost its data a moment ago and
            no process remembers an account: "full" takes it for unused, "empty" for
            used up, until one window is over.

        on_event: Is told what happens (paceline.events), on the caller's own thread or
            loop: it must not block.

        on_outage: When the store is gone: "local" goes on with this process's share,
            charged afterwards; "raise", "wait" (for the store), or "allow".

    Raises:
        ConfigError: If the limits, the store or an option make no sense (P1xx), or an
            extra is missing (P601).
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
        on_outage: OnOutage = "local",
    ) -> None:
        if limits is None and not shared:
            raise ConfigError(
                "no limits were given",
                code="P101",
                hint='For example limits=["500 requests/min", "30k tokens/min"].',
            )
        rules = limits
        if not isinstance(rules, Rules | Scopes):
            rules = Rules(rules or (), families=families, shared=shared)
        self._engine = Engine(
            store,
            rules,
            guard=guard,
            secret=secret,
            timeouts=(connect_timeout, call_timeout),
            on_event=on_event,
            on_amnesia=on_amnesia,
            on_outage=on_outage,
        )

    def try_acquire(self, key: Key | str, cost: Cost = 1) -> Decision:
        """
        Charge *cost* now, or nothing. Never waits, never raises for a denial.

        Use :meth:`acquire` to wait for a turn.

        Args:
            key: Who is limited; a plain string is a scope.

            cost: Units: {"tokens": 850}, or a number of requests. Every unit that the
                limits count must be given; requests are 1 unless given.

        Raises:
            CostError: If a unit is missing, unknown or not whole (P302); CostTooLarge
                if a limit could never hold it (P303).

            StoreError: If the store refused or (StoreUnavailable) was not there (P2xx).

            MisuseError: If a limit counts concurrent calls (P505).
        """
        engine = self._engine
        engine.warn_once("try_acquire()", "try_acquire_async()")
        return engine.decide(key, cost)

    async def try_acquire_async(self, key: Key | str, cost: Cost = 1) -> Decision:
        """Do as :meth:`try_acquire` does, on the running event loop."""
        return await self._engine.decide_async(key, cost)

    def acquire(
        self,
        key: Key | str,
        cost: Cost = 1,
        *,
        timeout: float | None = _TIMEOUT,
        priority: Priority = "normal",
    ) -> Permit:
        """
        Wait for a turn and return the permit to call now.

        The turn is booked at once, in order of arrival; waiting costs one round trip.
        An interrupted wait gives the booking back. Use :meth:`reserve` when the cost
        is an estimate.

        Args:
            key: Who is limited; a plain string is a scope.

            cost: As in :meth:`try_acquire`.

            timeout: Seconds the caller is willing to wait, the store's time included.
                None is as long as it takes, 0 is now or never.

            priority: "batch" for a backlog that must not keep other calls waiting: it
                fills no more than nine tenths of each limit, and books only a quarter
                of a second ahead.

        Raises:
            RateLimitExceeded: At once, if the turn would come too late (P301).

            CostError: As in :meth:`try_acquire`.

            StoreError: As in :meth:`try_acquire`.

            MisuseError: In a running event loop (P501).
        """
        self._engine.may_block("acquire()", "await limiter.acquire_async()")
        return self._engine.acquire(key, cost, wish(timeout, priority))

    async def acquire_async(
        self,
        key: Key | str,
        cost: Cost = 1,
        *,
        timeout: float | None = _TIMEOUT,
        priority: Priority = "normal",
    ) -> Permit:
        """Do as :meth:`acquire` does, on the running event loop."""
        return await self._engine.acquire_async(key, cost, wish(timeout, priority))

    def reserve(
        self,
        key: Key | str,
        cost: Cost = 1,
        *,
        timeout: float | None = _TIMEOUT,
        priority: Priority = "normal",
    ) -> Reservation:
        """
        Return a context manager, sync and async, for a call whose cost is an estimate.

        Entering waits as :meth:`acquire` does. In the block, ``settle(cost)`` notes the
        true cost and ``cancel()`` that nothing was used; leaving posts the note.
        Without a note the estimate stays.

        A turn is booked a second ahead at most, for a far booking would freeze the
        estimate; until then callers stand in line in their process. Limits on
        concurrent calls are held until the block is left.

        Raises:
            RateLimitExceeded, CostError, StoreError, MisuseError: On entering.
        """
        terms = wish(timeout, priority, estimate=True)
        return Reservation(self._engine, key, cost, terms)

    def limited(
        self,
        key: Key | KeyTemplate | str | Callable[..., Key | str],
        cost: Cost | Callable[..., Cost] = 1,
        *,
        settle: Callable[[Any], Cost | None] | None = None,
        timeout: float | None = _TIMEOUT,
        priority: Priority = "normal",
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """
        Decorate a function, coroutine function, generator or async generator.

        Args:
            key: A key, a name, a template over the call's parameters, or a callable of
                the call's arguments.

            cost: A cost, or a callable of the call's arguments (with self).

            settle: Reads the true cost off the result, of a generator off its last
                item; None leaves the estimate. When the call raises it stays too.

            timeout: As in :meth:`acquire`, for each call.

            priority: As in :meth:`acquire`.

        Raises:
            ConfigError: While decorating, if a template's field names no parameter
                (P108).
        """
        how = wish(timeout, priority, estimate=settle is not None)
        terms = Terms(key, cost, settle, how)

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            return limit_calls(self._engine, terms, function)

        return decorate

    def reset(self, key: Key | str) -> None:
        """
        Forget what *key* and its model used, cool-down included.

        Limits shared over models are forgotten too: afterwards :meth:`peek` shows
        every limit as never used. Permits still out are not called back.
        """
        engine = self._engine
        engine.warn_once("reset()", "reset_async()")
        engine.run(engine.reset(key))

    async def reset_async(self, key: Key | str) -> None:
        """Do as :meth:`reset` does, on the running event loop."""
        await self._engine.run_async(self._engine.reset(key))
