"""HTTP clients and transports of httpx and httpx2, and what an observer learns."""

import asyncio
import inspect
import logging
import uuid
from types import SimpleNamespace

import pytest

import rig_messages as rig
from paceline import (
    ConfigError,
    Key,
    MisuseError,
    RateLimiter,
    StoreUnavailable,
    events,
)
from paceline.openai import (
    AsyncLimitedTransport,
    LimitedTransport,
    LimitExceeded,
    QuotaExhausted,
    learnt,
    limit,
    limit_http,
    observe,
    observe_async,
    unlimit,
)

KEY = "sk-ant-0123456789"
ASK = {
    "model": "claude",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "hi"}],
}
UNITS = ["100 requests/min", "10k input_tokens/min", "5k output_tokens/min"]
ACCOUNT = Key(KEY, "claude")
MONEY = {"type": "billing_error", "message": "x", "code": "insufficient_quota"}


@pytest.fixture(scope="module")
def _server():
    with rig.serve_messages() as running:
        yield running


@pytest.fixture
def server(_server):
    """Return a pretend of Anthropic's API that nobody has spoken to."""
    _server.seen.clear()
    _server.refuse.clear()
    return _server


@pytest.fixture
def limiter():
    """Return a limiter of what Anthropic limits."""
    with RateLimiter(f"memory://{uuid.uuid4().hex}", limits=UNITS) as made:
        made.try_acquire("warm-up", dict.fromkeys(("input_tokens", "output_tokens"), 0))
        yield made


def used(limiter, key=ACCOUNT):
    return {each.unit: each.capacity - each.remaining for each in limiter.peek(key)}


class Door:
    """One way to call: a library, sync or async, through a client or a transport."""

    def __init__(self, library, way, kind):
        self.library = pytest.importorskip(library)
        self.way, self.is_async = way, kind == "async"
        self._runner = asyncio.Runner() if self.is_async else None
        self.client = None

    def open(self, limiter, **terms):
        terms = {"cost": "anthropic", **terms}
        library = self.library
        make = library.AsyncClient if self.is_async else library.Client
        if self.way == "client":
            self.client = limit_http(make(), limiter, **terms)
        elif self.is_async:
            inner = library.AsyncHTTPTransport()
            transport = AsyncLimitedTransport(inner, limiter, **terms)
            self.client = make(transport=transport)
        else:
            transport = LimitedTransport(library.HTTPTransport(), limiter, **terms)
            self.client = make(transport=transport)
        self._do(self.client.__aenter__ if self.is_async else self.client.__enter__)
        return self

    def _do(self, function, *args, **options):
        if not self.is_async:
            return function(*args, **options)

        async def outcome():
            result = function(*args, **options)
            return await result if inspect.isawaitable(result) else result

        return self._runner.run(outcome())

    def post(self, server):
        url, headers = f"{server.url}/v1/messages", {"x-api-key": KEY}
        return self._do(self.client.post, url, json=ASK, headers=headers)

    def stream(self, server):
        url, headers = f"{server.url}/v1/messages", {"x-api-key": KEY}
        options = {"json": {**ASK, "stream": True}, "headers": headers}

        async def lines():
            async with self.client.stream("POST", url, **options) as response:
                return [line async for line in response.aiter_lines()]

        if self.is_async:
            return self._runner.run(lines())
        with self.client.stream("POST", url, **options) as response:
            return list(response.iter_lines())

    def close(self):
        if self.client is not None:
            self._do(self.client.aclose if self.is_async else self.client.close)
        if self._runner:
            self._runner.close()


@pytest.fixture(
    params=[
        (library, way, kind)
        for library in ("httpx", "httpx2")
        for way in ("client", "transport")
        for kind in ("sync", "async")
    ],
    ids="-".join,
)
def door(request):
    """Return each way in turn."""
    made = Door(*request.param)
    yield made
    made.close()


def test_the_true_cost_is_posted(door, server, limiter):
    """
    Compressed answers too: a transport sees them decoded, as a client does.
    """
    door.open(limiter)
    assert door.post(server).json()["content"][0]["text"] == "Hello"
    assert used(limiter) == {"requests": 1, "input_tokens": 12, "output_tokens": 34}
    assert "gzip" in server.seen[0]["accept-encoding"]


