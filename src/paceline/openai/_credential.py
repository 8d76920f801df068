"""An API key of a quota of its own."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from paceline._errors import ConfigError

from ._terms import check_prices

if TYPE_CHECKING:
    from paceline import RateLimiter
    from paceline._provider.cost import CostName, CostRule, Refund

    from ._site import Tokens


@dataclass(frozen=True, slots=True)
class Credential:
    """
    An API key of a quota of its own, for a :class:`Pool`.

    Args:
        env: The environment variable that has the key; read when the pool is made.

        api_key: The key itself, in place of *env*. Kept out of reprs, logs and errors.

        scope: The name of the quota. Keys of one organisation and project share one
            quota: give them one name. None makes the key its own quota.

        base_url: Where its calls go, as the client's own ``base_url``. None is there.

        organization: The ``OpenAI-Organization`` to send; None sends none.

        project: The ``OpenAI-Project`` to send; None sends none.

        limiter: Has this quota's limits, if they are not those of ``limit()``'s.

        cost, refund, tokens: As of :func:`paceline.openai.limit`, if this quota's
            provider charges otherwise. *refund* None goes with *cost* if it is given.
    """

    env: str | None = None
    _: KW_ONLY
    api_key: str | None = field(default=None, repr=False)
    scope: str | None = None
    base_url: str | None = None
    organization: str | None = None
    project: str | None = None
    limiter: RateLimiter | None = field(default=None, repr=False)
    cost: CostName | CostRule | None = None
    refund: Refund | None = None
    tokens: Tokens | None = None

    def secret(self, where: str) -> str:
        """
        Return the key, if all else is in order.

        Raises:
            ConfigError: If there is none, or two, or *base_url* is no URL (P131); if
                *cost*, *refund* or *tokens* is none (P113).
        """
        check_prices(
            self.cost or "openai", self.refund, self.tokens or "learnt", where=where
        )
        url = self.base_url
        if url is not None and not url.startswith(("https://", "http://")):
            raise wrong(
                f"{where} has a base_url that is no URL",
                'Give it as the client\'s: "https://eu.api.openai.com/v1".',
            )
        if (self.env is None) == (self.api_key is None):
            which = "neither env nor" if self.env is None else "both env and"
            raise wrong(f"{where} has {which} api_key", "Give one of them.")
        text = self.api_key if self.env is None else os.environ.get(self.env)
        if not text or not text.strip():
            name = "api_key" if self.env is None else f"${self.env}"
            raise wrong(f"{where}: {name} is empty or not set", "Set it to the key.")
        return text.strip()


def wrong(what: str, hint: str) -> ConfigError:
    """Make the error of a pool that makes no sense."""
    return ConfigError(what, code="P131", hint=hint)
