"""When callers of one loop are sent, and when they wait for company."""

import asyncio
from types import SimpleNamespace

import pytest

from paceline._batch import MOST
from paceline._unheard import take_answer
from paceline.stores import _counters
from paceline.stores._counters import AsyncCounter


class Store:
    """Takes calls and answers them when told."""

    def __init__(self, monkeypatch):
        def serve(asks):
            reply = yield tuple(ask.name for ask in asks)
            return [reply] * len(asks)

        monkeypatch.setattr(_counters, "serve", serve)
        self.sent = []
        self._more = asyncio.Event()
        self._waiters = []
        self.counter = AsyncCounter(self._post)

    def _post(self, call, waiter):
        self.sent.append(call)
        self._more.set()
        self._waiters.append(waiter)

    def ask(self, name, key="a"):
        ask = SimpleNamespace(scope=SimpleNamespace(key=key), name=name)
        return asyncio.ensure_future(self.counter.ask(ask))

    def end(self):
        while self._waiters:
            self.answer()

    def answer(self, error=None):
        waiter = self._waiters.pop(0)
        if error is None:
            waiter.answered("yes")
        else:
            waiter.failed(error)

    async def sends(self, number):
        while len(self.sent) < number:
            self._more.clear()
            await self._more.wait()

    async def settled(self):
        for _ in range(4):
            await asyncio.sleep(0)


def with_store(monkeypatch, work):
    async def run():
        store = Store(monkeypatch)
        try:
            await asyncio.wait_for(work(store), 20)
        finally:
            store.end()

    asyncio.run(run())


@pytest.fixture
def patient(monkeypatch):
    """Let nobody be sent because it waited for long."""
    monkeypatch.setattr(_counters, "_PATIENCE", 3600.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("error", [None, OSError("broken")], ids=["answer", "failure"])
def test_who_comes_while_two_calls_are_under_way_waits_for_company(monkeypatch, error):
    """
    They go with those who are answered first and ask again, in one call.
    """

    async def work(store):
        for name in "123":
            store.ask(name)
            await store.settled()
        store.ask("4", key="b")
        await store.settled()
        assert store.sent == [("1",), ("2",), ("4",)]
        store.ask("5")  # as who is answered now would: its task wakes first
        store.answer(error)
        await store.settled()
        assert store.sent[3:] == [("3", "5")]
        assert len(store.counter._under_way) == 2
        store.end()
        await store.settled()
        assert not store.counter._under_way

    with_store(monkeypatch, work)


@pytest.mark.usefixtures("patient")
def test_a_full_call_waits_for_nobody(monkeypatch):
    """
    There would be no room for company.
    """

    async def work(store):
        for number in range(2):
            store.ask(number)
            await store.settled()
        for number in range(MOST):
            store.ask(number)
        await store.settled()
        assert store.sent[2:] == [tuple(range(MOST))]

    with_store(monkeypatch, work)


def test_nobody_waits_long_for_company(monkeypatch):
    """
    However long the calls under way take.
    """

    async def work(store):
        for name in "123":
            asked = store.ask(name)
            await store.settled()
        assert len(store.sent) == 2
        await store.sends(3)
        store.end()
        assert await asked == "yes"

    with_store(monkeypatch, work)


def test_who_is_cancelled_while_it_waits_hears_what_came_of_it(monkeypatch):
    """
    It was on its way already, as far as others can tell: its turn must go back.
    """

    async def work(store):
        for name in "123":
            asked = store.ask(name)
            await store.settled()
        asked.cancel()
        await store.sends(3)
        store.end()
        with pytest.raises(asyncio.CancelledError) as caught:
            await asked
        assert take_answer(caught.value) == "yes"

    with_store(monkeypatch, work)
