"""
The short way of an ask, if all is as usual: no plan, no batch, one round trip.

Whatever is not as usual is left to the plans, which hold all decisions.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from . import _postings, _sync
from ._caller import Begun, span_us
from ._effects import Ask
from ._errors import StoreError
from ._reply import Answer
from ._sight import is_lost, remains

if TYPE_CHECKING:
    from ._caller import Caller
    from ._calls import Request, Scope
    from ._desk import Desk
    from ._effects import Plan, Ticket
    from ._sight import Sight
    from .stores import AsyncStore, Lines, SyncStore

# By so many microseconds the time for which turns may be used late is rounded up: most
# callers then ask alike.
_STEP_US = 1_000


def ask(
    desk: Desk, store: SyncStore, scope: Scope, request: Request, until: float = inf
) -> Answer | StoreError | None:
    """
    Ask once.

    Returns the answer, or what a plan must be told in place of one; None if a plan must
    ask, and nothing is charged.
    """
    policy = request.policy
    before = desk.seen.get((scope.key, policy.account))
    # Who may have to tell that nobody knows the account, or owes something, has more to
    # do than to ask.
    if (before is None and desk.cautious) or desk.owed or store.direct is None:
        return None
    answer: Answer | None
    try:
        if store.direct.is_crowded(scope.key):
            # Many threads want the same: one call serves those who come now.
            answer = store.counter.ask(Ask(desk.almanac, scope, request, until))
        else:
            answer = store.direct.ask(desk.almanac, scope, request, until)
    except BaseException as error:
        _sync.run(_postings.interrupted(desk, scope, policy, error), store)
        if isinstance(error, StoreError):
            return error
        raise
    if answer is None or answer.never:
        return None
    if _is_strange(desk, scope, before, answer):
        if answer.booking is not None:
            _sync.run(_postings.cancel(desk, scope, policy, answer.booking), store)
        return None
    desk.hear(scope, monotonic(), policy, answer)
    return answer


async def ask_async(
    desk: Desk, store: AsyncStore, scope: Scope, request: Request, until: float = inf
) -> Answer | StoreError | None:
    """
    Ask once, with all who ask in this iteration of the loop.

    Returns as of :func:`ask`.
    """
    policy = request.policy
    before = desk.seen.get((scope.key, policy.account))
    if (before is None and desk.cautious) or desk.owed:
        return None
    batch, future = store.counter.join(Ask(desk.almanac, scope, request, until))
    try:
        answer = await future
    except BaseException as error:
        await batch.tell(error, future)
        await _run(_postings.interrupted(desk, scope, policy, error), store)
        if isinstance(error, StoreError):
            return error
        raise
    if batch.note is not policy:
        if _is_strange(desk, scope, before, answer):
            if answer.booking is not None:
                plan = _postings.cancel(desk, scope, policy, answer.booking)
                await _run(plan, store)
            return None
        # All who share a call hear the same of the account.
        now = monotonic()
        desk.listen(scope, policy, now, answer.cool_us)
        desk.compare(scope, policy, answer)
        last = next(each for each in reversed(batch.answers) if each.is_of(policy))
        desk.keep(scope, (last.alone(), now, policy))
        batch.note = policy
    return None if answer.never else answer


def _is_strange(desk: Desk, scope: Scope, before: Sight | None, answer: Answer) -> bool:
    """Tell whether an answer came late, or from a store that has lost its data."""
    if answer.replayed:
        return True
    if before is None or not is_lost(before[0], answer):
        return False
    # An account that nobody used for a while has expired: nothing of it is lost.
    wider = desk.seen.get((scope.key, None))
    return bool(remains(before, answer, monotonic(), wider))


async def _run(plan: Plan[None], store: AsyncStore) -> None:
    from . import _aio  # noqa: PLC0415 -- asyncio is not everybody's

    await _aio.run(plan, store)


def enter(lines: Lines, caller: Caller) -> Ticket | None:
    """Take a caller's place in its line, if it has one; whoever enters must leave."""
    if not caller.lines_up:
        return None
    return lines.enter(caller.scope.key, caller.line, ahead=False)


def begin(desk: Desk, store: SyncStore, caller: Caller, ticket: Ticket | None) -> Begun:
    """Ask for a turn, if it is the caller's moment to ask."""
    span, request = _first(desk, caller, ticket)
    found = None
    if request is not None:
        found = ask(desk, store, caller.scope, request, caller.gives_up)
    return _begun(caller, span, ticket, found)


async def begin_async(
    desk: Desk, store: AsyncStore, caller: Caller, ticket: Ticket | None
) -> Begun:
    """Do as :func:`begin` does, on the running event loop."""
    span, request = _first(desk, caller, ticket)
    found = None
    if request is not None:
        found = await ask_async(desk, store, caller.scope, request, caller.gives_up)
    return _begun(caller, span, ticket, found)


def _first(
    desk: Desk, caller: Caller, ticket: Ticket | None
) -> tuple[int, Request | None]:
    span = -(-span_us(desk, caller) // _STEP_US) * _STEP_US
    if ticket is None:
        return span, caller.first_request(span, leads=True)
    if not ticket.first:
        return span, None
    return span, caller.first_request(span, leads=ticket.leads)


def _begun(
    caller: Caller, span: int, ticket: Ticket | None, found: Answer | StoreError | None
) -> Begun:
    if isinstance(found, StoreError):
        return Begun(caller.start, span, ticket, None, found)
    return Begun(caller.start, span, ticket, found)
