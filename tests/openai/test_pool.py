"""Pools: several quotas as one, against a server over real sockets."""

import json
import logging
import threading
import time
import urllib.request
import uuid

import openai
import pytest

import rig
from paceline import ConfigError, Key, MisuseError, RateLimiter
from paceline.openai import (
    Credential,
    LimitExceeded,
    Pool,
    QuotaExhausted,
    learnt,
    limit,
)
from paceline.openai._pool import drain

ASK = [{"role": "user", "content": "hi"}]


def chat(model, **more):
    return {"model": model, "messages": ASK, "max_tokens": 100, **more}


class Quotas:
    """Keys with an account of their own each, and what the server saw of them."""

    def __init__(self, mock, count):
        self.mock = mock
        name = uuid.uuid4().hex[:8]
        self.scopes = [f"{name}-{letter}" for letter in "abcdef"[:count]]
        self.keys = [f"sk-{uuid.uuid4().hex}" for _ in self.scopes]
        self._labels = [self._label(key) for key in self.keys]

    def pool(self, **options):
        pairs = zip(self.keys, self.scopes, strict=True)
        return Pool([Credential(api_key=k, scope=s) for k, s in pairs], **options)

    def fail(self, number, error):
        self.mock.fail(f"{error} key={self.keys[number]}")

    def seen(self, model):
        """Return how many requests for a model arrived, per credential."""
        log = [each for each in self.mock.log() if each["model"] == model]
        return [sum(each["key"] == label for each in log) for label in self._labels]

    def _label(self, key):
        """Return what the server calls a key."""
        name = f"probe-{key[-8:]}"
        request = urllib.request.Request(
            f"{self.mock.base_url}/embeddings",
            json.dumps({"model": name, "input": "x"}).encode(),
            {"authorization": f"Bearer {key}"},
        )
        urllib.request.urlopen(request).close()
        return next(e["key"] for e in self.mock.log() if e["model"] == name)


@pytest.fixture
def two(mock):
    """Return two quotas."""
    yield Quotas(mock, 2)
    mock.recover()


@pytest.fixture
def opened(world, mock, limiter):
    """Return a function: a client whose calls go through a pool."""

    def of(pool, limiter=limiter, **options):
        client = world.open(mock.base_url, "pool", max_retries=0)
        return limit(client, limiter, pool=pool, **options)

    return of


def test_idle_quotas_share_the_calls_and_the_clients_own_key_is_not_sent(
    world, two, opened, limiter, model
):
    """
    Each call is charged to the quota whose key it was sent with, and to no other.
    """
    client = opened(two.pool())
    for _ in range(12):
        world.call(client.chat.completions.create, **chat(model))
    seen = two.seen(model)
    assert sum(seen) == 12
    assert min(seen) > 0
    charged = [
        status.capacity - status.remaining
        for scope in two.scopes
        for status in limiter.peek(Key(scope=scope, model=model))
        if status.unit == "requests"
    ]
    assert charged == seen
    assert {each.label for each in learnt(client)} == {
        f"{scope}/{model}" for scope in two.scopes
    }


def test_the_earliest_turn_wins(world, two, opened, api_key, model):
    """
    A quota that is used up is passed over, and the second one is used to its end.
    """
    with RateLimiter(f"memory://{api_key}", limits="3 requests/min") as limiter:
        limiter.acquire(Key(scope=two.scopes[0], model=model), 2)
        client = opened(two.pool(), limiter, timeout=0.2)
        for _ in range(4):
            world.call(client.chat.completions.create, **chat(model))
        assert two.seen(model) == [1, 3]
        with pytest.raises(LimitExceeded) as caught:
            world.call(client.chat.completions.create, **chat(model))
        assert 55 < caught.value.retry_after < 62


def test_quotas_of_different_sizes_bring_a_limiter_of_their_own(
    world, two, opened, limiter, api_key, model
):
    """
    A small one is used to its end, the rest goes to the other.
    """
    with RateLimiter(f"memory://{api_key}", limits="1 request/min") as small:
        pairs = zip(two.keys, two.scopes, [small, None], strict=True)
        pool = Pool([Credential(api_key=k, scope=s, limiter=m) for k, s, m in pairs])
        client = opened(pool, timeout=0.5)
        for _ in range(5):
            world.call(client.chat.completions.create, **chat(model))
    assert two.seen(model) == [1, 4]


