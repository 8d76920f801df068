"""The short way of a blocking call says what the long one says."""

from collections import deque
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from paceline import CalendarWindow, SlidingWindow, StoreUnavailable, TokenBucket
from paceline._calls import Place, Request, Scope, request_now
from paceline._rules import Rules
from paceline._script import load
from paceline._unheard import unheard_of
from paceline._wire import Clock, book_of, encode_acquire
from paceline.stores._breaker import Breaker
from paceline.stores._direct import Direct, Stencil
from paceline.stores._lanes import Lanes
from paceline.stores._pack import bulk, pack

POLICIES = [
    Rules("5/s").policy(None),
    Rules(
        [SlidingWindow(5, 1.0), TokenBucket(9, 60.0, unit="tokens")],
        shared=CalendarWindow(10, "day"),
    ).policy("m"),
]


@given(
    st.sampled_from(POLICIES),
    st.integers(1, 10**9),
    st.integers(1_000, 9_999),
    st.integers(0, 10**8),
)
def test_a_stencil_packs_what_the_encoder_says(policy, number, nonce, wait):
    """
    Filled in or packed argument by argument: the same bytes.
    """
    scope = Scope("paceline:1:{x}", "team-a")
    request = Request(policy, (1,) * len(policy.limits), wait)
    stencil = Stencil(encode_acquire(scope, [request], Clock(7, 0)), request, (0, 1))
    call = encode_acquire(scope, [request], Clock(nonce, 0))
    args = call.on(Place("a1b2", number, number))
    packed = pack(("EVALSHA", load("acquire").sha, 1, scope.key, *args))
    assert stencil.fill(bulk("a1b2"), number, nonce) == packed


def test_a_call_that_was_sent_tells_of_itself_whatever_ends_it():
    """
    Its reply is lost, and by then the store is known to be gone: it may have charged.
    """

    def gone(*_):
        raise StoreUnavailable("gone")

    scope, request = Scope("paceline:1:{x}", "team-a"), Request(POLICIES[0], (1,), 0)
    call = encode_acquire(scope, [request], Clock(7, 0))
    pipes = SimpleNamespace(idle=deque())
    direct = Direct(pipes, Lanes(), Breaker(), gone, 0.5)
    connection = SimpleNamespace(
        lane=bulk("a1b2"), number=7, disconnect=lambda: None, _sock=None
    )
    with pytest.raises(StoreUnavailable) as caught:
        direct._recover(ConnectionResetError(), connection, call, request, 0.0)
    unheard = unheard_of(caught.value)
    assert unheard.call.lane == Place("a1b2", 7, 7)
    assert unheard.requests == (request,)


def test_what_is_asked_often_is_packed_once_among_many_that_differ():
    """
    Waits and costs that never come again take no room for good.
    """
    policy = Rules("500/min").policy(None)
    book = book_of([Request(policy, (1,), 0)], 0)
    for number in range(2_000):
        book.asked(Request(policy, (1,), number))
        request_now(policy, (number,))
    common = Request(policy, (1,), 60_000_000)
    assert book.asked(common) is book.asked(common)
    assert request_now(policy, (5_000,)) is request_now(policy, (5_000,))
