"""A limiter from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import os

    from ._alone import OnOutage
    from ._events import EventHandler


class FromConfig:
    """What can be made from a configuration file."""

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        scope: str | None = None,
        store: object = None,
        on_event: EventHandler | None = None,
        on_outage: OnOutage | None = None,
    ) -> Self:
        """
        Make a limiter from ``paceline.toml``, or ``[tool.paceline]`` of pyproject.toml.

        A scope stands for the API key that its ``key_env`` names: that is charged by
        ``limiter.acquire(Key(scope="team-a", model="gpt-4o"))``, by the scope's limits.

        Args:
            path: The file. None takes $PACELINE_CONFIG, or else the first file in the
                working directory or its parents.

            scope: The only scope to serve. Its API key must be there already now.

            store: As of RateLimiter. None takes $PACELINE_STORE, or else the file's.

            on_event: As of RateLimiter.

            on_outage: As of RateLimiter. None takes the file's, or else the default.

        Raises:
            ConfigError: If there is no file (P121), with all that is wrong with it
                (P122 to P125, and the codes of limits), or if a variable that it names
                is not set (P126), or there is no such scope (P127).
        """
        from ._config import load  # noqa: PLC0415 -- few need it; it reads TOML

        return load(path).make(cls, scope, store, on_event, on_outage)
