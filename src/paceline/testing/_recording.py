"""A limiter that remembers what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .._engine import Engine
from .._errors import RateLimitExceeded
from .._key import Key, as_key
from .._limiter import RateLimiter
from .._permit import Permit
from ._pretend import InstantLimiter
from ._silent import Passing

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from .._alone import OnOutage
    from .._calls import Booking, Scope
    from .._decision import Decision, LimitStatus
    from .._events import EventHandler
    from .._heartbeat import Holds
    from .._limits import Limit
    from .._policy import Policy
    from .._rules import Cost
    from .._turns import Wish
    from .._under_way import UnderWay


_WEEK = 7 * 86_400.0


@dataclass(frozen=True)
class Recorded:
    """
    One thing that was asked of a limiter.

    Attributes:
        verb: ``"try_acquire"``, ``"acquire"``, ``"settle"``, ``"cancel"``,
            ``"release"``, ``"peek"``, ``"reset"``, ``"cool_down"`` or ``"correct"``. A
            twin has the name of the other one, and reserve and limited are an acquire.

        key: Whose account it was about.

        cost: The cost, the seconds of a cool-down, or what a limit was corrected to.
            None if there was none.

        allowed: False if it was refused.
    """

    verb: str
    key: Key
    cost: Cost | float | None = None
    allowed: bool = True


class RecordingLimiter(Passing, RateLimiter):
    """
    A limiter that passes all on to another, and keeps a list of it.

    Args:
        limiter: The other one: another stand-in, or a real one. Default: one that
            grants everything at once.

    Attributes:
        calls: What was asked, in order; clear it as any list.
    """

    def __init__(self, limiter: RateLimiter | None = None) -> None:
        self._inner = InstantLimiter() if limiter is None else limiter
        self.calls: list[Recorded] = []
        self._engine = _RecordingEngine(self._inner._engine, self.calls)  # noqa: SLF001 -- one of our own

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        scope: str | None = None,
        store: object = None,
        on_event: EventHandler | None = None,
        on_outage: OnOutage | None = None,
    ) -> Self:
        """Pass on to one that grants what a file knows; else as of RateLimiter."""
        inner = InstantLimiter.from_config(
            path, scope=scope, store=store, on_event=on_event, on_outage=on_outage
        )
        return cls(inner)

    def _note(
        self,
        verb: str,
        key: Key | str,
        cost: Cost | float | None = None,
        *,
        allowed: bool = True,
    ) -> None:
        self.calls.append(Recorded(verb, as_key(key), cost, allowed))

    def try_acquire(self, key: Key | str, cost: Cost = 1) -> Decision:
        """Pass on and note it."""
        decision = self._inner.try_acquire(key, cost)
        self._note("try_acquire", key, cost, allowed=decision.allowed)
        return decision

    async def try_acquire_async(self, key: Key | str, cost: Cost = 1) -> Decision:
        """Pass on and note it."""
        decision = await self._inner.try_acquire_async(key, cost)
        self._note("try_acquire", key, cost, allowed=decision.allowed)
        return decision

    def limits(self, key: Key | str) -> tuple[Limit, ...]:
        """Pass on. Nothing is asked of the store, so nothing is noted."""
        return self._inner.limits(key)

    def peek(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Pass on and note it."""
        statuses = self._inner.peek(key)
        self._note("peek", key)
        return statuses

    async def peek_async(self, key: Key | str) -> tuple[LimitStatus, ...]:
        """Pass on and note it."""
        statuses = await self._inner.peek_async(key)
        self._note("peek", key)
        return statuses

    def reset(self, key: Key | str) -> None:
        """Pass on and note it."""
        self._inner.reset(key)
        self._note("reset", key)

    async def reset_async(self, key: Key | str) -> None:
        """Pass on and note it."""
        await self._inner.reset_async(key)
        self._note("reset", key)

    def cool_down(
        self, key: Key | str, seconds: float, *, refused: bool = True
    ) -> None:
        """Pass on and note it."""
        self._inner.cool_down(key, seconds, refused=refused)
        self._note("cool_down", key, seconds)

    async def cool_down_async(
        self, key: Key | str, seconds: float, *, refused: bool = True
    ) -> None:
        """Pass on and note it."""
        await self._inner.cool_down_async(key, seconds, refused=refused)
        self._note("cool_down", key, seconds)

    def correct(
        self, key: Key | str, limit: str, units: int | None, *, seconds: float = _WEEK
    ) -> None:
        """Pass on and note it."""
        self._inner.correct(key, limit, units, seconds=seconds)
        self._note("correct", key, units)

    async def correct_async(
        self, key: Key | str, limit: str, units: int | None, *, seconds: float = _WEEK
    ) -> None:
        """Pass on and note it."""
        await self._inner.correct_async(key, limit, units, seconds=seconds)
        self._note("correct", key, units)


