"""The end of a limiter: closed by hand, or by leaving a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from ._engine import Engine


class Closing:
    """A context manager, sync and async, that closes its engine."""

    _engine: Engine

    def close(self) -> None:
        """Close the connections. New calls raise; a booked turn still comes."""
        self._engine.close()

    async def aclose(self) -> None:
        """Close the connections, those of the running event loop included."""
        await self._engine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
