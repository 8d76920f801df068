"""Run plans on a blocking store. The twin of ``_aio``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from ._calls import Call
from ._effects import Ask, Effect, Enter, Now, Plan, Sleep, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stores import SyncStore

T = TypeVar("T")


def run(plan: Plan[T], store: SyncStore) -> T:
    """Drive *plan* to its end. What goes wrong is thrown into the plan, to decide."""
    step: Callable[[Any], Effect] = plan.send
    value: Any = None
    try:
        while True:
            effect = step(value)
            try:
                value, step = _perform(effect, store), plan.send
            except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                value, step = error, plan.throw
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the plan's own type
    finally:
        plan.close()


def _perform(effect: Effect, store: SyncStore) -> Any:
    if isinstance(effect, Ask | Call):
        return _call(effect, store)
    if isinstance(effect, Now):
        return time.monotonic()
    if isinstance(effect, Sleep):
        return time.sleep(effect.seconds)
    if isinstance(effect, Wait):
        return effect.ticket.wait(effect.seconds)
    if isinstance(effect, Enter):
        return store.lines.enter(effect.scope, effect.line, ahead=effect.ahead)
    return store.lines.stir(effect.scope)


def _call(call: Ask | Call, store: SyncStore) -> Any:
    if isinstance(call, Ask):
        return store.counter.ask(call)
    asked = time.monotonic()
    if call.needless is None:
        return store.call(call, asked)
    with store.queue(call.key):
        if call.needless():
            return None
        return store.call(call, asked)
