"""
The short way of an ask, if all is as usual: no plan, no batch, one round trip.

Whatever is not as usual is left to the plans, which hold all decisions.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from . import _plans, _sync
from ._effects import Ask
from ._errors import StoreError
from ._sight import is_lost

if TYPE_CHECKING:
    from ._calls import Request, Scope
    from ._desk import Desk
    from ._reply import Answer
    from .stores import AsyncStore, SyncStore


def ask(
    desk: Desk, store: SyncStore, scope: Scope, request: Request
) -> Answer | StoreError | None:
    """
    Ask once.

    Returns the answer, or what a plan must be told in place of one; None if a plan must
    ask, and nothing is charged.
    """
    policy = request.policy
    before = desk.seen.get((scope.key, policy.account))
    # Who has not met the account yet, or owes something, has more to do than to ask.
    if before is None or desk.owed or store.direct is None:
        return None
    try:
        answer = store.direct.ask(desk.almanac, scope, request)
    except StoreError as error:
        return error
    except BaseException as error:
        desk.owe(error, scope)
        raise
    if answer is None or answer.never:
        return None
    if is_lost(before[0], answer) or answer.replayed:
        if answer.booking is not None:
            _sync.run(_plans.cancel(desk, scope, policy, answer.booking), store)
        return None
    desk.hear(scope, monotonic(), policy, answer)
    return answer


async def ask_async(
    desk: Desk, store: AsyncStore, scope: Scope, request: Request
) -> Answer | BaseException | None:
    """
    Ask once, with all who ask in this iteration of the loop.

    Returns as of :func:`ask`.
    """
    policy = request.policy
    before = desk.seen.get((scope.key, policy.account))
    if before is None or desk.owed:
        return None
    batch, future = store.counter.join(Ask(desk.almanac, scope, request, inf))
    try:
        answer = await future
    except Exception as error:  # noqa: BLE001 -- the plan's
        return error
    except BaseException as error:  # noqa: BLE001 -- the plan raises it again
        await batch.tell(error, future)
        return error
    if batch.note is not policy:
        if is_lost(before[0], answer) or answer.replayed:
            if answer.booking is not None:
                from . import _aio  # noqa: PLC0415 -- asyncio is not everybody's

                plan = _plans.cancel(desk, scope, policy, answer.booking)
                await _aio.run(plan, store)
            return None
        # All who share a call hear the same of the account.
        now = monotonic()
        desk.hear(scope, now, policy, answer)
        last = next(each for each in reversed(batch.answers) if each.is_of(policy))
        desk.keep(scope, (last.alone(), now, policy))
        batch.note = policy
    return None if answer.never else answer
