"""What was booked before a fork is the parent's: nobody gives it back twice."""

import os

import pytest

from paceline import RateLimiter
from paceline._calls import Call, Scope
from paceline._owing import Owed

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this platform has no fork"
)


def forked(work):
    """Return the exit code of *work* in a child: what it returned."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("verb", ["settle", "cancel", "release"])
def test_a_permit_is_given_back_by_its_parent_only(clean_server, verb):
    """
    A child that leaves its parent's block posts nothing; the parent's own post counts.
    """
    limits = ["100/h", "2 concurrent"]
    with RateLimiter(clean_server.url, limits=limits) as limiter:

        def free():
            return [status.remaining for status in limiter.peek("a")]

        def in_child():
            getattr(permit, verb)(*([{"requests": 0}] if verb == "settle" else []))
            return free()[0]

        permit = limiter.acquire("a", 10)
        assert free() == [90, 1]
        assert forked(in_child) == 90
        assert free() == [90, 1]
        permit.cancel()
        assert free() == [100, 2]


def test_a_block_that_a_fork_leaves_keeps_what_it_booked(clean_server):
    """
    A reservation cancelled in the child stays booked until the parent leaves it.
    """
    with RateLimiter(clean_server.url, limits="100/h") as limiter:

        def in_child():
            reservation.cancel()
            reservation.__exit__(None, None, None)
            return limiter.peek("a")[0].remaining

        with limiter.reserve("a", 10) as reservation:
            assert forked(in_child) == 90
            reservation.settle(4)
        assert limiter.peek("a")[0].remaining == 96


def test_a_fork_forgets_what_its_parent_will_ask_again(clean_server):
    """
    Else both would give back the same booking.
    """
    with RateLimiter(clean_server.url, limits="100/h") as limiter:
        desk = limiter._engine.desk
        desk.owed.append(Owed(Call("acquire", "k", ()), Scope("k", "", 0)))
        assert forked(lambda: len(desk.owed)) == 0
        assert len(desk.owed) == 1
        desk.owed.clear()
