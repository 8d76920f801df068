"""
A rate limiter for LangChain's chat models, shared between processes.

For example::

    from paceline.langchain import ChatRateLimiter

    model = ChatOpenAI(model="gpt-4o", rate_limiter=ChatRateLimiter(limiter, "team-a"))

LangChain's limiters see neither the request nor its answer, so each call has a cost
that is fixed beforehand. Where the model is OpenAI's, ``paceline.openai.limit`` sees
both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._key import as_key
from ._options import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._key import Key
    from ._limiter import RateLimiter

__all__ = ["ChatRateLimiter"]


class ChatRateLimiter:
    """
    What LangChain's chat models take as their ``rate_limiter``.

    It counts as a ``langchain_core.rate_limiters.BaseRateLimiter``, if that can be
    imported when it is made, without being derived from it.

    Args:
        limiter: Whose limits apply.

        key: Whose quota it is; a plain string is a scope.

        cost: Of each call: units, or a number of requests.

        timeout: Seconds that a call may wait. None is as long as it takes.

    Raises:
        ConfigError: If *timeout* is out of range (P111).
        MisuseError: If *key* is none (P502).
    """

    def __init__(
        self,
        limiter: RateLimiter,
        key: Key | str,
        *,
        cost: int | Mapping[str, int] = 1,
        timeout: float | None = 60.0,
    ) -> None:
        _register()
        self._limiter = limiter
        self._key = as_key(key)
        self._cost = cost
        self._timeout = None if timeout is None else seconds("timeout", timeout)

    def acquire(self, *, blocking: bool = True) -> bool:
        """
        Wait for a turn, or tell whether the call may be made now.

        Raises:
            RateLimitExceeded: If *blocking*, and the turn would come too late (P301).
            CostError: If a counted unit is missing or unknown (P302, P303).
            StoreError: If the store refused, or was not there (P2xx).
            MisuseError: If *blocking*, in a running event loop (P501).
        """
        if not blocking:
            return bool(self._limiter.try_acquire(self._key, self._cost))
        self._limiter.acquire(self._key, self._cost, timeout=self._timeout)
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Do as :meth:`acquire` does, on the running event loop."""
        limiter, key, cost = self._limiter, self._key, self._cost
        if not blocking:
            return bool(await limiter.try_acquire_async(key, cost))
        await limiter.acquire_async(key, cost, timeout=self._timeout)
        return True


def _register() -> None:
    """Let LangChain, which looks at the type, take ours for one of its own."""
    try:
        from langchain_core.rate_limiters import (  # noqa: PLC0415 -- only if it is there
            BaseRateLimiter,
        )
    except ModuleNotFoundError:
        return
    BaseRateLimiter.register(ChatRateLimiter)
