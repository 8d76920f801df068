"""Drive the plan of a call on an asyncio HTTP client. The twin of ``_sync``."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

import anyio

from ._effects import Close, Enter, Now, Plan, Post, Read, Send, Sleep, Tap, Watch
from ._pooled import call
from ._poster import poster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from paceline import Permit

    from ._site import Site

_log = logging.getLogger("paceline")


def hook(site: Site, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of an HTTP client's send."""

    async def send(request: Any, **options: Any) -> Any:
        return await drive(call(site, request, options), inner)

    return send


async def drive(plan: Plan[Any], inner: Callable[..., Any]) -> Any:
    """Drive *plan* to its end. What goes wrong is thrown into the plan, to decide."""
    step: Callable[[Any], Any] = plan.send
    value: Any = None
    try:
        while True:
            effect = step(value)
            if type(effect) is Now:  # asked for most often, and cannot fail
                value, step = time.monotonic(), plan.send
                continue
            try:
                value, step = await perform(effect, inner), plan.send
            except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                value, step = error, plan.throw
    except StopIteration as stop:
        return stop.value
    finally:
        plan.close()
        # Somebody's traceback may keep this frame; it must not keep the answer, which
        # is to be found by the collector if it falls.
        value = effect = None


async def perform(  # noqa: PLR0911 -- one per effect
    effect: Any, inner: Callable[..., Any]
) -> Any:
    """Do what a plan asks for."""
    if isinstance(effect, Enter):
        return await enter(effect)
    if isinstance(effect, Send):
        return await inner(effect.request, **effect.options)
    if isinstance(effect, Post):
        return await post(effect.permit, effect.cost)
    if isinstance(effect, Sleep):
        return await asyncio.sleep(effect.seconds)
    if isinstance(effect, Read):
        return await effect.response.aread()
    if isinstance(effect, Close):
        return await close(effect.response)
    if isinstance(effect, Watch):
        return watch(effect.response, effect.tap)
    return await verb(effect)(*effect.args, **effect.options)


def watch(response: Any, tap: Tap) -> Any:
    """Let *tap* see the bytes of a response as they are read, and post at their end."""
    read, close_inner = response.aiter_bytes, response.aclose
    pulling = False

    async def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        nonlocal pulling
        source = read(chunk_size)
        try:
            while True:
                pulling = True
                try:
                    chunk = await anext(source, None)
                finally:
                    pulling = False
                if chunk is None:
                    break
                if shown := tap.feed(chunk):
                    yield shown
            if rest := tap.rest():
                yield rest
        except GeneratorExit:
            await abandon(tap)
            raise
        except BaseException:
            await finish(tap)
            raise
        await finish(tap)

    async def aclose() -> None:
        try:
            await close_inner()
        finally:
            # Reading to the end closes too; then the rest is still to be looked at.
            if not pulling:
                await abandon(tap)

    ready()
    response.aiter_bytes, response.aclose = aiter_bytes, aclose
    # Who lets a stream fall without closing it is found out when it is collected.
    weakref.finalize(response, poster.hand_over, tap).atexit = False
    return response


async def finish(tap: Tap) -> None:
    """Post what an answer used, unless that was done."""
    cost = tap.claim()
    if cost is not None:
        try:
            await post(tap.permit, cost)
        except Exception as failure:  # noqa: BLE001 -- the answer is there
            _log.warning("a true cost was not posted, the estimate stays: %s", failure)


async def abandon(tap: Tap) -> None:
    """Post what a half-read answer used. The event loop closes what is collected."""
    await finish(tap)


def ready() -> None:
    """See to it that the thread is there before a garbage collection needs it."""
    poster.start()


async def post(permit: Permit, cost: Mapping[str, int]) -> None:
    """Post a cost. A cancel scope would cancel this again, and again."""
    if not permit.would_ask(cost):
        await permit.settle_async(cost)  # at once
        return
    with anyio.CancelScope(shield=True):
        await permit.settle_async(cost)


async def close(response: Any) -> None:
    """Close an answer."""
    with anyio.CancelScope(shield=True):
        await response.aclose()


async def enter(effect: Enter) -> Permit:
    """Wait for a permit."""
    return (await effect.reservation.__aenter__()).permit


def verb(effect: Any) -> Callable[..., Any]:
    """Find the verb."""
    found: Callable[..., Any] = getattr(effect.owner, f"{effect.name}_async")
    return found
