"""
Tell events from plans: a plan is followed, effect by effect, and left as it is.

Only a limiter with ``on_event=`` has a watch; without one no plan takes this detour.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from ._calls import Call, Telling
from ._effects import Ask, Effect, Plan, Sleep, Wait
from ._errors import CostTooLarge, RateLimitExceeded, StoreError, StoreUnavailable
from ._events import (
    Abandoned,
    Admitted,
    Answered,
    Called,
    CooledDown,
    Event,
    EventHandler,
    Failed,
    Healed,
    OutageBegan,
    OutageEnded,
    Rebooked,
    Refused,
    Repaid,
    Replayed,
    Settled,
    Waiting,
)
from ._limits import Concurrency
from ._repayment import LocalBooking
from ._reply import AGAIN, DECIDED, Answer
from ._sight import restored
from .stores._timed import Timed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._calls import Scope
    from ._decision import Decision
    from ._policy import Policy
    from ._turns import Granted
    from .stores import Store

T = TypeVar("T")

_log = logging.getLogger("paceline")
_BRIEF = 0.001  # seconds: a shorter pause is no wait


class Watch:
    """Follows the plans of one limiter."""

    def __init__(self, handler: EventHandler) -> None:
        self._handler = handler
        self._lock = threading.Lock()
        self._gone_since: float | None = None
        self._complained = False

    def acquire(
        self,
        plan: Plan[Granted],
        scope: Scope,
        policy: Policy,
        charges: Sequence[int],
    ) -> Plan[Granted]:
        """Follow somebody who waits for a turn."""
        follower = _Follower(self, scope, policy)
        granted = yield from follower.to_its_end(plan)
        offline = isinstance(granted.booking, LocalBooking)
        follower.admitted(charges, granted.waited, offline=offline)
        return granted

    def decision(
        self,
        plan: Plan[Decision],
        scope: Scope,
        policy: Policy,
        charges: Sequence[int],
    ) -> Plan[Decision]:
        """Follow somebody who does not wait."""
        follower = _Follower(self, scope, policy)
        decision = yield from follower.to_its_end(plan)
        if decision:
            follower.admitted(charges, None, offline=not follower.answered)
        else:
            follower.refused(decision.limit, decision.retry_after)
        return decision

    def settle(
        self,
        plan: Plan[None],
        scope: Scope,
        policy: Policy,
        booked: Sequence[int],
        actual: Sequence[int],
    ) -> Plan[None]:
        """Follow a settlement; one that changes no unit is no event."""
        yield from _Follower(self, scope, policy).follow(plan)
        before, after = by_unit(policy, booked), by_unit(policy, actual)
        if before != after:
            self.tell(Settled(scope.display, policy.account, before, after))

    def cool_down(
        self, plan: Plan[None], scope: Scope, policy: Policy, seconds: float
    ) -> Plan[None]:
        """Follow a cool-down."""
        yield from _Follower(self, scope, policy).follow(plan)
        self.tell(CooledDown(scope.display, policy.account, seconds))

    def other(self, plan: Plan[T], scope: Scope, policy: Policy) -> Plan[T]:
        """Follow whatever else asks the store."""
        return (yield from _Follower(self, scope, policy).follow(plan))

    def tell(self, event: Event) -> None:
        """Call the handler."""
        try:
            self._handler(event)
        except Exception:  # noqa: BLE001 -- theirs, whatever it is
            # Whoever only looks on must not break a call. Once: it may be every call.
            if not self._complained:
                self._complained = True
                _log.exception("on_event= raised; further errors of it are not told")

    def repaid(self, scope: Scope, policy: Policy, units: Sequence[int]) -> None:
        """Tell what was charged after an outage."""
        # Of two limits of a unit one may have forgotten already what the other has not.
        most: dict[str, int] = {}
        for limit, amount in zip(policy.limits, units, strict=True):
            if not isinstance(limit, Concurrency):
                most[limit.unit] = max(amount, most.get(limit.unit, 0))
        self.tell(Repaid(scope.display, policy.account, most))

    def attend(self, store: Store) -> None:
        """Time the calls of a store that has none yet."""
        store.begin = partial(Timed, self._called)

    def _called(self, op: str, seconds: float, code: str | None) -> None:
        self.tell(Called("", "", op, seconds, code))

    def upstream(self, scope: Scope, policy: Policy, status: int) -> None:
        """Tell that the provider answered."""
        self.tell(Answered(scope.display, policy.account, status))

    def answered(self, scope: Scope, policy: Policy) -> None:
        """Note that the store answered."""
        if self._gone_since is None:
            return
        with self._lock:
            since, self._gone_since = self._gone_since, None
        if since is not None:
            seconds = time.monotonic() - since
            self.tell(OutageEnded(scope.display, policy.account, seconds))

    def missed(self, scope: Scope, policy: Policy, error: StoreUnavailable) -> None:
        """Note that the store is not there."""
        with self._lock:
            known = self._gone_since is not None
            if not known:
                self._gone_since = time.monotonic()
        if not known:
            self.tell(OutageBegan(scope.display, policy.account, error.code))


class _Follower:
    """
    Sees the effects of one plan, and what came of them.

    Attributes:
        answered: Whether the store has answered that it may go, or may not.
    """

    def __init__(self, watch: Watch, scope: Scope, policy: Policy) -> None:
        self._watch = watch
        self._scope = scope
        self._policy = policy
        self._who = (scope.display, policy.account)
        self._begun = time.monotonic()
        self._queued = False
        self._asked = False  # whether it has asked for a turn
        self._gave_back = False  # whether it gave one back since
        self._limit: str | None = None  # what made it wait
        self.answered = False

    def to_its_end(self, plan: Plan[T]) -> Plan[T]:
        """Follow a plan that asks for a turn, and tell how it failed if it does."""
        try:
            return (yield from self.follow(plan))
        except RateLimitExceeded as error:
            self.refused(error.decision.limit, error.decision.retry_after)
            raise
        except CostTooLarge:
            self.refused(None, inf)
            raise
        except StoreError as error:
            self._watch.tell(Failed(*self._who, *self._end(), error.code))
            raise
        except BaseException:
            self._watch.tell(Abandoned(*self._who, *self._end()))
            raise

    def follow(self, plan: Plan[T]) -> Plan[T]:
        """Pass effects and replies on, and look at them."""
        step: Any = plan.send
        value: Any = None
        try:
            while True:
                effect = step(value)
                self._before(effect)
                try:
                    value, step = (yield effect), plan.send
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                    value, step = error, plan.throw
                self._after(effect, value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # the plan's own type
        finally:
            plan.close()

    def admitted(
        self, charges: Sequence[int], waited: float | None, *, offline: bool
    ) -> None:
        """Tell that the call may be made."""
        units = by_unit(self._policy, charges)
        seconds, queued = self._end()
        waited = seconds if waited is None else waited
        why = None if offline else self._limit
        self._watch.tell(Admitted(*self._who, waited, queued, units, offline, why))

    def refused(self, limit: str | None, retry_after: float) -> None:
        """Tell that it may not."""
        self._watch.tell(Refused(*self._who, *self._end(), limit, retry_after))

    def _end(self) -> tuple[float, bool]:
        return time.monotonic() - self._begun, self._queued

    def _before(self, effect: Effect) -> None:
        if isinstance(effect, Sleep | Wait):
            if not self._queued and effect.seconds > _BRIEF:
                self._queued = True
                self._watch.tell(Waiting(*self._who))
        elif isinstance(effect, Ask):
            if self._gave_back:
                self._watch.tell(Rebooked(*self._who))
            self._asked, self._gave_back = True, False
        elif isinstance(effect, Telling):
            self._gave_back = False  # of a store that knew nothing: no turn was lost
        elif isinstance(effect, Call) and effect.script == "settle":
            # Before it asks, a plan may give back what an older call had charged.
            self._gave_back = self._asked

    def _after(self, effect: Effect, value: Any) -> None:
        if not isinstance(effect, Ask | Call) or value is None:
            return
        if isinstance(value, StoreUnavailable):
            self._watch.missed(self._scope, self._policy, value)
        elif not isinstance(value, BaseException):
            self._watch.answered(self._scope, self._policy)
            self.answered |= isinstance(effect, Ask)
            if isinstance(value, Answer):
                self._limit = value.cause or self._limit
            if _replayed(value):
                self._watch.tell(Replayed(*self._who))
            if isinstance(effect, Telling) and value[:1] == [DECIDED]:
                told = restored(effect.limits, value)
                self._watch.tell(Healed(*self._who, told, effect.remembered))


def _replayed(value: Any) -> bool:
    if isinstance(value, Answer):
        return value.replayed
    return isinstance(value, list) and value[:1] == [AGAIN]


def by_unit(policy: Policy, amounts: Sequence[int]) -> dict[str, int]:
    """Return amounts per limit as amounts by unit, calls at a time left out."""
    pairs = zip(policy.limits, amounts, strict=True)
    return {
        limit.unit: units
        for limit, units in pairs
        if not isinstance(limit, Concurrency)
    }