def test_quotas_may_be_charged_by_rules_of_their_own(world, two, opened, used, model):
    """
    The first gives back what was not used; the second counts prompt and answer, and
    keeps both; the estimate is the second's own.
    """
    first, second = two.scopes
    pool = Pool(
        [
            Credential(api_key=two.keys[0], scope=first, refund="always"),
            Credential(
                api_key=two.keys[1], scope=second, cost="azure", tokens=lambda _: 70
            ),
        ]
    )
    client = opened(pool)
    answers = [
        world.call(client.chat.completions.create, **chat(model)) for _ in range(8)
    ]
    spent = answers[0].usage.total_tokens
    ours, theirs = (used(model, scope) for scope in two.scopes)
    assert ours["requests"] + theirs["requests"] == 8
    assert ours["tokens"] == spent * ours["requests"]
    assert theirs["tokens"] == 170 * theirs["requests"]
    assert ours["requests"] * theirs["requests"] > 0


def test_who_waits_waits_where_the_turn_comes_first(two, mock, model):
    """
    Eight threads on two quotas of 5/s: all are served by both, none is refused.
    """
    limits = "5 requests/s"
    with (
        RateLimiter(f"memory://{model}", limits=limits) as limiter,
        openai.OpenAI(base_url=mock.base_url, api_key="pool") as client,
    ):
        limit(client, limiter, pool=two.pool())
        start = time.monotonic()
        work = [
            threading.Thread(
                target=lambda: [
                    client.chat.completions.create(**chat(model)) for _ in range(3)
                ]
            )
            for _ in range(8)
        ]
        for each in work:
            each.start()
        for each in work:
            each.join()
        # 24 calls: 10 at once, 10 a second later, 4 after that.
        assert time.monotonic() - start < 3.9
    seen = two.seen(model)
    assert sum(seen) == 24
    assert min(seen) >= 9


def test_a_refused_call_goes_to_another_quota_and_all_leave_that_one_alone(
    world, two, opened, limiter, model
):
    """
    Failover is inside the call; the cool-down is shared through the store, which
    counts the 429 to the quota that gave it.
    """
    two.fail(0, "rate_limit_requests wait=30s")
    client = opened(two.pool())
    for _ in range(8):
        assert world.call(client.chat.completions.create, **chat(model)).usage
    assert two.seen(model) == [1, 8]
    cooled = limiter.try_acquire(Key(scope=two.scopes[0], model=model), {"tokens": 1})
    assert (cooled.allowed, cooled.limit) == (False, "cool-down")
    assert cooled.retry_after > 25
    known = [limiter.exchange(Key(scope=each, model=model)) for each in two.scopes]
    assert int(known[0]["429s"].value[:13]) == 1
    assert "429s" not in known[1]


def test_a_quota_without_money_is_left_alone(world, two, opened, model):
    """
    No call fails while another quota has room; the pool tells who rests and why.
    """
    two.fail(0, "insufficient_quota")
    pool = two.pool()
    client = opened(pool)
    for _ in range(8):
        assert world.call(client.chat.completions.create, **chat(model)).usage
    assert two.seen(model) == [1, 8]
    assert dict(pool.resting) == {two.scopes[0]: "429: insufficient_quota"}
    two.fail(1, "insufficient_quota")
    with pytest.raises(QuotaExhausted, match="P401"):
        world.call(client.chat.completions.create, **chat(model))


def test_a_key_that_is_not_known_is_left_alone(world, two, opened, model, caplog):
    """
    One warning names the scope, not the key; without another key 401 is the answer.
    """
    two.fail(0, "invalid_api_key")
    client = opened(two.pool())
    for _ in range(8):
        assert world.call(client.chat.completions.create, **chat(model)).usage
    assert two.seen(model) == [1, 8]
    said = [each.message for each in caplog.records if "401" in each.message]
    assert len(said) == 1
    assert two.scopes[0] in said[0]
    assert not any(key in caplog.text for key in two.keys)
    two.fail(1, "invalid_api_key")
    for _ in range(2):
        with pytest.raises(openai.AuthenticationError):
            world.call(client.chat.completions.create, **chat(model))


def test_streams_fail_over_too(world, two, opened, model):
    """
    Before the first event, as any call.
    """
    two.fail(0, "rate_limit_tokens wait=30s")
    client = opened(two.pool())
    for _ in range(3):
        stream = world.call(client.chat.completions.create, **chat(model, stream=True))
        assert len(world.each(stream)) > 2
    assert two.seen(model)[0] <= 1


def test_when_all_refuse_the_providers_answer_is_raised(world, two, opened, model):
    """
    After one attempt at each of them.
    """
    for number in range(2):
        two.fail(number, "rate_limit_requests wait=30s")
    client = opened(two.pool(), timeout=1)
    with pytest.raises(openai.RateLimitError) as caught:
        world.call(client.chat.completions.create, **chat(model))
    assert caught.value.code == "rate_limit_exceeded"
    mock_saw = two.mock.stats()["accounts"]
    assert sum(each["requests"] for each in mock_saw if each["model"] == model) == 2


