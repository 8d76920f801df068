"""
Many callers, one script call: what a batch asks for and what each gets of its answer.

The script decides a batch in order, each request exactly as if it had been sent alone,
so who is in which batch makes no difference but to the price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import _reply, _wire
from ._almanac import Almanac
from ._calls import Call, Clock
from ._effects import Ask, Plan
from ._errors import StoreError
from ._reply import Answer, Reply
from ._unheard import unheard_of

# Requests that ride one call: some milliseconds of the server's time at most.
MOST = 100


def serve(asks: Sequence[Ask]) -> Plan[list[Answer]]:
    """Ask for several callers of one scope at once; return their answers in order."""
    first = asks[0]
    requests = [ask.request for ask in asks]
    # Who gives up first must not be kept waiting; the others ask again.
    until = min(ask.until for ask in asks)

    def encode(clock: Clock) -> Call:
        call = _wire.encode_acquire(first.scope, requests, clock)
        return Call(call.script, call.key, call.parts, until=until)

    try:
        reply = yield from ask_day(first.almanac, encode)
    except BaseException as error:
        unheard = unheard_of(error)
        if unheard is not None:
            unheard.requests = tuple(requests)
        raise
    return _reply.decode_acquire(reply, first.scope, requests)


def ask_day(almanac: Almanac, encode: Callable[[Clock], Call]) -> Plan[Reply]:
    """Call a script; once more if the server's day is another than we thought."""
    reply = yield encode(almanac.clock())
    if almanac.other_day(reply):
        reply = yield encode(almanac.clock())
        if almanac.other_day(reply):
            raise StoreError(
                "the server's clock and the limits' calendar do not agree",
                code="P210",
                hint="Look at the server's clock, and at tzdata on this host.",
            )
    return reply
