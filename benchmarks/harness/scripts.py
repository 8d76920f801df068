"""
The scripts as the server sees them: the one place here that knows paceline's inside.

Everything else goes through the public API. When the wire format changes, this file
changes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline import _wire
from paceline._calls import Place
from paceline._rules import Rules
from paceline._script import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline._rules import Cost, Limits

SECOND_US = 1_000_000
# A moment for calls that bring their own clock: some time in 2027.
NOON_US = 1_800_000_000 * SECOND_US
# How the names of lanes begin, among an account's fields.
LANE = "l:"


@dataclass(frozen=True, slots=True)
class Scripted:
    """
    Calls of ``acquire.lua`` for one key, ready to be sent by any client.

    Attributes:
        limits: As ``RateLimiter`` takes them.

        key: The hash in the store.
    """

    limits: Limits
    key: str = "paceline:1:{benchmark}"

    def acquire(
        self, costs: Sequence[Cost], now_us: int | None = None
    ) -> tuple[Any, ...]:
        """
        Return the words of one EVALSHA that asks for each of *costs*.

        Args:
            now_us: The moment at which to decide. None takes the server's clock.
        """
        policy = Rules(self.limits).policy(None)
        clock = _wire.Clock(nonce=1, day_us=now_us or NOON_US, now_us=now_us)
        requests = [_wire.Request(policy, policy.charges(cost), 0) for cost in costs]
        call = _wire.encode_acquire(_wire.Scope(self.key, ""), requests, clock)
        return ("EVALSHA", load(call.script).sha, 1, call.key, *call.argv(None))


def on_lane(words: tuple[Any, ...], lane: str, number: int) -> tuple[Any, ...]:
    """Return what :meth:`Scripted.acquire` returned, sent on a lane: never twice."""
    place = Place(lane, number, oldest=number)
    return (*words[:4], *place, *words[4 + len(place) :])


def prepare(client: Any) -> None:
    """Let the server know the script, so that EVALSHA finds it."""
    client.script_load(load("acquire").source)