class _RecordingEngine(Engine):
    """Takes permits from another engine, and notes who got or wanted one."""

    def __init__(self, inner: Engine, calls: list[Recorded]) -> None:
        self._inner = inner
        self._calls = calls
        self._warned = False

    def acquire(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Pass on and note it."""
        try:
            permit = self._inner.acquire(key, cost, wish)
        except RateLimitExceeded:
            self._calls.append(Recorded("acquire", as_key(key), cost, allowed=False))
            raise
        return self._noted(key, cost, permit)

    async def acquire_async(self, key: Key | str, cost: Cost, wish: Wish) -> Permit:
        """Pass on and note it."""
        try:
            permit = await self._inner.acquire_async(key, cost, wish)
        except RateLimitExceeded:
            self._calls.append(Recorded("acquire", as_key(key), cost, allowed=False))
            raise
        return self._noted(key, cost, permit)

    def _noted(self, key: Key | str, cost: Cost, permit: Permit) -> Permit:
        self._calls.append(Recorded("acquire", as_key(key), cost))
        return _RecordedPermit(permit, as_key(key), self._calls)

    def close(self) -> None:
        """Close the other one."""
        self._inner.close()

    async def aclose(self) -> None:
        """Close the other one."""
        await self._inner.aclose()


class _RecordedPermit(Permit):
    """A permit of another limiter, whose settlements are noted."""

    def __init__(self, inner: Permit, key: Key, calls: list[Recorded]) -> None:
        self.waited: float = inner.waited
        self._inner = inner
        self._key = key
        self._calls = calls

    @property
    def scope(self) -> Scope:
        """Whose account was charged."""
        return self._inner.scope

    @property
    def policy(self) -> Policy:
        """The limits that were charged."""
        return self._inner.policy

    @property
    def booking(self) -> Booking:
        """What was charged, and where."""
        return self._inner.booking

    def settle(self, cost: Cost) -> None:
        """Pass on and note it."""
        self._inner.settle(cost)
        self._calls.append(Recorded("settle", self._key, cost))

    async def settle_async(self, cost: Cost) -> None:
        """Pass on and note it."""
        await self._inner.settle_async(cost)
        self._calls.append(Recorded("settle", self._key, cost))

    def would_ask(self, cost: Cost) -> bool:
        """Pass on."""
        return self._inner.would_ask(cost)

    def cancel(self) -> None:
        """Pass on and note it."""
        self._inner.cancel()
        self._calls.append(Recorded("cancel", self._key))

    async def cancel_async(self) -> None:
        """Pass on and note it."""
        await self._inner.cancel_async()
        self._calls.append(Recorded("cancel", self._key))

    def release(self) -> None:
        """Pass on; note it if there is anything to release."""
        self._inner.release()
        self._note_release()

    async def release_async(self) -> None:
        """Pass on; note it if there is anything to release."""
        await self._inner.release_async()
        self._note_release()

    def renewing(self, renewal: UnderWay) -> Holds:
        """Pass on."""
        return self._inner.renewing(renewal)

    def renewed(self, ends: Sequence[int]) -> None:
        """Pass on."""
        self._inner.renewed(ends)

    def end_hold(self) -> None:
        """Pass on."""
        self._inner.end_hold()

    def _note_release(self) -> None:
        # The end of every block releases, most of them nothing.
        if self._inner.policy.leases:
            self._calls.append(Recorded("release", self._key))
