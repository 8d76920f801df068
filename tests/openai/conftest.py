"""A pretend OpenAI for the whole run, and for each test a key that nobody used."""

import asyncio
import gc
import inspect
import uuid

import openai
import pytest

from paceline import Key, RateLimiter
from paceline.mock import serve
from paceline.openai import limit


@pytest.fixture(scope="session")
def mock():
    """Start a server that enforces ample limits, and keeps what it reserved."""
    limits = ["600 requests/min", "60k tokens/min"]
    with serve(limits=limits, latency=0.001, jitter=0, seed=1) as running:
        yield running


@pytest.fixture
def api_key():
    """Return a key that has an account of its own."""
    return f"sk-{uuid.uuid4().hex}"


@pytest.fixture
def model():
    """Return a model that has an account of its own, for what comes without a key."""
    return f"gpt-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def limiter():
    """Return a limiter of requests and tokens with an empty store."""
    limits = ["600 requests/min", "60k tokens/min"]
    with RateLimiter(f"memory://{uuid.uuid4().hex}", limits=limits) as made:
        # fakeredis keeps its last error, and with it all frames below: of a first call
        # with a script it does not know yet. Here that is none of an SDK's.
        made.try_acquire("warm-up", {"requests": 0, "tokens": 0})
        yield made


@pytest.fixture
def used(limiter, api_key):
    """Return a function: the units that a model's account has charged."""

    def of(model, scope=None):
        key = Key(scope=scope, model=model) if scope else Key(api_key, model)
        statuses = limiter.peek(key)
        return {each.unit: each.capacity - each.remaining for each in statuses}

    return of


class World:
    """
    One of the two kinds of clients, spoken to in the same words.

    ``call`` makes a call and waits for it; ``each`` reads a stream to its end.
    """

    def __init__(self, kind):
        self.kind = kind
        self.is_async = kind == "async"
        self._runner = asyncio.Runner() if self.is_async else None
        self._clients = []

    def open(self, base_url, api_key, **options):
        make = openai.AsyncOpenAI if self.is_async else openai.OpenAI
        return self.adopt(make(base_url=base_url, api_key=api_key, **options))

    def azure(self, endpoint, **options):
        make = openai.AsyncAzureOpenAI if self.is_async else openai.AzureOpenAI
        options = {"api_version": "2024-10-21", **options}
        return self.adopt(make(azure_endpoint=endpoint, **options))

    def adopt(self, client):
        self._clients.append(client)
        return client

    def wait(self, result):
        if not inspect.isawaitable(result):
            return result

        async def outcome():
            return await result

        return self._runner.run(outcome())

    def call(self, function, *args, **options):
        if not self.is_async:
            return function(*args, **options)

        async def outcome():
            result = function(*args, **options)
            return await result if inspect.isawaitable(result) else result

        return self._runner.run(outcome())

    def chat(self, client, model, messages, **more):
        """Ask for twenty tokens at most."""
        options = {"model": model, "messages": messages, "max_tokens": 20, **more}
        return self.call(client.chat.completions.create, **options)

    def each(self, stream):
        if not self.is_async:
            return list(stream)

        async def items():
            return [item async for item in stream]

        return self._runner.run(items())

    def collect(self):
        """Let the garbage collector find what nobody closed."""
        gc.collect()
        if self.is_async:
            self._runner.run(asyncio.sleep(0.01))

    def close(self):
        for client in self._clients:
            self.call(client.close)
        if self._runner:
            self._runner.close()


@pytest.fixture(params=["sync", "async"])
def world(request):
    """Return sync and async clients in turn."""
    made = World(request.param)
    yield made
    made.close()


@pytest.fixture
def client(world, mock, api_key, limiter):
    """Return a limited client that does not retry."""
    return limit(world.open(mock.base_url, api_key, max_retries=0), limiter)
