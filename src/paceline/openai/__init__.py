"""
Share one OpenAI quota between processes, with one line.

For example::

    from paceline.openai import limit

    client = limit(OpenAI(), limiter)

Every call of the client then waits for its turn, and its true cost is posted when its
answer is there. See :func:`limit`. The doors for other SDKs and HTTP clients do without
the openai package.
"""

from __future__ import annotations

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
