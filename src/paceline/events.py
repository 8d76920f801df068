"""What ``RateLimiter(on_event=...)`` is told."""

from __future__ import annotations

from ._events import (
    Abandoned,
    Admitted,
    Answered,
    Called,
    CooledDown,
    Ended,
    Event,
    EventHandler,
    Failed,
    Healed,
    OutageBegan,
    OutageEnded,
    Rebooked,
    Refused,
    Repaid,
    Replayed,
    Settled,
    Waiting,
)

__all__ = [
    "Abandoned",
    "Admitted",
    "Answered",
    "Called",
    "CooledDown",
    "Ended",
    "Event",
    "EventHandler",
    "Failed",
    "Healed",
    "OutageBegan",
    "OutageEnded",
    "Rebooked",
    "Refused",
    "Repaid",
    "Replayed",
    "Settled",
    "Waiting",
]

# Reprs and docs name the public path, not the private module.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
