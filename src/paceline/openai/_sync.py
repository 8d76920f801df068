"""Drive the plan of a call on a blocking HTTP client. The twin of ``_aio``."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

from ._effects import Close, Enter, Now, Plan, Post, Read, Send, Sleep, Tap, Watch
from ._pooled import call
from ._poster import poster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from paceline import Permit

    from ._site import Site


def hook(site: Site, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of an HTTP client's send."""

    def send(request: Any, **options: Any) -> Any:
        return drive(call(site, request, options), inner)

    return send


def drive(plan: Plan[Any], inner: Callable[..., Any]) -> Any:
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
                value, step = perform(effect, inner), plan.send
            except BaseException as error:  # noqa: BLE001 -- the plan raises it again
                value, step = error, plan.throw
    except StopIteration as stop:
        return stop.value
    finally:
        plan.close()
        # Somebody's traceback may keep this frame; it must not keep the answer, which
        # is to be found by the collector if it falls.
        value = effect = None


def perform(  # noqa: PLR0911 -- one per effect
    effect: Any, inner: Callable[..., Any]
) -> Any:
    """Do what a plan asks for."""
    if isinstance(effect, Enter):
        return enter(effect)
    if isinstance(effect, Send):
        return inner(effect.request, **effect.options)
    if isinstance(effect, Post):
        return post(effect.permit, effect.cost)
    if isinstance(effect, Sleep):
        return time.sleep(effect.seconds)
    if isinstance(effect, Read):
        return effect.response.read()
    if isinstance(effect, Close):
        return close(effect.response)
    if isinstance(effect, Watch):
        return watch(effect.response, effect.tap)
    return verb(effect)(*effect.args, **effect.options)


def watch(response: Any, tap: Tap) -> Any:
    """Let *tap* see the bytes of a response as they are read, and post at their end."""
    read, close_inner = response.iter_bytes, response.close
    pulling = False

    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        nonlocal pulling
        source = read(chunk_size)
        try:
            while True:
                pulling = True
                try:
                    chunk = next(source, None)
                finally:
                    pulling = False
                if chunk is None:
                    break
                if shown := tap.feed(chunk):
                    yield shown
            if rest := tap.rest():
                yield rest
        except GeneratorExit:
            abandon(tap)
            raise
        except BaseException:
            finish(tap)
            raise
        finish(tap)

    def close() -> None:
        try:
            close_inner()
        finally:
            # Reading to the end closes too; then the rest is still to be looked at.
            if not pulling:
                abandon(tap)

    ready()
    response.iter_bytes, response.close = iter_bytes, close
    # Who lets a stream fall without closing it is found out when it is collected.
    weakref.finalize(response, poster.hand_over, tap).atexit = False
    return response


def finish(tap: Tap) -> None:
    """Post what an answer used, unless that was done."""
    poster.post(tap)


def abandon(tap: Tap) -> None:
    """
    Post what a half-read answer used.

    From a thread of its own: a garbage collection may close a stream at any moment, in
    the middle of the limiter's own work and with its locks held.
    """
    poster.hand_over(tap, patience=0.2)


def ready() -> None:
    """See to it that the thread is there before a garbage collection needs it."""
    poster.start()


def post(permit: Permit, cost: Mapping[str, int]) -> None:
    """Post a cost."""
    permit.settle(cost)


def close(response: Any) -> None:
    """Close an answer."""
    response.close()


def enter(effect: Enter) -> Permit:
    """Wait for a permit."""
    return effect.reservation.__enter__().permit


def verb(effect: Any) -> Callable[..., Any]:
    """Find the verb."""
    found: Callable[..., Any] = getattr(effect.owner, effect.name)
    return found
