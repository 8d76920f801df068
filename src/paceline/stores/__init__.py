"""
From a URL or a client object to something that can call a script.

Nothing here imports a client until the first call: importing the package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from .._wire import Call


class SyncStore(Protocol):
    """Calls scripts and blocks until they answer."""

    def call(self, call: Call, asked: float) -> Any:
        """
        Call a script for somebody who asked at a moment of the monotonic clock.

        Who asked before the store was found gone fails with that finding: callers who
        queued meanwhile do not time out one after another.

        Raises:
            StoreError: If the store refused, or (StoreUnavailable) was not there.
        """

    def queue(self, key: str) -> AbstractContextManager[object]:
        """Return the lock that keeps this process's callers of a key in order."""


class AsyncStore(Protocol):
    """
    Calls scripts on one event loop.

    A caller that is cancelled while its call is under way sees the call finished first;
    the reply is then the ``reply`` attribute of the CancelledError.
    """

    def call(self, call: Call, asked: float) -> Awaitable[Any]:
        """
        Call a script for somebody who asked at a moment of the monotonic clock.

        As of :meth:`SyncStore.call`.

        Raises:
            StoreError: If the store refused, or (StoreUnavailable) was not there.
        """

    def queue(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return the lock that keeps this loop's callers of a key in order."""


class Store(Protocol):
    """Hands out the two kinds, remade for each process and event loop."""

    def sync(self) -> SyncStore:
        """Return the blocking store of this process."""

    def aio(self) -> AsyncStore:
        """Return the store of the running event loop."""

    def close(self) -> None:
        """Close the connections of the blocking store."""

    async def aclose(self) -> None:
        """Close all connections of the running event loop, and the blocking ones."""
