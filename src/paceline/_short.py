"""
The short way of an ask, if all is as usual: no plan, no batch, one round trip.

Whatever is not as usual is left to the plans, which hold all decisions.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import _plans, _sync
from ._errors import StoreError
from ._sight import is_lost

if TYPE_CHECKING:
    from ._calls import Request, Scope
    from ._desk import Desk
    from ._reply import Answer
    from .stores import SyncStore


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
    desk.hear(scope, time.monotonic(), policy, answer)
    return answer
