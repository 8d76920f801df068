"""An engine that knows rules and no store, and its permits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .._calls import Booking, Scope
from .._corrections import Corrections, fact_of
from .._decision import Decision, LimitStatus
from .._engine import Engine
from .._errors import MisuseError, RateLimitExceeded
from .._facts import Known
from .._key import Key, as_key
from .._limits import MOST_WINDOW, SlidingWindow
from .._options import as_secret, seconds as in_seconds
from .._permit import Permit
from .._policy import Policy

if TYPE_CHECKING:
    from .._heartbeat import Holds
    from .._limits import Limit
    from .._rules import Cost, Rules
    from .._scopes import Scopes
    from .._turns import Wish
    from .._under_way import UnderWay

_REFUSED_BY = "stand-in"


class PretendEngine(Engine):
    """Knows rules and no store. *retry_after* is None if it grants."""

    def __init__(self, rules: Rules | Scopes | None, retry_after: float | None) -> None:
        self._rules = rules
        self._later = retry_after
        self._corrections = Corrections()
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
            full, policy = self._rules.resolve(full)
            return full, self._corrections.of(full.tag(as_secret(None)), policy)
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

    def correct(
        self, key: Key | str, limit: str, units: int | None, seconds: float
    ) -> None:
        """Check the arguments, and go by the new figure."""
        in_seconds("how long a correction holds", seconds, 31 * 86_400.0)
        full, policy = self.policy(key)
        if self._rules is not None:
            fact = fact_of(policy, limit, units, seconds)
            known = {fact.name: Known(fact.value, seconds)}
            self._corrections.adopt(full.tag(as_secret(None)), policy, known, 0.0)

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

    def would_ask(self, cost: Cost) -> bool:  # noqa: ARG002 -- its twin's
        """There is nobody to ask."""
        return False

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
