"""Refusals: those of the limiter, and those of a provider that was told to refuse."""

import json
import logging
import pickle
import time

import openai
import pytest

from paceline import (
    ConfigError,
    CostTooLarge,
    Key,
    MisuseError,
    PacelineError,
    RateLimiter,
    RateLimitExceeded,
    StoreUnavailable,
)
from paceline.openai import (
    LimitExceeded,
    QuotaExhausted,
    RequestTooLarge,
    learnt,
    limit,
    unlimit,
)

ASK = [{"role": "user", "content": "hi"}]


def chat(model, **more):
    return {"model": model, "messages": ASK, "max_tokens": 100, **more}


def failing(error, model, **more):
    return chat(model, extra_headers={"x-mock-error": error}, **more)


def requests_of(mock, model):
    """Return how many requests for a model arrived."""
    accounts = [each for each in mock.stats()["accounts"] if each["model"] == model]
    return sum(account["requests"] for account in accounts)


@pytest.fixture
def retrying(world, mock, api_key, limiter):
    """Return a limited client that retries as the SDK does."""
    return limit(world.open(mock.base_url, api_key), limiter)


def test_past_the_timeout_the_sdks_own_error_is_raised_at_once(
    world, mock, api_key, model
):
    """
    A subclass of openai.RateLimitError, after one attempt, with nothing sent.
    """
    with RateLimiter(f"memory://{api_key}", limits="1 request/min") as limiter:
        client = limit(world.open(mock.base_url, api_key), limiter, timeout=0.5)
        world.call(client.chat.completions.create, **chat(model))
        start = time.monotonic()
        with pytest.raises(openai.RateLimitError) as caught:
            world.call(client.chat.completions.create, **chat(model))
        # The SDK's retries would sleep for half a second at least.
        assert time.monotonic() - start < 0.3
    error = caught.value
    assert isinstance(error, LimitExceeded)
    assert isinstance(error, RateLimitExceeded)
    assert 55 < error.retry_after == error.decision.retry_after < 62
    assert (error.status_code, error.code) == (429, "P301")
    assert str(error).startswith("[P301] requests/min of")
    assert api_key not in str(error) + repr(error)
    assert requests_of(mock, model) == 1


def test_a_refusal_survives_a_process_boundary(world, mock, api_key, model):
    """
    Errors can be pickled, with what they say.
    """
    with RateLimiter(f"memory://{api_key}", limits="1 request/min") as limiter:
        client = limit(world.open(mock.base_url, api_key), limiter, timeout=0)
        world.call(client.chat.completions.create, **chat(model))
        with pytest.raises(LimitExceeded) as caught:
            world.call(client.chat.completions.create, **chat(model))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is LimitExceeded
    assert str(copy) == str(caught.value)
    assert copy.retry_after == caught.value.retry_after


def test_a_request_that_could_never_fit_is_refused_without_sending(
    world, client, mock, model
):
    """
    No waiting would help; it is the SDK's error and paceline's.
    """
    with pytest.raises(RequestTooLarge, match="P303") as caught:
        world.call(
            client.chat.completions.create, **chat(model) | {"max_tokens": 70_000}
        )
    assert isinstance(caught.value, CostTooLarge)
    assert isinstance(caught.value, openai.RateLimitError)
    assert requests_of(mock, model) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("insufficient_quota", "insufficient_quota"),
        ("project_spend_limit", "project_spend_limit_exceeded"),
    ],
)
def test_a_bill_that_must_be_paid_is_not_asked_for_twice(
    world, retrying, mock, model, error, code
):
    """
    One request, whatever the SDK's retries; then half a minute without any.
    """
    with pytest.raises(QuotaExhausted, match="P401") as caught:
        world.call(retrying.chat.completions.create, **failing(error, model))
    assert caught.value.code == code
    assert isinstance(caught.value, openai.RateLimitError)
    assert isinstance(caught.value, PacelineError)
    sent = len([each for each in mock.log() if each["model"] == model])
    with pytest.raises(QuotaExhausted) as again:
        world.call(retrying.chat.completions.create, **chat(f"{model}-2"))
    assert again.value.code == code
    assert (
        sent == len([each for each in mock.log() if model in str(each["model"])]) == 1
    )


