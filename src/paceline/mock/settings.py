"""How the pretend server behaves: what may be set when it is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .quota import Quota


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How the pretend server behaves.

    Attributes:
        quotas: The limits of every key and model.

        latency: Mean of a request's journey, in seconds.

        jitter: The journey takes up to so many seconds more or less.

        service_time:
            Seconds from the accounting to the answer; of a stream, to its first byte.

        chunk_delay: Seconds between two events of a stream.

        chunk_tokens: Tokens in each event of a stream.

        split_events: Whether every event of a stream comes in two pieces.

        completion_tokens:
            How long answers are: a number of tokens, or a share of the most that the
            request allows, such as ``"50%"``.

        gzip: Whether answers are compressed for clients that accept it.

        charge:
            ``"reserve"``: a request pays on arrival for the longest answer it allows,
            and is given nothing back. ``"actual"``: that is corrected after the answer
            to what it used.

        count_failed: Whether refused requests count towards limits on requests.

        share_keys:
            Whether all keys are one project's and have one account for each model.

        limit_headers:
            How limits are told: ``"all"`` in order, ``"none"``, as ``"unknown"`` (-1),
            or those of the ``"project"`` too.

        errors: Errors to answer with, such as ``"server_error model=m next=3"``.

        seed: Makes the journeys repeatable. None draws them anew each time.
    """

    quotas: tuple[Quota, ...]
    latency: float = 0.020
    jitter: float = 0.010
    service_time: float = 0.0
    chunk_delay: float = 0.0
    chunk_tokens: int = 1
    split_events: bool = False
    completion_tokens: int | str = 16
    gzip: bool = True
    charge: Literal["reserve", "actual"] = "reserve"
    count_failed: bool = False
    share_keys: bool = False
    limit_headers: Literal["all", "none", "unknown", "project"] = "all"
    errors: tuple[str, ...] = ()
    seed: int | None = None
