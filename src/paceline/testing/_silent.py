"""What stand-ins do instead of talking to other processes: nothing, or pass it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._facts import Fact, Known
    from .._key import Key
    from .._limiter import RateLimiter
    from .._limits import Limit


class Silent:
    """The verbs for what processes do together, where there is no store."""

    def exchange(
        self,
        key: Key | str,  # noqa: ARG002 -- nobody hears it
        facts: Sequence[Fact] = (),  # noqa: ARG002 -- as above
    ) -> Mapping[str, Known]:
        """Tell nobody, and hear nothing."""
        return {}

    async def exchange_async(
        self, key: Key | str, facts: Sequence[Fact] = ()
    ) -> Mapping[str, Known]:
        """Tell nobody, and hear nothing."""
        return self.exchange(key, facts)

    def introduce(
        self,
        key: Key | str,  # noqa: ARG002 -- as above
        found: Sequence[tuple[Limit, int]],  # noqa: ARG002 -- as above
    ) -> Sequence[Fact]:
        """Learn nothing: there is no store to share it."""
        return ()

    async def introduce_async(
        self, key: Key | str, found: Sequence[tuple[Limit, int]]
    ) -> Sequence[Fact]:
        """Learn nothing: there is no store to share it."""
        return self.introduce(key, found)

    def space(self, key: Key | str, seconds: float, timeout: float | None) -> None:
        """Let the call go at once."""

    async def space_async(
        self, key: Key | str, seconds: float, timeout: float | None
    ) -> None:
        """Let the call go at once."""

    def cooled(self, key: Key | str) -> float:  # noqa: ARG002
        """Return that nothing cools down."""
        return 0.0

    def corrected(self) -> int:
        """Return that no limit is ever corrected by a provider."""
        return 0

    def own_limits(self, key: Key | str) -> tuple[Limit, ...]:  # noqa: ARG002
        """Return none: there is no account that could be corrected."""
        return ()

    def answered(self, key: Key | str, status: int) -> None:
        """Tell nobody: there is no handler of events."""


class Passing:
    """The verbs for what processes do together, of a limiter that passes all on."""

    _inner: RateLimiter

    def exchange(
        self, key: Key | str, facts: Sequence[Fact] = ()
    ) -> Mapping[str, Known]:
        """Pass on. No limit is charged, so nothing is noted."""
        return self._inner.exchange(key, facts)

    async def exchange_async(
        self, key: Key | str, facts: Sequence[Fact] = ()
    ) -> Mapping[str, Known]:
        """Pass on. No limit is charged, so nothing is noted."""
        return await self._inner.exchange_async(key, facts)

    def introduce(
        self, key: Key | str, found: Sequence[tuple[Limit, int]]
    ) -> Sequence[Fact]:
        """Pass on. It is nobody's call, so nothing is noted."""
        return self._inner.introduce(key, found)

    async def introduce_async(
        self, key: Key | str, found: Sequence[tuple[Limit, int]]
    ) -> Sequence[Fact]:
        """Pass on. It is nobody's call, so nothing is noted."""
        return await self._inner.introduce_async(key, found)

    def space(self, key: Key | str, seconds: float, timeout: float | None) -> None:
        """Pass on. No limit is charged, so nothing is noted."""
        self._inner.space(key, seconds, timeout)

    async def space_async(
        self, key: Key | str, seconds: float, timeout: float | None
    ) -> None:
        """Pass on. No limit is charged, so nothing is noted."""
        await self._inner.space_async(key, seconds, timeout)

    def cooled(self, key: Key | str) -> float:
        """Pass on."""
        return self._inner.cooled(key)

    def corrected(self) -> int:
        """Pass on."""
        return self._inner.corrected()

    def own_limits(self, key: Key | str) -> tuple[Limit, ...]:
        """Pass on."""
        return self._inner.own_limits(key)

    def answered(self, key: Key | str, status: int) -> None:
        """Pass on."""
        self._inner.answered(key, status)
