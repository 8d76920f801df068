"""Limiters without accounts: one that always says yes, and one that never does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .._limiter import RateLimiter
from .._options import seconds as in_seconds
from .._rules import Rules
from .._scopes import Scopes
from ._pretend_engine import PretendEngine
from ._silent import Silent

if TYPE_CHECKING:
    from .._alone import OnOutage
    from .._decision import Decision, LimitStatus
    from .._events import EventHandler
    from .._key import Key
    from .._limits import Limit
    from .._options import Amnesia
    from .._rules import Cost, Limits

_WEEK = 7 * 86_400.0


class _Pretender(Silent, RateLimiter):
    """The verbs of a limiter, by an engine that keeps no account."""

    _engine: PretendEngine

    def __init__(
        self,
        store: object = None,  # noqa: ARG002 -- taken as RateLimiter takes it
        *,
        limits: Limits | Rules | Scopes | None = None,
        families: Mapping[str, Iterable[str]] | None = None,
        shared: str | Limit | Iterable[str | Limit] = (),
        guard: float = 0.0,  # noqa: ARG002 -- a file may have it
        secret: bytes | str | None = None,  # noqa: ARG002
        connect_timeout: float = 0.5,  # noqa: ARG002
        call_timeout: float = 0.5,  # noqa: ARG002
        on_amnesia: Amnesia = "full",  # noqa: ARG002
        on_event: EventHandler | None = None,  # noqa: ARG002
        on_outage: OnOutage = "local",  # noqa: ARG002 -- there is no store
    ) -> None:
        rules: Rules | Scopes | None = None
        if isinstance(limits, Rules | Scopes):
            rules = limits
        elif limits is not None or shared:
            rules = Rules(limits or (), families=families, shared=shared)
        self._engine = PretendEngine(rules, self._retry_after())

    def _retry_after(self) -> float | None:
        return None

    def try_acquire(self, key: Key | str, cost: Cost = 1) -> Decision:
        """Decide at once, and charge nothing."""
        self._engine.warn_once("try_acquire()", "try_acquire_async()")
        return self._engine.decide_now(key, cost)

    async def try_acquire_async(self, key: Key | str, cost: Cost = 1) -> Decision:
        """Decide at once, and charge nothing."""
        return self._engine.decide_now(key, cost)

    def limits(self, key: Key | str) -> tuple[Limit, ...]:
        """Return the limits that apply to *key*. None if none were given."""
        return self._engine.limits(key)

    def peek(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Return each limit, as never used or as used up."""
        self._engine.warn_once("peek()", "peek_async()")
        return self._engine.statuses(key)

    async def peek_async(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Return each limit, as never used or as used up."""
        return self._engine.statuses(key)

    def reset(self, key: Key | str) -> None:
        """Forget nothing: nothing is kept."""
        self._engine.warn_once("reset()", "reset_async()")
        self._engine.policy(key)

    async def reset_async(self, key: Key | str) -> None:
        """Forget nothing: nothing is kept."""
        self._engine.policy(key)

    def cool_down(
        self,
        key: Key | str,
        seconds: float,
        *,
        refused: bool = True,  # noqa: ARG002 -- nobody counts
    ) -> None:
        """Check the arguments. Nobody waits."""
        self._engine.warn_once("cool_down()", "cool_down_async()")
        self._engine.cool_down(key, seconds)

    async def cool_down_async(
        self,
        key: Key | str,
        seconds: float,
        *,
        refused: bool = True,  # noqa: ARG002 -- nobody counts
    ) -> None:
        """Check the arguments. Nobody waits."""
        self._engine.cool_down(key, seconds)

    def correct(
        self, key: Key | str, limit: str, units: int | None, *, seconds: float = _WEEK
    ) -> None:
        """Go by the new figure. Nobody else is told."""
        self._engine.warn_once("correct()", "correct_async()")
        self._engine.correct(key, limit, units, seconds)

    async def correct_async(
        self, key: Key | str, limit: str, units: int | None, *, seconds: float = _WEEK
    ) -> None:
        """Go by the new figure. Nobody else is told."""
        self._engine.correct(key, limit, units, seconds)


class InstantLimiter(_Pretender):
    """
    A limiter that always grants, at once.

    With *limits* (or a file: ``InstantLimiter.from_config()``) it refuses models and
    costs that these refuse; without, any unit will do. Other arguments of RateLimiter
    are taken and have no effect.
    """


class RefusingLimiter(_Pretender):
    """
    A limiter that never grants: for what a program does when its turn is too late.

    Waiting verbs raise RateLimitExceeded at once, whatever the timeout.

    Args:
        retry_after: Seconds until, as it says, there would be room.

        store, limits, families, shared, options: As of :class:`InstantLimiter`.
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
        retry_after: float = 60.0,
    ) -> None:
        self._seconds = in_seconds("retry_after", retry_after)
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
            on_event=on_event,
            on_outage=on_outage,
        )

    def _retry_after(self) -> float | None:
        return self._seconds
