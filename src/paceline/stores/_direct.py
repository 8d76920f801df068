"""
The short way of a blocking call: one caller, a connection that is open, no plan.

Whatever is not as usual (no connection, an unknown script, another day, a lost reply)
is left to the long way; a call that was sent goes on there under its number.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError

from .._calls import Packed, Place
from .._reply import DECIDED, decode_acquire
from .._script import load
from .._unheard import Unheard, note, unheard_of
from .._wire import book_of, encode_acquire
from ._pack import bulk, pack
from ._pipes import SyncPipes
from ._resp import Failure, MoreError, read_one
from ._sending import LEAST
from ._translate import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._almanac import Almanac
    from .._calls import Call, Request, Scope
    from .._reply import Answer
    from ._breaker import Breaker
    from ._lanes import Lanes

# Different requests of a process whose packed form is kept.
_MOST_KEPT = 4_096
_CHUNK = 65_536

# So many calls of a scope may be under way, each for one caller, before others share.
_CROWD = 3


class Stencil:
    """
    A call for one request, packed all but for its number and its chance.

    Attributes:
        call: The call.

        days: The moments from which and until when its calendars are right.
    """

    __slots__ = ("_after", "_before", "_request", "call", "days")

    def __init__(self, call: Call, request: Request, days: tuple[int, int]) -> None:
        self.call = call
        self._request = request  # as long as it lives, no other one has its id
        self.days = days
        command = Packed(("EVALSHA", load(call.script).sha, 1, call.key))
        # The call begins with the moment and the chance, the lane is before them.
        count = len(command.args) + len(Place._fields) + len(call.args)
        self._before = b"*%d\r\n%b" % (count, pack((command,)).partition(b"\r\n")[2])
        self._after = pack(call.parts[2:]).partition(b"\r\n")[2]

    def fill(self, lane: bytes, number: int, nonce: int) -> bytes:
        """
        Pack the call.

        Args:
            lane: Its name, packed. Nothing else on it is unanswered.
        """
        digits = b"%d" % number
        size = len(digits)
        return b"%b%b$%d\r\n%b\r\n$%d\r\n%b\r\n$0\r\n\r\n$4\r\n%04d\r\n%b" % (
            self._before, lane, size, digits, size, digits, nonce, self._after
        )  # fmt: skip


class Direct:
    """
    Asks for one caller at a time, on a connection of its own.

    Args:
        finish: Calls a script the long way, for somebody who asked at a moment.

        trip: Seconds for which a reply is waited for.
    """

    def __init__(
        self,
        pipes: SyncPipes,
        lanes: Lanes,
        breaker: Breaker,
        finish: Callable[[Call, float], Any],
        trip: float,
    ) -> None:
        self._idle = pipes.idle
        self._lanes = lanes
        self._breaker = breaker
        self._finish = finish
        self._trip = trip
        self._stencils: dict[tuple[str, int], Stencil] = {}
        self._callers: dict[str, list[None]] = {}

    def is_crowded(self, key: str) -> bool:
        """Tell whether so many ask for a scope that sharing a call is better."""
        return len(self._callers.get(key, ())) >= _CROWD

    def ask(
        self, almanac: Almanac, scope: Scope, request: Request, until: float
    ) -> Answer | None:
        """
        Return the answer; None if it takes the long way, and nothing was charged.

        Args:
            until: The moment of the monotonic clock at which the caller gives up.

        Raises:
            StoreError: If the reply was lost, and asking for it again failed.
        """
        # Threads may lose count of each other: nothing but the price depends on it.
        callers = self._callers.setdefault(scope.key, [])
        callers.append(None)
        try:
            return self._ask(almanac, scope, request, until)
        finally:
            callers.pop()
            if not callers:
                self._callers.pop(scope.key, None)

    def _ask(
        self, almanac: Almanac, scope: Scope, request: Request, until: float
    ) -> Answer | None:
        name = (scope.key, id(request))
        stencil = self._stencils.get(name)
        if stencil is None or not stencil.days[0] <= almanac.day_us < stencil.days[1]:
            stencil = self._cut(name, almanac, scope, request)
        asked = monotonic()
        connection = self._take()
        if connection is None:
            return None
        # Whatever interrupts this from here on, the connection is put back.
        connection.number = number = connection.number + 1
        try:
            packed = stencil.fill(connection.lane, number, almanac.nonce())
            sock = connection._sock.inner  # noqa: SLF001 -- no public way leads to it
            left = self._trip if until == inf else self._left(until, asked)
            sock.settimeout(left)
            sock.sendall(packed)
            reply = _receive(sock, asked + left)
        except BaseException as error:  # noqa: BLE001 -- raised again, if need be
            call = replace(stencil.call, until=until)
            reply = self._recover(error, connection, call, request, asked)
        self._idle.append(connection)
        if type(reply) is list and len(reply) > 1 and reply[0] == DECIDED:
            if type(reply[1]) is int:  # if not, the decoder says what is wrong
                almanac.day_us = reply[1]
        elif type(reply) is Failure or almanac.other_day(reply):
            return None
        return decode_acquire(reply, scope, (request,))[0]

    def _left(self, until: float, asked: float) -> float:
        return min(self._trip, max(until - asked, LEAST))

    def _take(self) -> Any:
        """Return a connection that is open and has a lane, or None."""
        if self._breaker.gone:
            return None
        try:
            connection = self._idle.pop()
        except IndexError:
            return None
        if connection._sock is None:  # noqa: SLF001 -- as above
            self._idle.append(connection)
            return None
        if connection.lane is None:
            connection.lane = bulk(self._lanes.name())
        return connection

    def _recover(
        self,
        error: BaseException,
        connection: Any,
        call: Call,
        request: Request,
        asked: float,
    ) -> Any:
        """Leave a connection whose reply may come yet; ask for it the long way."""
        connection.disconnect()
        name = connection.lane.split()[1].decode()
        call = replace(call, lane=Place(name, connection.number, connection.number))
        connection.lane = None
        try:
            if isinstance(error, FAILURES):
                return self._finish(call, asked)
            raise error  # noqa: TRY301 -- what interrupted the caller
        except BaseException as end:
            # It was sent, whether or not it could be sent again.
            unheard = unheard_of(end) or Unheard(call)
            unheard.requests = (request,)
            note(end, unheard)
            # It connects again when it is used next.
            self._idle.append(connection)
            raise

    def _cut(
        self,
        name: tuple[str, int],
        almanac: Almanac,
        scope: Scope,
        request: Request,
    ) -> Stencil:
        call = encode_acquire(scope, (request,), almanac.clock())
        days = book_of((request,), almanac.day_us).days
        stencil = Stencil(call, request, days)
        if len(self._stencils) >= _MOST_KEPT:
            self._stencils.clear()
        self._stencils[name] = stencil
        return stencil


def _receive(sock: Any, until: float) -> Any:
    data = sock.recv(_CHUNK)
    while True:
        if not data:
            raise RedisConnectionError("Connection closed by server.")
        try:
            return read_one(data)
        except MoreError:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError("the call's time is up") from None
            sock.settimeout(left)
            more = sock.recv(_CHUNK)
            data = more and data + more


def direct_of(
    pipes: object,
    lanes: Lanes,
    breaker: Breaker,
    finish: Callable[[Call, float], Any],
    trip: float,
) -> Direct | None:
    """Return the short way over connections to one server; None if there are none."""
    if type(pipes) is not SyncPipes:
        return None
    return Direct(pipes, lanes, breaker, finish, trip)
