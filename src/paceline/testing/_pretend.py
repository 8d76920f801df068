"""Limiters without accounts: one that always says yes, and one that never does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .._calls import Booking, Scope
from .._decision import Decision, LimitStatus
from .._engine import Engine
from .._errors import MisuseError, RateLimitExceeded
from .._key import Key, as_key
from .._limiter import RateLimiter
from .._limits import MOST_WINDOW, SlidingWindow
from .._options import seconds as in_seconds
from .._permit import Permit
from .._policy import Policy
from .._rules import Rules
from .._scopes import Scopes

if TYPE_CHECKING:
    from .._alone import OnOutage
    from .._events import EventHandler
    from .._heartbeat import Holds
    from .._limits import Limit
    from .._options import Amnesia
    from .._rules import Cost, Limits
    from .._turns import Wish
    from .._under_way import UnderWay

_REFUSED_BY = "stand-in"


class _Pretender(RateLimiter):
    """The verbs of a limiter, by an engine that keeps no account."""

    _engine: _PretendEngine

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
        self._engine = _PretendEngine(rules, self._retry_after())

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

    def cool_down(self, key: Key | str, seconds: float) -> None:
        """Check the arguments. Nobody waits."""
        self._engine.warn_once("cool_down()", "cool_down_async()")
        self._engine.cool_down(key, seconds)

    async def cool_down_async(self, key: Key | str, seconds: float) -> None:
        """Check the arguments. Nobody waits."""
        self._engine.cool_down(key, seconds)


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


class _PretendEngine(Engine):
    """Knows rules and no store. *retry_after* is None if it grants."""

    shares = False

    def __init__(self, rules: Rules | Scopes | None, retry_after: float | None) -> None:
        self._rules = rules
        self._later = retry_after
        self._warned = False
        self._closed = False

    def policy(self, key: Key | str, cost: Cost = 1) -> tuple[Key, Policy]:
        """Return the key, and the limits that apply to it or would to any cost."""
        if self._closed:
            raise MisuseError(
                "this limiter is closed",
                code="P503",
                hint="Make one limiter for the life of the process, and close it last.",
            )
        full = as_key(key)
        if self._rules is not None:
            return self._rules.resolve(full)
        return full, _any_policy(cost, full.model)

    def limits(self, key: Key | str) -> tuple[Limit, ...]:
        """Return the limits that apply to a key."""
        _, policy = self.policy(key)
        return () if self._rules is None else policy.limits

    def statuses(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Return each limit, as never used or as used up."""
        _, policy = self.policy(key)
        return self._statuses(policy)

    def _statuses(self, policy: Policy) -> tuple[LimitStatus, ...]:
        if self._rules is None:
            return ()
        full, reset = self._later is None, self._later or 0.0
        return tuple(
            LimitStatus(
                each.name, each.unit, each.capacity, each.capacity if full else 0, reset
            )
            for each in policy.limits
        )

    def decide_now(self, key: Key | str, cost: Cost) -> Decision:
        """Check the arguments of a try and say yes, or no."""
        self.policy(key, cost)[1].refuse_places()
        return self.decide(key, cost)

    def decide(self, key: Key | str, cost: Cost) -> Decision:
        """Check the arguments and say yes, or no."""
        _, policy = self.policy(key, cost)
        policy.charges(cost)
        statuses = self._statuses(policy)
        if self._later is None:
            return Decision(
                allowed=True, retry_after=0.0, limit=None, statuses=statuses
            )
        limit = statuses[0].name if statuses else _REFUSED_BY
        return Decision(
            allowed=False, retry_after=self._later, limit=limit, statuses=statuses
        )

    def cool_down(self, key: Key | str, seconds: float) -> None:
        """Check the arguments."""
        in_seconds("cool-down", seconds, 31 * 86_400.0)
        self.policy(key)

    def acquire(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:  # noqa: ARG002 -- nobody waits
        """Grant a permit at once, or raise."""
        decision = self.decide(key, cost)
        full, policy = self.policy(key, cost)
        if decision:
            return _PretendPermit(full, policy, free=self._rules is None)
        raise RateLimitExceeded(
            f"{decision.limit} of {full.label} allows this call in "
            f"{decision.retry_after:.3f} s; this limiter refuses every call",
            decision=decision,
            hint="It stands in for a real one, in a test.",
        )

    async def acquire_async(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Grant a permit at once, or raise."""
        return self.acquire(key, cost, wish)

    def close(self) -> None:
        """Let nobody call again."""
        self._closed = True

    async def aclose(self) -> None:
        """Let nobody call again."""
        self._closed = True


class _PretendPermit(Permit):
    """A permit that checks what it is told, and posts nothing."""

    def __init__(self, key: Key, policy: Policy, *, free: bool) -> None:
        self.waited: float = 0.0
        self._scope = Scope("", key.display or "")
        self._policy = policy
        self._booking = Booking(())
        self._free = free

    def settle(self, cost: Cost) -> None:
        """Check the true cost."""
        policy = _any_policy(cost, None) if self._free else self._policy
        policy.spent(cost)

    async def settle_async(self, cost: Cost) -> None:
        """Check the true cost."""
        self.settle(cost)

    def renewing(self, renewal: UnderWay) -> Holds:  # noqa: ARG002 -- its twin's
        """Nothing is renewed."""
        return []

    def renewed(self, ends: Sequence[int]) -> None:
        """Nothing was renewed."""

    def end_hold(self) -> None:
        """Nothing is held."""

    def release(self) -> None:
        """Release nothing."""

    async def release_async(self) -> None:
        """Release nothing."""


def _any_policy(cost: Cost, model: str | None) -> Policy:
    """Return limits on whatever a cost names, as large as there are."""
    units = list(cost) if isinstance(cost, Mapping) else []
    return Policy(
        model or "",
        tuple(SlidingWindow(MOST_WINDOW, 1.0, unit=unit) for unit in units)
        or (SlidingWindow(MOST_WINDOW, 1.0),),
    )