def test_a_streams_usage_is_posted_at_its_end(door, server, limiter):
    """
    Anthropic tells the input in its first event and the output in its last.
    """
    door.open(limiter)
    assert "event: message_stop" in door.stream(server)
    assert used(limiter) == {"requests": 1, "input_tokens": 12, "output_tokens": 34}


def test_a_turn_that_comes_too_late_is_a_429_that_is_not_to_be_retried(
    door, server, limiter
):
    """
    As an answer for SDKs, as an error for who asks for it; nothing is sent.
    """
    limiter.acquire(ACCOUNT, {"requests": 100, "input_tokens": 0, "output_tokens": 0})
    door.open(limiter, timeout=0.2)
    answer = door.post(server)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")
    assert float(answer.headers["retry-after"]) > 50
    with pytest.raises(LimitExceeded):
        answer.raise_for_status()
    assert server.seen == []


def test_a_refusal_is_obeyed_by_all(door, server, limiter):
    """
    529 is Anthropic's word for an overload, which is a cool-down here, and no 429.
    """
    server.refuse.append((429, {"type": "rate_limit_error"}, {"retry-after": "0"}))
    server.refuse.append((529, rig.OVERLOADED, {"retry-after": "20"}))
    door.open(limiter, timeout=2)
    assert [door.post(server).status_code for _ in range(2)] == [429, 529]
    assert int(limiter.exchange(ACCOUNT)["429s"].value[:13]) == 1
    nothing = {"input_tokens": 1, "output_tokens": 1}
    decision = limiter.try_acquire(ACCOUNT, nothing)
    assert (decision.allowed, decision.limit) == (False, "cool-down")
    assert decision.retry_after > 15


def test_what_the_provider_answered_is_told(door, server, free_port):
    """
    Refusals and streams, too; what nobody answered is no answer.
    """
    seen = []
    store = f"memory://{uuid.uuid4().hex}"
    with RateLimiter(store, limits=UNITS, on_event=seen.append) as limiter:
        door.open(limiter)
        nobody = SimpleNamespace(url=f"http://127.0.0.1:{free_port}")
        with pytest.raises(door.library.ConnectError):
            door.post(nobody)
        door.post(server)
        door.stream(server)
        server.refuse.append((429, rig.OVERLOADED, {"retry-after": "20"}))
        door.post(server)
    answers = [each for each in seen if isinstance(each, events.Answered)]
    assert answers == [events.Answered("", "claude", code) for code in (200, 200, 429)]


def test_what_cannot_succeed_says_so(door, server, limiter):
    """
    And the next call is not sent.
    """
    server.refuse.append((429, MONEY, {}))
    door.open(limiter)
    for _ in range(2):
        answer = door.post(server)
        assert answer.headers["x-should-retry"] == "false"
        with pytest.raises(QuotaExhausted):
            answer.raise_for_status()
    assert len(server.seen) == 1


