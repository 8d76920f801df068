"""Threads that a signal's handler struck: whoever waits for them goes on without."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from paceline.stores import _combining, _gate
from paceline.stores._combining import SyncCounter
from paceline.stores._lines import Lines, SyncPlace


class Struck(Exception):  # noqa: N818 -- what a handler raises
    """Raised anywhere."""


class Crowd:
    """
    Three threads: one asks alone, and when it is answered one asks for two.

    That one is struck as it calls.
    """

    def __init__(self, monkeypatch):
        def serve(asks):
            reply = yield [ask.name for ask in asks]
            return [reply] * len(asks)

        monkeypatch.setattr(_combining, "serve", serve)
        monkeypatch.setattr(_gate, "_LOOK", 0.01)
        self.sent = []
        self._begun, self._go_on = threading.Event(), threading.Event()
        self.counter = SyncCounter(self._call)

    def _call(self, names, _):
        self.sent.append(names)
        self._begun.set()
        assert self._go_on.wait(20)
        if len(self.sent) == 2:
            raise Struck
        return "yes"

    def _ask(self, name):
        return self.counter.ask(SimpleNamespace(scope="a", name=name, until=math.inf))

    def _wait_for(self, number):
        end = time.monotonic() + 20
        while len(self.counter._queues["a"].waiting) < number:
            assert time.monotonic() < end
            time.sleep(0.001)

    def run(self):
        """Return what came of the first, the struck and the other one."""
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(self._ask, "first")]
            assert self._begun.wait(20)
            for number, name in enumerate(("struck", "other"), 2):
                asked.append(pool.submit(self._ask, name))
                self._wait_for(number)
            self._go_on.set()
            return [each.exception(20) or each.result() for each in asked]


def test_what_interrupts_who_asks_for_all_is_its_own(monkeypatch):
    """
    The others ask again.
    """
    crowd = Crowd(monkeypatch)
    first, struck, other = crowd.run()
    assert (first, other) == ("yes", "yes")
    assert isinstance(struck, Struck)
    assert crowd.sent == [["first"], ["struck", "other"], ["other"]]


def test_who_is_struck_twice_keeps_nobody_waiting(monkeypatch):
    """
    Once more where it undoes its part: that it is gone is found out.
    """
    crowd = Crowd(monkeypatch)
    abandon = crowd.counter._abandon

    def strike_again(waiter):
        if waiter.ask.name == "struck":
            raise Struck
        abandon(waiter)

    monkeypatch.setattr(crowd.counter, "_abandon", strike_again)
    first, struck, other = crowd.run()
    assert (first, other) == ("yes", "yes")
    assert isinstance(struck, Struck)
    assert not crowd.counter._queues


def test_a_place_in_line_that_nobody_holds_keeps_nobody_waiting(monkeypatch):
    """
    Struck between entering and leaving: whoever stands behind it comes first.
    """
    monkeypatch.setattr(_gate, "_LOOK", 0.01)
    lines = Lines(SyncPlace)
    lost, behind = (lines.enter("a", "calls", ahead=False) for _ in range(2))
    lost.deferred()
    assert not behind.first
    del lost
    behind.wait(20.0)
    assert behind.first
    assert behind.leads
    behind.leave()
    assert not lines._scopes


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.025])
def test_who_waits_in_line_waits_no_longer_than_it_said(monkeypatch, seconds):
    """
    Looking round does not lengthen it.
    """
    monkeypatch.setattr(_gate, "_LOOK", 0.01)
    lines = Lines(SyncPlace)
    first, behind = (lines.enter("a", "calls", ahead=False) for _ in range(2))
    first.deferred()
    behind.wait(seconds)
    assert not behind.first
    for place in (first, behind):
        place.leave()
