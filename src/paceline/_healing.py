"""
What is done when the store has lost what it knew: the survivors tell it.

Whoever finds out gives back what it was granted by a store that knew nothing, tells
what it remembers, and asks again. Of an account that nobody here remembers, on a
server that may just have lost it, ``on_amnesia`` decides.
"""

from __future__ import annotations

from dataclasses import replace

from . import _sight
from ._batch import ask_day
from ._calls import Call, Clock, Scope
from ._desk import Desk
from ._effects import Plan
from ._policy import Policy
from ._reply import Answer, strange
from ._sight import Lost, Sight

__all__ = ["find", "heal"]

# One per server, for ever: without a tag of a scope.
BIRTH = "paceline:1:birth"


def find(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    before: Sight | None,
    answer: Answer,
    now: float,
) -> Plan[list[Lost]]:
    """
    Tell what the store has lost, by an answer.

    Args:
        before: What was known when it was asked for.
    """
    if before is not None:
        if not _sight.is_lost(before[0], answer):
            return []
        desk.born_us = None  # of a server that has lost data, it may be another
        wider = desk.seen.get((scope.key, None))
        return _sight.remains(before, answer, now, wider)
    if not desk.cautious or not desk.is_stranger(scope, policy):
        return []
    if desk.born_us is None:
        desk.born_us = yield from _birth(desk)
    return _sight.unknown(answer, policy, desk.born_us)


def _birth(desk: Desk) -> Plan[int]:
    reply = yield Call("birth", BIRTH, (desk.almanac.clock().now,))
    try:
        return int(reply[2])
    except (TypeError, ValueError, IndexError) as error:
        raise strange(reply) from error


def heal(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    lost: list[Lost],
    before: Sight | None,
    now: float,
    until: float,
) -> Plan[None]:
    """Tell the store what it has lost."""

    def done() -> bool:
        # Many find out at once: one of them tells.
        return desk.is_told(scope, policy, before)

    def encode(clock: Clock) -> Call:
        call = _sight.encode_heal(scope, policy, lost, clock)
        return replace(call, until=until, needless=done)

    reply = yield from ask_day(desk.almanac, encode)
    if reply is None:
        return
    restored = _sight.restored(_sight.told_of(lost), reply)
    desk.healed(scope, policy, before, restored, now)