def test_a_door_can_be_closed_again(server, limiter):
    """
    Twice is once; other settings are refused; what was learnt can be asked for.
    """
    library = pytest.importorskip("httpx2")
    with library.Client() as client:
        assert limit_http(client, limiter, cost="anthropic") is client
        assert limit_http(client, limiter, cost="anthropic") is client
        with pytest.raises(MisuseError, match="P506"):
            limit_http(client, limiter, cost="openai")
        headers = {"x-api-key": KEY}
        client.post(f"{server.url}/v1/messages", json=ASK, headers=headers)
        assert [each.label for each in learnt(client)] == ["unnamed key/claude"]
        assert unlimit(client) is client
        with pytest.raises(ConfigError, match="P113"):
            learnt(client)
        client.post(f"{server.url}/v1/messages", json=ASK, headers=headers)
        assert used(limiter)["requests"] == 1
        with pytest.raises(ConfigError, match="limit_http"):
            limit(client, limiter)


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"cost": "other"}, ConfigError),
        ({"timeout": -1}, ConfigError),
        ({"timout": 1}, TypeError),
    ],
)
def test_settings_that_are_none_are_refused(limiter, terms, error):
    """
    At once, not at the first call.
    """
    with pytest.raises(error):
        LimitedTransport(None, limiter, **terms)
    with pytest.raises(ConfigError, match="P113"):
        limit_http(object(), limiter)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_anthropics_own_sdk(server, limiter, kind):
    """
    Its usage is posted, and its own error is raised, after one attempt.
    """
    anthropic = pytest.importorskip("anthropic")
    if kind == "sync":
        http = limit_http(
            anthropic.DefaultHttpxClient(), limiter, cost="anthropic", timeout=0.2
        )
        client = anthropic.Anthropic(base_url=server.url, api_key=KEY, http_client=http)
        with client:
            assert client.messages.create(**ASK).usage.output_tokens == 34
            with client.messages.stream(**ASK) as stream:
                assert stream.get_final_text() == "Hello"
            exhaust = {"requests": 98, "input_tokens": 0, "output_tokens": 0}
            assert used(limiter)["output_tokens"] == 68
            limiter.acquire(ACCOUNT, exhaust)
            with pytest.raises(anthropic.RateLimitError):
                client.messages.create(**ASK)
        assert len(server.seen) == 2
        return

    async def scenario():
        http = limit_http(
            anthropic.DefaultAsyncHttpxClient(), limiter, cost="anthropic"
        )
        async with anthropic.AsyncAnthropic(
            base_url=server.url, api_key=KEY, http_client=http
        ) as client:
            return await client.messages.create(**ASK)

    assert asyncio.run(scenario()).usage.output_tokens == 34
    assert used(limiter) == {"requests": 1, "input_tokens": 12, "output_tokens": 34}


def test_what_an_observer_saw_is_told():
    """
    By both kinds of it; charges and cool-downs are other events.
    """
    told = []
    store = f"memory://{uuid.uuid4().hex}"
    with RateLimiter(store, limits=UNITS, on_event=told.append) as limiter:
        observe(limiter, ACCOUNT, {})
        asyncio.run(observe_async(limiter, ACCOUNT, {}, 500))
    answers = [each for each in told if isinstance(each, events.Answered)]
    assert answers == [events.Answered("", "claude", code) for code in (200, 500)]


def test_observing_a_refusal_cools_down_for_all(limiter):
    """
    The pause is at least what was asked for, and named.
    """
    headers = {"retry-after": "20"}
    seen = observe(limiter, ACCOUNT, headers, 429, body=b'{"error":{"message":"slow"}}')
    assert (seen.what, seen.final, seen.message) == ("later", False, "slow")
    assert 20 <= seen.wait <= 22.1
    decision = limiter.try_acquire(ACCOUNT, {"input_tokens": 1, "output_tokens": 1})
    assert decision.limit == "cool-down"


@pytest.mark.parametrize(
    ("status", "body", "what", "final"),
    [
        (500, b"", "failed", False),
        (429, b'{"error":{"code":"insufficient_quota"}}', "no_quota", True),
        (429, b'{"error":{"message":"Request too large: x"}}', "too_large", True),
    ],
)
def test_what_no_pause_cures_sets_off_none(limiter, status, body, what, final):
    """
    The observer is told what it is.
    """
    seen = observe(limiter, ACCOUNT, {}, status, body=body)
    assert (seen.what, seen.wait, seen.final) == (what, 0.0, final)
    assert limiter.try_acquire(ACCOUNT, {"input_tokens": 1, "output_tokens": 1})


def test_observing_an_answer_tightens_the_account(limiter):
    """
    Others used the account: what the provider has left is all that is left here.
    """
    headers = {
        "anthropic-ratelimit-requests-limit": "100",
        "anthropic-ratelimit-requests-remaining": "40",
    }
    seen = asyncio.run(observe_async(limiter, ACCOUNT, headers))
    assert (seen.what, seen.wait) == ("ok", 0.0)
    assert 58 <= used(limiter)["requests"] <= 60


def test_an_observer_survives_a_store_that_is_away(limiter, caplog, monkeypatch):
    """
    It is told how long to wait, though nobody else is.
    """

    def away(*_, **__):
        raise StoreUnavailable("away")

    monkeypatch.setattr(limiter, "cool_down", away)
    with caplog.at_level(logging.WARNING):
        seen = observe(limiter, ACCOUNT, {"retry-after": "3"}, 503)
    assert seen.what == "busy"
    assert seen.wait >= 3
    assert "not shared" in caplog.text
