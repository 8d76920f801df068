"""A pretend server in this process, with the clock in our hand, and a client for it."""

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp.test_utils import TestClient, TestServer

from paceline.mock.quota import SECOND_NS, Quota
from paceline.mock.server import PretendOpenAI
from paceline.mock.settings import Settings

MINUTE = 60 * SECOND_NS
RPM = Quota("requests", 500, MINUTE, 500)
TPM = Quota("tokens", 30_000, MINUTE, 30_000)
LONGEST = 60  # seconds, after which something hangs
MOST_PROBES = 20_000  # some ten seconds
CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
AZURE = "/openai/deployments/dep-1/chat/completions?api-version=2024-10-21"
BODIES = {
    CHAT: {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"model": "gpt-4o", "input": "hi"},
    EMBEDDINGS: {"model": "gpt-4o", "input": "hi"},
    AZURE: {"messages": [{"role": "user", "content": "hi"}]},
}


class Mock:
    """A server in this process, and a client for it."""

    def __init__(self, client, clock):
        self.client, self.clock = client, clock

    def open(self, url=CHAT, headers=(), key="sk-live-1", **fields):
        """Send a request; return what aiohttp makes of the answer, as a context."""
        headers = {"Authorization": f"Bearer {key}"} | dict(headers)
        return self.client.post(url, json=BODIES[url] | fields, headers=headers)

    async def post(self, url=CHAT, headers=(), key="sk-live-1", **fields):
        """Send a request; return status, headers and body."""
        async with self.open(url, headers, key, **fields) as answer:
            return answer.status, answer.headers, await answer.json()

    async def stream(self, url=CHAT, headers=(), **fields):
        """Ask for a stream; return the events, each its name and its data."""
        async with self.open(url, headers, stream=True, **fields) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            return events_of(await answer.text())

    async def get(self, method, path, **options):
        """Send anything; return status and body."""
        async with self.client.request(method, path, **options) as answer:
            return answer.status, await answer.json()

    async def accounts(self):
        """Return the counts."""
        return (await self.get("GET", "/stats"))[1]["accounts"]

    async def log(self):
        """Return the last requests."""
        return (await self.get("GET", "/log"))[1]["requests"]


async def until(probe):
    """Ask again and again, for as long as the answer is no; return the other one."""
    for _ in range(MOST_PROBES):
        if answer := await probe():
            return answer
    raise AssertionError("what was waited for has not come")


def events_of(text):
    """Split a stream into (name, data); data that is JSON is read."""
    assert text.endswith("\n\n")
    events = []
    for block in text[:-2].split("\n\n"):
        *named, data = block.split("\n")
        name = named[0].removeprefix("event: ") if named else None
        data = data.removeprefix("data: ")
        events.append((name, data if data == "[DONE]" else json.loads(data)))
    return events


@asynccontextmanager
async def mock(*quotas, **settings):
    """Serve with a clock that stands; requests travel no time unless told so."""
    clock = [1_000 * SECOND_NS]
    settings = {"latency": 0.0, "jitter": 0.0} | settings
    quotas = quotas or (RPM, TPM)
    pretend = PretendOpenAI(Settings(quotas, **settings), lambda: clock[0])
    async with TestClient(TestServer(pretend.app())) as client:
        yield Mock(client, clock)


def run(scenario, *quotas, **settings):
    """Run a coroutine with a server of its own."""

    async def main():
        async with asyncio.timeout(LONGEST), mock(*quotas, **settings) as server:
            return await scenario(server)

    return asyncio.run(main())
