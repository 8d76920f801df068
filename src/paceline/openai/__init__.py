"""
Share one OpenAI quota between processes, with one line.

For example::

    from paceline.openai import limit

    client = limit(OpenAI(), limiter)

Every call of the client then waits for its turn, and its true cost is posted when its
answer is there. See :func:`limit`.
"""

from __future__ import annotations

from paceline._errors import ConfigError

try:
    import openai as _openai  # noqa: F401 -- only whether it is there
except ModuleNotFoundError as _missing:
    if _missing.name != "openai":
        raise
    raise ConfigError(
        "paceline.openai needs the openai package",
        code="P601",
        hint='Install it with: pip install "paceline[openai]"',
    ) from None

from ._credential import Credential
from ._doors import AsyncLimitedTransport, LimitedTransport, limit_http
from ._errors import LimitExceeded, QuotaExhausted, RequestTooLarge
from ._limit import Learnt, learnt, limit, unlimit
from ._observe import Observed, observe, observe_async
from ._pool import Pool

__all__ = [
    "AsyncLimitedTransport",
    "Credential",
    "Learnt",
    "LimitExceeded",
    "LimitedTransport",
    "Observed",
    "Pool",
    "QuotaExhausted",
    "RequestTooLarge",
    "learnt",
    "limit",
    "limit_http",
    "observe",
    "observe_async",
    "unlimit",
]

# Tracebacks, reprs and docs name the public path, not the private module.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