def test_a_place_that_is_not_there_is_left_for_another(world, mock, opened, model):
    """
    Nothing was sent, so nothing is lost; the permit there went back.
    """
    gone = f"http://127.0.0.1:{rig.free_port()}/v1"
    keys = [f"sk-{uuid.uuid4().hex}" for _ in range(2)]
    pool = Pool(
        [
            Credential(api_key=keys[0], scope=f"{model}-far", base_url=gone),
            Credential(api_key=keys[1], scope=f"{model}-near"),
        ]
    )
    client = opened(pool)
    for _ in range(6):
        assert world.call(client.chat.completions.create, **chat(model)).usage
    assert dict(pool.resting) in ({f"{model}-far": "ConnectError"}, {})


def test_sticky_calls_meet_the_same_quota_in_every_process(world, two, opened, model):
    """
    What names a prompt cache decides.
    """
    seen = {}
    for _ in range(2):  # two pools, as two processes have
        client = opened(two.pool(sticky="prompt_cache_key"))
        for number in range(4):
            before = two.seen(model)
            more = {"prompt_cache_key": f"conversation-{number}"}
            world.call(client.chat.completions.create, **chat(model, extra_body=more))
            after = two.seen(model)
            where = [b - a for a, b in zip(before, after, strict=True)].index(1)
            assert seen.setdefault(number, where) == where


def test_sticky_names_spread_and_few_move_when_a_credential_leaves():
    """
    Only those move whose quota is gone. No name, no preference.
    """
    scopes = ["eu", "us", "asia", "africa"]
    of = [Credential(api_key=f"key-{scope}", scope=scope) for scope in scopes]
    whole, rest = Pool(of, sticky="user"), Pool(of[:3], sticky="user")
    names = [{"user": f"user-{number}"} for number in range(400)]
    before = [whole.order(body)[0][0] for body in names]
    after = [rest.order(body)[0][0] for body in names]
    assert all(before.count(number) > 60 for number in range(4))
    assert all(a == b for a, b in zip(after, before, strict=True) if b != 3)
    assert whole.order({"user": "a"})[1] is True
    assert whole.order({})[1] is False


@pytest.mark.parametrize("patience", [0.1, None])
def test_a_sticky_call_goes_elsewhere_rather_than_wait_too_long(
    world, two, opened, api_key, model, patience
):
    """
    Unless it was told never to.
    """
    with RateLimiter(f"memory://{api_key}", limits="1 request/min") as limiter:
        pool = two.pool(sticky=lambda body: body["messages"][0]["content"])
        pool.patience = patience
        client = opened(pool, limiter, timeout=0.3)
        world.call(client.chat.completions.create, **chat(model))
        if patience is None:
            with pytest.raises(LimitExceeded):
                world.call(client.chat.completions.create, **chat(model))
        else:
            world.call(client.chat.completions.create, **chat(model))
    assert sorted(two.seen(model)) == ([0, 1] if patience is None else [1, 1])


def test_two_quotas_of_one_organisation_are_told_of_once(
    world, two, opened, model, caplog
):
    """
    The answers say whose they are. More keys of one organisation add nothing.
    """
    client = opened(two.pool())
    for _ in range(10):
        world.call(client.chat.completions.create, **chat(model))
    said = [r for r in caplog.records if "both of the organization" in r.message]
    assert [each.levelno for each in said] == [logging.WARNING]
    assert all(scope in said[0].message for scope in two.scopes)


def test_two_keys_of_one_quota_share_one_account(world, mock, opened, limiter, model):
    """
    And nobody is warned: they were declared as one.
    """
    keys = [f"sk-{uuid.uuid4().hex}" for _ in range(2)]
    pool = Pool([Credential(api_key=key, scope=f"{model}-p") for key in keys])
    client = opened(pool)
    for _ in range(4):
        world.call(client.chat.completions.create, **chat(model))
    status, _ = limiter.peek(Key(scope=f"{model}-p", model=model))
    assert status.capacity - status.remaining == 4


def test_what_is_stored_at_the_provider_stays_with_the_first(
    world, two, opened, limiter
):
    """
    Files, batches and lists are known to one quota alone.
    """
    client = opened(two.pool())
    for _ in range(6):
        world.call(client.models.list)
    charged = [limiter.peek(Key(scope=scope))[0] for scope in two.scopes]
    assert [each.capacity - each.remaining for each in charged] == [6, 0]


def test_the_keys_go_nowhere_but_to_the_base_url(world, two, opened, mock):
    """
    Another place is refused before anything is sent.
    """
    client = opened(two.pool())
    elsewhere = f"{mock.azure_endpoint}/other/models"
    with pytest.raises(ConfigError, match="P132"):
        world.call(client.get, elsewhere, cast_to=object)