def test_a_request_that_the_provider_calls_too_large_is_not_repeated(
    world, retrying, mock, model
):
    """
    Nor is one of the same size sent again; a smaller one is.
    """
    large = failing("request_too_large", model)
    with pytest.raises(RequestTooLarge, match="P402"):
        world.call(retrying.chat.completions.create, **large)
    with pytest.raises(RequestTooLarge):
        world.call(retrying.chat.completions.create, **chat(model))
    assert world.call(
        retrying.chat.completions.create, **chat(model) | {"max_tokens": 9}
    )
    assert len([each for each in mock.log() if each["model"] == model]) == 2


def test_a_429_cools_everybody_down(world, client, limiter, api_key, model, used):
    """
    For as long as the server asks, through the store; its tokens go back.
    """
    order = "rate_limit_tokens wait=20s"
    with pytest.raises(openai.RateLimitError):
        world.call(client.chat.completions.create, **failing(order, model))
    decision = limiter.try_acquire(Key(api_key, model), {"tokens": 1})
    assert decision.limit == "cool-down"
    assert 19 < decision.retry_after < 22.5
    limiter.reset(Key(api_key, model))
    assert limiter.try_acquire(Key(api_key, f"{model}-2"), {"tokens": 1})


def test_a_429_gives_its_tokens_back_and_counts_its_request(world, client, model, used):
    """
    The limit that refused charged no tokens; that requests count is OpenAI's word.
    """
    with pytest.raises(openai.RateLimitError):
        world.call(
            client.chat.completions.create,
            **failing("rate_limit_tokens wait=1ms", model),
        )
    time.sleep(0.1)  # the cool-down's jitter
    assert used(model) == {"requests": 1, "tokens": 0}


def test_the_sdks_retries_take_a_permit_each(world, retrying, mock, model, used):
    """
    A retry is a request like any other, and succeeds after the cool-down.
    """
    mock.fail(f"rate_limit_requests model={model} next=1 wait=50ms")
    world.call(retrying.chat.completions.create, **chat(model))
    assert used(model) == {"requests": 2, "tokens": 100}
    assert requests_of(mock, model) == 2


def test_a_failure_of_the_server_keeps_what_it_may_have_charged(
    world, client, model, used
):
    """
    Unless the provider gives back: what was admitted was charged.
    """
    with pytest.raises(openai.InternalServerError):
        world.call(client.chat.completions.create, **failing("server_error", model))
    assert used(model) == {"requests": 1, "tokens": 100}


@pytest.mark.parametrize("order", ["slow_down_503", "server_overloaded"])
def test_an_overload_is_a_short_pause(world, client, limiter, api_key, model, order):
    """
    Of the account, in the server's words; slow_down also halves this process's rate.
    """
    with pytest.raises(openai.InternalServerError):
        world.call(client.chat.completions.create, **failing(f"{order} wait=3s", model))
    decision = limiter.try_acquire(Key(api_key, model), {"tokens": 1})
    assert (decision.limit, 2 < decision.retry_after < 4) == ("cool-down", True)
    (account,) = learnt(client)
    assert account.share == (0.5 if "slow" in order else 1.0)


def test_after_a_cool_down_calls_are_refused_whose_turn_is_too_late(
    world, mock, api_key, limiter, model
):
    """
    Before anything is asked of the store.
    """
    client = world.open(mock.base_url, api_key, max_retries=0)
    limit(client, limiter, timeout=1)
    with pytest.raises(openai.RateLimitError):
        world.call(
            client.chat.completions.create,
            **failing("rate_limit_tokens wait=30s", model),
        )
    with pytest.raises(LimitExceeded) as caught:
        world.call(client.chat.completions.create, **chat(model))
    assert caught.value.decision.limit == "cool-down"
    assert 29 < caught.value.retry_after < 34


