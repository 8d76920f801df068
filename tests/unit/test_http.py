"""Clients of one connection each: as many as there are requests under way."""

import asyncio

import httpx
import pytest

from paceline._http import Clients


class Held:
    """Answers when it is told to; a semaphore is released for each request it has."""

    def __init__(self):
        self.here = asyncio.Semaphore(0)
        self.go = asyncio.Event()

    async def __call__(self, request):
        self.here.release()
        await self.go.wait()
        if request.url.path == "/gone":
            raise httpx.ConnectError("refused")
        return httpx.Response(200, text=request.method)


async def three_and_thirty():
    held = Held()
    async with Clients(transport=httpx.MockTransport(held)) as clients:
        posts = [asyncio.create_task(clients.post("http://a/")) for _ in range(3)]
        for _ in posts:
            await held.here.acquire()
        held.go.set()
        assert [answer.text for answer in await asyncio.gather(*posts)] == ["POST"] * 3
        for _ in range(30):
            assert (await clients.get("http://a/")).text == "GET"
        made = clients._all
        assert len(made) == 3
    assert all(client.is_closed for client in made)


def test_requests_at_a_time_have_a_client_each_and_later_ones_use_them_again():
    """
    Three at a time are three clients, and thirty one after another none more.
    """
    asyncio.run(three_and_thirty())


async def fail_and_go_on():
    held = Held()
    async with Clients(transport=httpx.MockTransport(held)) as clients:
        task = asyncio.create_task(clients.get("http://a/"))
        await held.here.acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held.go.set()
        with pytest.raises(httpx.ConnectError):
            await clients.get("http://a/gone")
        assert (await clients.get("http://a/")).status_code == 200
        assert len(clients._all) == 1


def test_a_client_whose_request_failed_or_was_cancelled_is_used_again():
    """
    Neither an error nor a cancellation loses a client.
    """
    asyncio.run(fail_and_go_on())