def test_azure_deployments_with_quotas_of_their_own(world, mock, limiter, model):
    """
    Each has its endpoint, and its key in Azure's header.
    """
    keys = [uuid.uuid4().hex for _ in range(2)]
    place = f"{mock.azure_endpoint}/openai"
    pool = Pool(
        [
            Credential(api_key=key, scope=f"{model}-{key[:4]}", base_url=place)
            for key in keys
        ]
    )
    client = limit(
        world.azure(mock.azure_endpoint, api_key="pool", max_retries=0),
        limiter,
        pool=pool,
    )
    for _ in range(8):
        assert world.call(client.chat.completions.create, **chat(model)).usage
    accounts = [each for each in mock.stats()["accounts"] if each["model"] == model]
    assert len(accounts) == 2


def test_identities_are_the_credentials_own(mock, limiter, model, monkeypatch):
    """
    The client's organisation and project are not sent with another one's key.
    """
    library = __import__(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])
    sent = []

    def answer(request):
        sent.append(request.headers)
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        return library.Response(200, json={"object": "list", "data": data})

    http = library.Client(transport=library.MockTransport(answer))
    client = openai.OpenAI(
        base_url="http://api.test/v1",
        api_key="pool",
        organization="org-client",
        project="proj-client",
        http_client=http,
    )
    monkeypatch.setenv("KEY_EU", "sk-eu ")
    pool = Pool(
        [Credential(env="KEY_EU", organization="org-eu", base_url="http://eu.test/v1/")]
    )
    with limit(client, limiter, pool=pool):
        client.embeddings.create(model=model, input="x")
    (headers,) = sent
    assert headers["authorization"] == "Bearer sk-eu"
    assert headers["openai-organization"] == "org-eu"
    assert "openai-project" not in headers
    assert headers["host"] == "eu.test"
    assert headers["user-agent"].startswith("OpenAI/Python")


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ([], "no credentials"),
        ([Credential()], "neither env nor api_key"),
        ([Credential("A", api_key="b")], "both env and api_key"),
        ([Credential(api_key="k", base_url="eu.test/v1")], "no URL"),
        ([Credential("NOT_SET_ANYWHERE")], r"\$NOT_SET_ANYWHERE is empty"),
        (
            [Credential(api_key="k", scope="a"), Credential(api_key="k", scope="b")],
            "one key under two names",
        ),
    ],
)
def test_pools_that_make_no_sense(credentials, words):
    """
    The error says which credential, and never the key.
    """
    with pytest.raises(ConfigError, match=words) as caught:
        Pool(credentials)
    assert caught.value.code == "P131"


def test_a_pool_hides_its_keys_and_excludes_a_scope(limiter):
    """
    Neither reprs nor errors have them.
    """
    secret = "sk-secret-0123456789"
    pool = Pool([Credential(api_key=secret, scope="eu"), Credential(api_key="other")])
    assert repr(pool) == "Pool([eu, credential 2])"
    assert secret not in repr(pool.credentials)
    with openai.OpenAI(api_key="pool") as client:
        with pytest.raises(ConfigError, match="P131"):
            limit(client, limiter, pool=pool, scope="a")
        with pytest.raises(ConfigError, match="P131"):
            limit(client, limiter, pool=[secret])


def test_the_same_pool_twice_is_once_and_another_one_is_refused(limiter):
    """
    As with all other settings.
    """
    with openai.OpenAI(api_key="pool") as client:
        pool = Pool([Credential(api_key="a", scope="a")])
        limit(client, limiter, pool=pool)
        assert limit(client, limiter, pool=pool) is client
        with pytest.raises(MisuseError, match="P506"):
            limit(client, limiter, pool=Pool(pool.credentials))


def test_who_waits_is_counted_once():
    """
    The backlog is the room that the store foresaw, and what waits since.
    """
    pool, key = Pool([Credential(api_key="a", scope="a")]), Key(scope="a")
    with RateLimiter("memory://backlog", limits="60 requests/min") as limiter:
        limits = limiter._engine.lookup(key)[1].limits
    assert pool.backlog(key, limits, 100.0) is None
    pool.queue(key, {"requests": 1}, 105.0)
    assert pool.backlog(key, limits, 100.0) == 6.0
    pool.queue(key, {"requests": 2}, None)
    assert pool.backlog(key, limits, 100.0) == 8.0
    assert pool.backlog(key, limits, 110.0) == 3.0
    for cost in (1, 2):
        pool.unqueue(key, {"requests": cost})
    assert pool.backlog(key, limits, 100.0) is None


def test_what_waits_takes_as_long_as_the_slowest_limit():
    """
    Seconds until so many units have passed; a calendar says nothing of now.
    """
    with RateLimiter(
        "memory://drain", limits=["60 requests/min", "600 tokens/min burst 10"]
    ) as limiter:
        limits = limiter._engine.lookup("a")[1].limits
    assert drain(limits, {"requests": 2, "tokens": 50}) == 5.0
    assert drain(limits, {"requests": 9, "tokens": 0}) == 9.0