def test_what_others_use_of_the_account_is_charged_to_ours(
    world, mock, api_key, limiter, model, used
):
    """
    A client without paceline takes half of the minute: ours learns it from a header.
    """
    other = world.open(mock.base_url, api_key)
    for _ in range(3):
        world.call(
            other.chat.completions.create, **chat(model) | {"max_tokens": 10_000}
        )
    client = limit(world.open(mock.base_url, api_key), limiter)
    world.call(client.chat.completions.create, **chat(model))
    assert 25_000 < used(model)["tokens"] < 31_000
    deaf = world.open(mock.base_url, f"{api_key}-2")
    world.call(deaf.chat.completions.create, **chat(model) | {"max_tokens": 30_000})
    limit(deaf, limiter, learn=False, scope="deaf")
    world.call(deaf.chat.completions.create, **chat(model))
    assert used(model, "deaf")["tokens"] == 100


def test_refunds_begin_once_the_headers_have_shown_them(world, api_key, limiter, model):
    """
    "shown": until then what was reserved stays, from then on the truth is posted.
    """
    from paceline.mock import serve

    limits = ["600 requests/min", "60k tokens/min"]
    with serve(limits=limits, latency=0.001, jitter=0, charge="actual") as giving:
        client = limit(world.open(giving.base_url, api_key), limiter)
        big = chat(model) | {"max_tokens": 5000}
        for _ in range(8):
            world.call(client.chat.completions.create, **big)
        (account,) = learnt(client)
        assert account.gives_back
        _, before = limiter.peek(Key(api_key, model))
        world.call(client.chat.completions.create, **big)
        _, after = limiter.peek(Key(api_key, model))
    assert before.remaining - after.remaining < 100


def test_a_provider_that_keeps_its_reserve_is_believed(world, client, model, used):
    """
    The same calls against a server that gives nothing back.
    """
    for _ in range(8):
        options = chat(model) | {"max_tokens": 5000}
        world.call(client.chat.completions.create, **options)
    assert [account.gives_back for account in learnt(client)] == [False]
    assert used(model)["tokens"] == 40_000


def test_a_limit_below_ours_is_told(world, mock, api_key, model, caplog):
    """
    Once, in a log line with both numbers.
    """
    limits = ["600 requests/min", "90k tokens/min"]
    with RateLimiter(f"memory://{api_key}", limits=limits) as limiter:
        client = limit(world.open(mock.base_url, api_key), limiter)
        with caplog.at_level(logging.WARNING, "paceline"):
            for _ in range(2):
                world.call(client.chat.completions.create, **chat(model))
    said = [record.message for record in caplog.records]
    assert len([each for each in said if "allows 60,000" in each]) == 1


def test_a_store_that_is_away_is_said_once_and_not_retried(world, mock, free_port):
    """
    StoreUnavailable reaches the caller as it is.
    """
    url = f"redis://127.0.0.1:{free_port}/0"
    with RateLimiter(url, limits="9/min") as limiter:
        client = limit(world.open(mock.base_url, "sk-1"), limiter)
        start = time.monotonic()
        with pytest.raises(StoreUnavailable):
            world.call(client.chat.completions.create, **chat("m"))
        assert time.monotonic() - start < 0.4


def test_a_users_function_that_fails_is_not_retried(world, mock, limiter):
    """
    Older SDKs would wrap it in an APIConnectionError, after three attempts.
    """
    calls = []

    def price(body):
        calls.append(body)
        raise KeyError("price")

    client = limit(world.open(mock.base_url, "sk-1"), limiter, cost=price)
    with pytest.raises(KeyError, match="price"):
        world.call(client.chat.completions.create, **chat("m"))
    assert len(calls) == 1


