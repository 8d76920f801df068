"""
Calls of one event loop that need no task each, as long as nothing goes wrong.

A call is sent from a callback and its reply comes to a callback. A task sees to it only
if there is no connection yet, the script is not known, or the reply is lost.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import NoScriptError

from .._errors import StoreError
from .._script import load
from .._unheard import unheard_of
from ._pack import pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._calls import Call
    from .._unheard import Unheard
    from ._link import Link, Waiter
    from ._sending import Sending

Fault: TypeAlias = BaseException | None


class Posts:
    """
    Sends calls for waiters.

    Args:
        begin: Notes that a call begins; raises a StoreError if that is of no use.

        answered: Notes that the store answered.

        link: Returns the open connection of a key, if there is one.

        see_through: Sends a call until it is answered, or goes on where it failed.
    """

    def __init__(
        self,
        begin: Callable[[Call, float], Sending],
        answered: Callable[[], None],
        link: Callable[[str], Link | None],
        see_through: Callable[[Call, Sending, BaseException | None], Awaitable[Any]],
    ) -> None:
        self._begin = begin
        self.heard: Callable[[], None] = answered
        self._link = link
        self._see_through = see_through
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, call: Call, waiter: Waiter) -> None:
        """Start a call; the waiter is told how it ended."""
        try:
            sending = self._begin(call, time.monotonic())
        except StoreError as error:
            waiter.failed(error)
            return
        link = self._link(call.key)
        if link is None:
            self.see_to(call, sending, None, waiter)
            return
        command = ("EVALSHA", load(call.script).sha, 1, call.key)
        packed = pack((*command, *call.on(sending.lane)))
        posted = _Posted(self, call, sending, waiter)
        link.send(packed, posted, sending.until)

    def see_to(
        self,
        call: Call,
        sending: Sending,
        failure: BaseException | None,
        waiter: Waiter,
    ) -> None:
        """Let a task see a call through."""
        task = asyncio.ensure_future(self._see(call, sending, failure, waiter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see(
        self,
        call: Call,
        sending: Sending,
        failure: BaseException | None,
        waiter: Waiter,
    ) -> None:
        try:
            reply = await self._see_through(call, sending, failure)
        except BaseException as error:  # noqa: BLE001 -- the waiter's
            waiter.failed(error)
        else:
            waiter.answered(reply)


async def see_finished(task: asyncio.Future[Any]) -> Unheard | None:
    """
    Wait for a call, whatever befalls the waiter; its own timeouts bound it.

    Returns the call if it may have been carried out and nobody knows.
    """
    while not task.done():
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.shield(task)
    if task.cancelled():
        return None
    return unheard_of(task.exception())


class _Posted:
    """Waits for the reply of a call that was sent."""

    __slots__ = ("_call", "_posts", "_sending", "_waiter")

    def __init__(
        self, posts: Posts, call: Call, sending: Sending, waiter: Waiter
    ) -> None:
        self._posts = posts
        self._call = call
        self._sending = sending
        self._waiter = waiter

    def answered(self, reply: Any) -> None:
        self._sending.answered()
        self._posts.heard()
        self._waiter.answered(reply)

    def failed(self, error: BaseException) -> None:
        # A script that is not known was not run.
        failure = None if isinstance(error, NoScriptError) else error
        self._posts.see_to(self._call, self._sending, failure, self._waiter)
