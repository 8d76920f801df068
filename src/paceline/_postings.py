"""
Plans that post what became of a booking: less, more, or nothing at all.

What must go back does: a call whose reply was lost is sent again on its lane, and what
could not be sent goes with a later call.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from . import _reply, _wire
from ._batch import ask_day
from ._calls import Booking, Call, Clock, Scope
from ._desk import Desk
from ._effects import Plan, Stir
from ._errors import StoreError, StoreUnavailable
from ._owing import Owed
from ._policy import Policy
from ._unheard import take_answer, unheard_of


def settle(
    desk: Desk,
    scope: Scope,
    policy: Policy,
    booking: Booking,
    actual: tuple[int, ...],
    until: float = inf,
) -> Plan[None]:
    """Post the true cost of a booking; a limit on calls at a time is released by 0."""

    def encode(clock: Clock) -> Call:
        call = _wire.encode_settle(scope, policy, booking, actual, clock)
        return replace(call, until=until)

    booked = tuple(post.units for post in booking.posts)
    if actual == booked:
        return
    try:
        _reply.unwrap((yield from ask_day(desk.almanac, encode)))
    except BaseException as error:
        desk.owed.note(error, scope)
        raise
    finally:
        desk.refusals.forget(scope.key)
    if any(new < old for new, old in zip(actual, booked, strict=True)):
        yield Stir(scope.key)


def cancel(
    desk: Desk, scope: Scope, policy: Policy, booking: Booking, until: float = inf
) -> Plan[None]:
    """Give all of a booking back; later, if the store cannot be reached now."""
    nothing = (0,) * len(booking.posts)
    try:
        yield from settle(desk, scope, policy, booking, nothing, until)
    except StoreError as error:
        if isinstance(error, StoreUnavailable) and unheard_of(error) is None:
            _owe(desk, scope, policy, booking)


def interrupted(
    desk: Desk, scope: Scope, policy: Policy, error: BaseException, until: float = inf
) -> Plan[None]:
    """Give back what an ask may have booked for somebody who does not hear of it."""
    late = take_answer(error)
    if late is not None and late.booking is not None:
        yield from cancel(desk, scope, policy, late.booking, until)
    desk.owed.note(error, scope)


def recall(desk: Desk, scope: Scope, until: float) -> Plan[None]:
    """Send one call again that is owed; give back what it books for nobody."""
    owed = desk.owed.take(scope)
    if owed is None:
        return  # another thread took it
    ours = owed.scope.key == scope.key
    try:
        # An account that is not the caller's may be on a server that is gone.
        reply = yield replace(owed.call, until=until if ours else 0.0)
        if not owed.requests:
            return
        answers = _reply.decode_acquire(reply, owed.scope, owed.requests)
    except StoreUnavailable as error:
        desk.owed.put_back(owed, error)
        if ours:  # to ask would only take as long once more
            raise StoreUnavailable(
                error.message, code=error.code, hint=error.hint
            ) from error.__cause__
        return
    except StoreError:
        return  # nobody knows; what it charged stays charged
    except BaseException as error:
        desk.owed.put_back(owed, error)
        raise
    left = [
        (request.policy, answer.booking)
        for request, answer in zip(owed.requests, answers, strict=True)
        if answer.booking is not None
    ]
    try:
        while left:
            yield from cancel(desk, owed.scope, *left.pop(), until)
    finally:
        # Who is interrupted leaves the others' bookings to a later call.
        for policy, booking in left:
            _owe(desk, owed.scope, policy, booking)


def _owe(desk: Desk, scope: Scope, policy: Policy, booking: Booking) -> None:
    """Note a booking to be given back with a later call."""
    clock, nothing = desk.almanac.clock(), (0,) * len(booking.posts)
    call = _wire.encode_settle(scope, policy, booking, nothing, clock)
    desk.owed.append(Owed(call, scope))