def test_a_sync_client_in_an_event_loop_is_told_its_twin(mock, api_key, limiter):
    """
    It would block everybody else while it waits.
    """
    import asyncio

    async def main():
        with openai.OpenAI(base_url=mock.base_url, api_key=api_key) as client:
            limit(client, limiter)
            with pytest.raises(MisuseError, match="AsyncOpenAI"):
                client.chat.completions.create(**chat("m"))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"timeout": -1}, "P111"),
        ({"cost": "opnai"}, "P113"),
        ({"refund": "maybe"}, "P113"),
        ({"tokens": "tiktoken"}, "P113"),
        ({"usage": "yes"}, "P113"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(limiter, options, code):
    """
    When the client is limited, not when it is used.
    """
    with openai.OpenAI(api_key="sk-1") as client, pytest.raises(ConfigError) as caught:
        limit(client, limiter, **options)
    assert caught.value.code == code


def test_what_is_no_client_is_refused(limiter):
    """
    By its type; and a client that is not limited has learnt nothing.
    """
    for function in (unlimit, learnt, lambda client: limit(client, limiter)):
        with pytest.raises(ConfigError, match="P113"):
            function(object())
    with (
        openai.OpenAI(api_key="sk-1") as client,
        pytest.raises(ConfigError, match="P113"),
    ):
        learnt(client)


def test_other_settings_for_the_same_client_are_refused(limiter):
    """
    The HTTP client below has one hook; a second would count twice.
    """
    with openai.OpenAI(api_key="sk-1") as client:
        limit(client, limiter, scope="a")
        with pytest.raises(MisuseError, match="P506"):
            limit(client, limiter, scope="b")
        limit(unlimit(client), limiter, scope="b")


def test_a_key_that_is_made_anew_names_no_quota(limiter):
    """
    A function for the API key needs a scope.
    """
    with openai.OpenAI(api_key=lambda: "sk-of-this-hour") as client:
        if callable(client.api_key):
            pytest.skip("this SDK takes no functions")
        with pytest.raises(ConfigError, match="P112"):
            limit(client, limiter)
        limit(client, limiter, scope="team")


WITHOUT_THE_SDK = """
import sys
sys.modules["openai"] = None
import asyncio, httpx
from paceline import Key, RateLimiter
from paceline.langchain import ChatRateLimiter
from paceline.openai import *

limiter = RateLimiter("memory://", limits="60k tokens/min")
ask = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
where = sys.argv[1] + "/chat/completions"
key = {"authorization": "Bearer sk-none"}


def left():
    return limiter.peek(Key("sk-none", "m"))[0].remaining


with limit_http(httpx.Client(headers=key), limiter, timeout=0) as http:
    http.post(where, json=ask | {"max_tokens": 40_000}).raise_for_status()
    print(left())
    try:
        http.post(where, json=ask | {"max_tokens": 40_000}).raise_for_status()
    except LimitExceeded as error:
        print(error.code, error.status_code)
transport = LimitedTransport(httpx.HTTPTransport(), limiter)
with httpx.Client(headers=key, transport=transport) as http:
    http.post(where, json=ask | {"max_tokens": 5_000}).raise_for_status()


async def call():
    inner = AsyncLimitedTransport(httpx.AsyncHTTPTransport(), limiter)
    async with httpx.AsyncClient(headers=key, transport=inner) as http:
        (await http.post(where, json=ask | {"max_tokens": 5_000})).raise_for_status()
    return await observe_async(limiter, Key("sk-none", "m"), {}, 200)


print(asyncio.run(call()).what, left())
headers = {"retry-after": "5"}
print(observe(limiter, Key("sk-none", "m"), headers, 429, body=b"{}").what)
print(ChatRateLimiter(limiter, "chain", cost={"tokens": 1}).acquire())
try:
    limit(http, limiter)
except Exception as error:
    print(error)
"""


def test_the_other_doors_do_without_the_sdk(mock):
    """
    A client of httpx, its transports, observe, and LangChain's; only limit() says what
    to install.
    """
    import subprocess
    import sys

    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_THE_SDK, mock.base_url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    *lines, said, hint = ran.stdout.splitlines()
    assert lines == ["20000", "P301 429", "ok 10000", "later", "True"]
    assert said == "[P601] limit() needs the openai package"
    assert 'pip install "paceline[openai]"' in hint


def test_the_answer_that_refuses_is_one_of_the_clients_own_library(
    world, mock, api_key, model
):
    """
    Who uses the HTTP client itself gets a 429 with a body.
    """
    with RateLimiter(f"memory://{api_key}", limits="1 request/min") as limiter:
        client = limit(world.open(mock.base_url, api_key), limiter, timeout=0)
        world.call(client.chat.completions.create, **chat(model))
        http = client._client
        headers = {"authorization": f"Bearer {api_key}"}
        options = {"json": chat(model), "headers": headers}
        request = http.build_request(
            "POST", f"{mock.base_url}/chat/completions", **options
        )
        response = world.call(http.send, request)
    assert response.status_code == 429
    assert (
        type(response).__module__.split(".")[0]
        == type(request).__module__.split(".")[0]
    )
    assert json.loads(response.content)["error"]["code"] == "P301"
