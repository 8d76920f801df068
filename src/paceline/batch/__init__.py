"""
Send a file of requests through the limiter: OpenAI's Batch format, live.

From a notebook or a program of one's own::

    from paceline import RateLimiter
    from paceline.batch import run_batch

    limiter = RateLimiter("embedded://", limits=["500 requests/min", "30k tokens/min"])
    summary = await run_batch("requests.jsonl", "answers.jsonl", limiter)

``paceline batch`` does the same. :func:`plan_batch` says beforehand how long it takes.
"""

from __future__ import annotations

from paceline._errors import ConfigError

try:
    import httpx as _httpx  # noqa: F401 -- only whether it is there
except ModuleNotFoundError as _missing:
    if _missing.name != "httpx":
        raise
    raise ConfigError(
        "paceline.batch needs httpx",
        code="P601",
        hint='Install it with: pip install "paceline[batch]"',
    ) from None

from ._plan import LimitPlan, ModelPlan, Plan, plan_batch
from ._report import LimitUse, Progress, Summary
from ._run import run_batch

__all__ = [
    "LimitPlan",
    "LimitUse",
    "ModelPlan",
    "Plan",
    "Progress",
    "Summary",
    "plan_batch",
    "run_batch",
]

# Tracebacks, reprs and docs name the public path, not the private module.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
