"""
From a URL or a client object to something that can call a script.

Nothing here imports a client until the first call: importing the package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from .._almanac import Almanac
    from .._calls import Call, Request, Scope
    from .._effects import Ask, Ticket
    from .._reply import Answer
    from ._breaker import Breaker
    from ._sending import Begin


class Lines(Protocol):
    """Keeps waiters first come, first served; the tickets fit the driver."""

    def enter(self, scope: str, line: str, *, ahead: bool) -> Ticket:
        """Return a place at the end of a line, or right behind who is first."""

    def stir(self, scope: str) -> None:
        """Wake who is first in each line of a scope: there may be room."""


class SyncCounter(Protocol):
    """Serves callers who ask at the same time with one call."""

    def ask(self, ask: Ask) -> Answer:
        """Return the answer."""


class Batch(Protocol):
    """
    Callers who share a call.

    Attributes:
        answers: What each was told, in their order.

        note: For whoever deals with the answers.
    """

    answers: list[Answer]
    note: Any

    def tell(self, error: BaseException, future: Any) -> Awaitable[None]:
        """Let the error of who is cancelled say what came of it."""


class AsyncCounter(Protocol):
    """Serves callers who ask at the same time with one call."""

    def ask(self, ask: Ask) -> Awaitable[Answer]:
        """Return the answer."""

    def join(self, ask: Ask) -> tuple[Batch, Awaitable[Answer]]:
        """
        Take part in the next call.

        Returns the batch, and what to await; who is cancelled meanwhile lets the batch
        tell the error what came of it.
        """


class Direct(Protocol):
    """The short way of a blocking call, if all is as usual."""

    def is_crowded(self, key: str) -> bool:
        """Tell whether so many ask for a scope that sharing a call is better."""

    def ask(
        self, almanac: Almanac, scope: Scope, request: Request, until: float
    ) -> Answer | None:
        """
        Return the answer; None if it takes the long way, and nothing was charged.

        Args:
            until: The moment of the monotonic clock at which the caller gives up.

        Raises:
            StoreError: If the reply was lost, and asking for it again failed.
        """


class SyncStore(Protocol):
    """
    Calls scripts and blocks until they answer.

    Attributes:
        client: The client underneath, for an operator's questions.

        where: The store's address, for people: no password.
    """

    client: Any
    where: str

    @property
    def place(self) -> str:
        """Where calls go now: the address, or a server that others name."""

    @property
    def direct(self) -> Direct | None:
        """The short way, if the store has one."""

    def call(self, call: Call, asked: float) -> Any:
        """
        Call a script for somebody who asked at a moment of the monotonic clock.

        Who asked before the store was found gone fails with that finding: callers who
        queued meanwhile do not time out one after another.

        A call whose reply is lost is sent again, for a while, on its lane; the
        StoreUnavailable that ends this tells of it (``_unheard``).

        Raises:
            StoreError: If the store refused, or (StoreUnavailable) was not there.
        """

    def queue(self, key: str) -> AbstractContextManager[object]:
        """Return the lock that keeps this process's callers of a key in order."""

    @property
    def lines(self) -> Lines:
        """Lines of waiters in this process."""

    @property
    def counter(self) -> SyncCounter:
        """Where callers who ask at the same time meet."""


class AsyncStore(Protocol):
    """
    Calls scripts on one event loop.

    A caller that is cancelled while its call is under way sees the call finished first;
    the CancelledError tells of it (``_unheard``) if nobody knows what came of it.
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

    @property
    def lines(self) -> Lines:
        """Lines of waiters in this loop."""

    @property
    def counter(self) -> AsyncCounter:
        """Where callers who ask at the same time meet."""


class Store(Protocol):
    """
    Hands out the two kinds, remade for each process and event loop.

    Attributes:
        begin: How a call begins; to be set before the first one.
    """

    begin: Begin

    @property
    def breaker(self) -> Breaker:
        """Whether the store is there, as this process found out."""

    def sync(self) -> SyncStore:
        """Return the blocking store of this process."""

    def aio(self) -> AsyncStore:
        """Return the store of the running event loop."""

    def close(self) -> None:
        """Close the connections of the blocking store."""

    async def aclose(self) -> None:
        """Close all connections of the running event loop, and the blocking ones."""
