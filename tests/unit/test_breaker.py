"""The breaker, on a clock of the test's own."""

import threading
from types import SimpleNamespace

import pytest

from paceline import StoreUnavailable
from paceline.stores._breaker import FIRST_PAUSE, LAST_PAUSE, Breaker


def made(chance=0.0):
    clock = SimpleNamespace(now=100.0)
    return clock, Breaker(lambda: clock.now, lambda: chance)


def fail(breaker, asked=None):
    return breaker.note(ConnectionRefusedError(), "somewhere", asked)


def test_an_outage_began_before_the_call_that_found_it():
    """
    What was used before is told by that moment: finding out takes as long as timeouts.
    """
    clock, breaker = made()
    clock.now += 1
    fail(breaker, 100.0)
    fail(breaker, 100.5)
    assert breaker.asked == 100.0
    breaker.answered()
    fail(breaker)
    assert breaker.asked == clock.now


def test_who_asked_before_the_store_was_found_gone_fails_with_the_first():
    """
    Who asks later tries: one failure keeps nobody waiting.
    """
    clock, breaker = made()
    breaker.check(clock.now)
    clock.now += 1
    fail(breaker)
    with pytest.raises(StoreUnavailable, match="connection refused"):
        breaker.check(100.5)
    breaker.check(clock.now)


def test_from_the_second_failure_on_one_call_a_pause_tries():
    """
    All others fail at once, without an own timeout.
    """
    clock, breaker = made()
    fail(breaker)
    fail(breaker)
    with pytest.raises(StoreUnavailable):
        breaker.check(clock.now)
    clock.now += FIRST_PAUSE
    breaker.check(clock.now)  # this one tries
    with pytest.raises(StoreUnavailable):
        breaker.check(clock.now)
    breaker.answered()
    breaker.check(clock.now)


def test_pauses_double_up_to_a_bound_and_are_jittered():
    """
    So that a fleet neither hammers nor comes at the same moment.
    """
    _clock, breaker = made()
    pauses = []
    for _ in range(8):
        fail(breaker)
        pauses.append(round(breaker.pause, 3))
    assert pauses == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, LAST_PAUSE, LAST_PAUSE]
    _clock, breaker = made(chance=1.0)
    for _ in range(9):
        fail(breaker)
    assert breaker.pause == LAST_PAUSE / 2


def test_one_line_an_outage_and_one_when_it_is_over(caplog):
    """
    However many calls fail in between; a refusal shows that somebody is there.
    """
    clock, breaker = made()
    for _ in range(5):
        fail(breaker)
    clock.now += 7
    breaker.answered()
    breaker.answered()
    fail(breaker)
    breaker.note(RuntimeError("NOPERM"), "somewhere")
    texts = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in texts] == [
        "the store is not there",
        "the store is back after 7.0 s",
        "the store is not there",
        "the store is back after 0.0 s",
    ]
    assert not breaker.gone


def test_with_an_attendant_no_caller_pays_for_finding_out():
    """
    Only its thread tries.
    """
    clock, breaker = made()
    fail(breaker)
    breaker.attend(attends=True)
    breaker.check(clock.now)
    refused = []

    def call():
        try:
            breaker.check(clock.now)
        except StoreUnavailable as error:
            refused.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert refused
