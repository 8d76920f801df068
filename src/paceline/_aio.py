"""Run plans on an asyncio store. The twin of ``_sync``, await by await."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ._calls import Call
from ._effects import Ask, Effect, Enter, Now, Plan, Sleep, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stores import AsyncStore

T = TypeVar("T")


async def run(plan: Plan[T], store: AsyncStore) -> T:
    """Drive *plan* to its end. What goes wrong is thrown into the plan, to decide."""
    step: Callable[[Any], Effect] = plan.send
    value: Any = None
    try:
        while True:
            effect = step(value)
            try:
                value, step = await _perform(effect, store), plan.send
            except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                value, step = error, plan.throw
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the plan's own type
    finally:
        plan.close()


async def _perform(effect: Effect, store: AsyncStore) -> Any:
    if isinstance(effect, Ask | Call):
        return await _call(effect, store)
    if isinstance(effect, Now):
        return time.monotonic()
    if isinstance(effect, Sleep):
        return await asyncio.sleep(effect.seconds)
    if isinstance(effect, Wait):
        return await effect.ticket.wait(effect.seconds)
    if isinstance(effect, Enter):
        return store.lines.enter(effect.scope, effect.line, ahead=effect.ahead)
    return store.lines.stir(effect.scope)


async def _call(call: Ask | Call, store: AsyncStore) -> Any:
    if isinstance(call, Ask):
        return await store.counter.ask(call)
    asked = time.monotonic()
    if call.needless is None:
        return await store.call(call, asked)
    async with store.queue(call.key):
        if call.needless():
            return None
        return await store.call(call, asked)
