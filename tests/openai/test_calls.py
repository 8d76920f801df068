"""Limited clients of the SDK, sync and async, against a server over real sockets."""

import asyncio
import gc
import sys
import time
import weakref
from functools import partial

import anyio
import openai
import pytest

from paceline import Key, RateLimiter
from paceline.openai import learnt, limit, unlimit

ASK = [{"role": "user", "content": "How many processes share this quota?"}]


def chat(model, **more):
    return {"model": model, "messages": ASK, "max_tokens": 500, **more}


def test_a_chat_reserves_what_the_provider_charges(world, client, model, used):
    """
    One request, and max_tokens where it is the larger; that is kept by default.
    """
    answer = world.call(client.chat.completions.create, **chat(model))
    assert answer.usage.completion_tokens == 16
    assert used(model) == {"requests": 1, "tokens": 500}


def test_responses_and_embeddings_are_counted_too(world, client, model, used):
    """
    Each endpoint has its own names for the same things.
    """
    if not hasattr(client, "responses"):
        pytest.skip("this SDK has no responses")
    world.call(client.responses.create, model=model, input="hi", max_output_tokens=300)
    assert used(model) == {"requests": 1, "tokens": 300}
    world.call(client.embeddings.create, model=model, input=["x" * 400])
    assert used(model) == {"requests": 2, "tokens": 400}


def test_what_costs_no_tokens_costs_a_request(world, client, used):
    """
    Lists, files and polls pass, and are counted as calls without a model.
    """
    world.call(client.models.list)
    assert used(None) == {"requests": 1, "tokens": 0}


def test_what_no_limit_fits_passes_if_it_costs_no_tokens(world, mock, api_key, model):
    """
    Where limits go by model, calls without one go free; a model without limits fails.
    """
    with RateLimiter(f"memory://{api_key}", limits={model: "9/min"}) as limiter:
        client = limit(world.open(mock.base_url, api_key), limiter)
        world.call(client.models.list)
        with pytest.raises(ValueError, match="P104"):
            world.call(client.chat.completions.create, **chat("another"))
        assert world.call(client.chat.completions.create, **chat(model)).usage


@pytest.mark.parametrize("refund", ["always", "never"])
def test_the_true_cost_is_posted(world, mock, api_key, limiter, model, used, refund):
    """
    Of what was reserved the unused part comes back, if the provider gives it back.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, refund=refund)
    answer = world.call(client.chat.completions.create, **chat(model))
    tokens = answer.usage.total_tokens if refund == "always" else 500
    assert used(model) == {"requests": 1, "tokens": tokens}


def stream_of(world, client, endpoint, model):
    if endpoint == "responses":
        if not hasattr(client, "responses"):
            pytest.skip("this SDK has no responses")
        create = client.responses.create
        options = {"model": model, "input": "hi", "max_output_tokens": 300}
    else:
        create = client.chat.completions.create
        options = chat(model, stream_options={"include_usage": True})
    return world.call(create, stream=True, **options)


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_a_streams_usage_is_posted_at_its_end(
    world, mock, api_key, limiter, model, used, endpoint
):
    """
    Compressed or not, the end of a stream tells what it used.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, refund="always")
    events = world.each(stream_of(world, client, endpoint, model))
    last = events[-1] if endpoint == "chat" else events[-1].response
    assert used(model) == {"requests": 1, "tokens": last.usage.total_tokens}


def test_a_stream_is_neither_kept_nor_delayed(world, mock, api_key, limiter, model):
    """
    The first event is there while the server still works on the others.
    """
    client = limit(world.open(mock.base_url, api_key), limiter)
    slow = {"x-mock-chunk-delay": "0.05", "x-mock-output-tokens": "10"}
    moments = []

    def note(_):
        moments.append(time.monotonic())

    async def watch():
        options = chat(model, stream=True, extra_headers=slow)
        async for event in await client.chat.completions.create(**options):
            note(event)

    if world.is_async:
        world.wait(watch())
    else:
        options = chat(model, stream=True, extra_headers=slow)
        for event in client.chat.completions.create(**options):
            note(event)
    assert len(moments) >= 10
    # Kept back, all would come within a moment.
    assert moments[-1] - moments[0] > 0.25


def test_usage_that_was_not_asked_for_is_hidden(
    world, mock, api_key, limiter, model, used
):
    """
    The server is asked for it; who loops over choices[0] does not notice.
    """
    options = {"refund": "always", "usage": "inject"}
    client = limit(world.open(mock.base_url, api_key), limiter, **options)
    before = mock.log()[-1:]
    stream = world.call(client.chat.completions.create, **chat(model, stream=True))
    texts = [event.choices[0].delta.content for event in world.each(stream)]
    assert "".join(text or "" for text in texts)
    assert used(model)["tokens"] < 60
    assert mock.log()[-1:] != before


def test_usage_that_was_asked_for_is_shown(world, mock, api_key, limiter, model):
    """
    Hiding is for who did not ask.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, usage="inject")
    events = world.each(stream_of(world, client, "chat", model))
    assert events[-1].usage.total_tokens > 0


def test_a_stream_without_usage_keeps_its_estimate(
    world, mock, api_key, limiter, model, used
):
    """
    Unless asked for, chat streams do not tell.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, refund="always")
    stream = world.call(client.chat.completions.create, **chat(model, stream=True))
    assert world.each(stream)
    assert used(model) == {"requests": 1, "tokens": 500}


def test_raw_and_streaming_responses_are_settled(
    world, mock, api_key, limiter, model, used
):
    """
    with_raw_response has its body at once, with_streaming_response reads it itself.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, refund="always")
    completions = client.chat.completions
    raw = world.call(completions.with_raw_response.create, **chat(model))
    once = raw.parse().usage.total_tokens
    assert used(model) == {"requests": 1, "tokens": once}

    async def read():
        make = completions.with_streaming_response.create
        async with make(**chat(model)) as response:
            return await response.parse()

    if world.is_async:
        parsed = world.wait(read())
    else:
        with completions.with_streaming_response.create(**chat(model)) as response:
            parsed = response.parse()
    total = once + parsed.usage.total_tokens
    assert used(model) == {"requests": 2, "tokens": total}


def test_a_copy_of_the_client_is_limited(world, client, api_key, model, used):
    """
    with_options() shares the HTTP client; with another key it has another account.
    """
    copy = client.with_options(timeout=5)
    world.call(copy.chat.completions.create, **chat(model))
    assert used(model)["requests"] == 1
    other = client.with_options(api_key=f"{api_key}-2")
    world.call(other.chat.completions.create, **chat(model))
    assert used(model)["requests"] == 1


def test_a_scope_is_one_quota_whatever_the_key(world, mock, limiter, model, used):
    """
    Keys of one project share one limit at the provider.
    """
    first, second = (world.open(mock.base_url, key) for key in ("sk-1", "sk-2"))
    for client in (first, second):
        limit(client, limiter, scope="team")
        world.call(client.chat.completions.create, **chat(model))
    assert used(model, "team") == {"requests": 2, "tokens": 1000}


def test_azure_has_its_deployments(world, mock, api_key, limiter, model):
    """
    The deployment has the account, and the price is the sum.
    """
    client = limit(world.azure(mock.azure_endpoint, api_key=api_key), limiter)
    answer = world.call(client.chat.completions.create, **chat(model))
    assert answer.usage
    _, tokens = limiter.peek(Key(api_key, model))
    assert 500 < tokens.capacity - tokens.remaining < 530
    assert [each.gives_back for each in learnt(client)] == [False]


def test_azure_with_tokens_that_change_goes_by_its_host(world, mock, limiter, model):
    """
    A token of Entra lives for an hour; its quota is that of the resource.
    """
    client = world.azure(mock.azure_endpoint, azure_ad_token="token-of-this-hour")
    limit(client, limiter)
    world.call(client.chat.completions.create, **chat(model))
    requests, _ = limiter.peek(Key(scope="127.0.0.1", model=model))
    assert requests.remaining == 599


def test_limiting_twice_is_once_and_can_be_undone(
    world, mock, api_key, limiter, model, used
):
    """
    The same settings change nothing; unlimit() leaves the client as it was.
    """
    client = world.open(mock.base_url, api_key)
    before = client._client.send
    assert limit(client, limiter) is client
    send = client._client.send
    assert limit(client, limiter) is client
    assert client._client.send is send
    world.call(client.chat.completions.create, **chat(model))
    assert used(model)["requests"] == 1
    assert unlimit(unlimit(client)) is client
    assert client._client.send == before
    world.call(client.chat.completions.create, **chat(model))
    assert used(model)["requests"] == 1


def test_the_hook_does_not_keep_its_http_client(limiter):
    """
    A client that falls is gone at once, as without the hook.
    """
    bare, client = openai.OpenAI(api_key="sk-1"), openai.OpenAI(api_key="sk-1")
    limit(client, limiter)
    before, http = weakref.ref(bare._client), weakref.ref(client._client)
    gc.disable()
    try:
        del bare, client
        # The oldest SDKs keep theirs themselves, in a cycle.
        assert (http() is None) == (before() is None)
    finally:
        gc.enable()


def test_an_upload_is_counted_and_never_read(world, client, model, used):
    """
    Its body is a stream; its model is among its fields.
    """
    with pytest.raises(openai.APIStatusError):
        world.call(
            client.audio.transcriptions.create, model=model, file=("a.wav", b"RIFF")
        )
    assert used(model) == {"requests": 1, "tokens": 0}


def test_the_ratio_is_learnt_from_answers(world, client, model):
    """
    Text of which the provider makes fewer tokens is estimated lower next time.
    """
    text = [{"role": "user", "content": "ж" * 400}]  # 800 bytes, 400 characters
    options = {"model": model, "messages": text, "max_tokens": 5}
    world.call(client.chat.completions.create, **options)
    (account,) = learnt(client)
    assert account.ratio < 0.75
    assert account.limits[("tokens", 60.0)] == 60_000


def test_exact_counts_and_own_counts(world, mock, api_key, limiter, model, used):
    """
    A vocabulary on this machine, or any function of the body.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, tokens="exact")
    body = {"model": model, "input": "a b c d e f"}  # 3 to a rule of thumb
    world.call(client.embeddings.create, **body)
    assert used(model)["tokens"] == 6
    limit(unlimit(client), limiter, tokens=lambda body: 77)
    world.call(client.embeddings.create, **body)
    assert used(model)["tokens"] == 83


@pytest.mark.parametrize("ending", ["drop", "close"])
def test_a_stream_that_is_left_is_posted(
    world, mock, api_key, limiter, model, used, ending
):
    """
    However it is left: its usage was told and is posted, by the collector if need be.
    """
    client = limit(world.open(mock.base_url, api_key), limiter, refund="always")
    options = chat(model, stream=True, stream_options={"include_usage": True})

    def leave():
        stream = world.call(client.chat.completions.create, **options)

        async def until_usage():
            async for event in stream:
                if event.usage:
                    return

        if world.is_async:
            world.wait(until_usage())
        else:
            next(event for event in stream if event.usage)
        if ending == "close":
            world.call(stream.close)

    leave()
    deadline = time.monotonic() + 5
    while used(model)["tokens"] == 500 and time.monotonic() < deadline:
        # Generators within generators: an event loop takes several rounds for them.
        world.collect()
    assert 0 < used(model)["tokens"] < 60


def test_a_cancelled_call_keeps_what_it_reserved(mock, api_key, limiter, model, used):
    """
    It may have arrived: nothing is given back, under either kind of cancellation.
    """

    async def main():
        client = openai.AsyncOpenAI(base_url=mock.base_url, api_key=api_key)
        limit(client, limiter, refund="always")
        slow = chat(model, extra_headers={"x-mock-service-time": "5"})
        left = asyncio.Event()

        async def leaves(_):
            left.set()

        client._client.event_hooks = {"request": [leaves]}
        async with anyio.create_task_group() as group:
            group.start_soon(partial(client.chat.completions.create, **slow))
            await left.wait()
            group.cancel_scope.cancel()
        left.clear()
        task = asyncio.create_task(client.chat.completions.create(**slow))
        await left.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()

    asyncio.run(main())
    assert used(model) == {"requests": 2, "tokens": 1000}


def test_a_stream_cancelled_after_its_usage_is_posted(
    mock, api_key, limiter, model, used
):
    """
    A cancel scope cancels every await in its way, but not the posting.
    """

    async def main():
        client = openai.AsyncOpenAI(base_url=mock.base_url, api_key=api_key)
        limit(client, limiter, refund="always")
        options = chat(model, stream=True, stream_options={"include_usage": True})
        with anyio.CancelScope() as scope:
            async with await client.chat.completions.create(**options) as stream:
                async for event in stream:
                    if event.usage:
                        scope.cancel()
                        await anyio.sleep(1)
        assert scope.cancelled_caught
        await client.close()

    asyncio.run(main())
    assert 0 < used(model)["tokens"] < 60


def test_a_call_that_never_left_costs_nothing(
    world, free_port, api_key, limiter, model, used
):
    """
    Nobody listens there: the permit of each attempt goes back.
    """
    client = world.open(f"http://127.0.0.1:{free_port}/v1", api_key, max_retries=1)
    limit(client, limiter)
    with pytest.raises(openai.APIConnectionError):
        world.call(client.chat.completions.create, **chat(model))
    assert used(model) == {"requests": 0, "tokens": 0}


def test_nothing_is_held_while_waiting(mock, api_key, model):
    """
    Of one connection: a call goes through while another one waits for its turn.
    """
    library = sys.modules[
        openai.DefaultAsyncHttpxClient.__mro__[1].__module__.split(".")[0]
    ]

    async def main(limiter):
        http = library.AsyncClient(
            limits=library.Limits(max_connections=1), trust_env=False
        )
        options = {"base_url": mock.base_url, "api_key": api_key, "http_client": http}
        async with openai.AsyncOpenAI(**options) as client:
            limit(client, limiter, timeout=None)
            await client.chat.completions.create(**chat(model))
            waiting = asyncio.create_task(client.chat.completions.create(**chat(model)))
            await asyncio.sleep(0.05)
            answer = await client.chat.completions.create(**chat("another"))
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return answer

    limits = {model: "1 request/min", "*": "600/min"}
    with RateLimiter(f"memory://{api_key}", limits=limits) as limiter:
        assert asyncio.run(main(limiter)).usage


def test_no_part_of_the_key_is_in_reprs(world, client, api_key, model):
    """
    What is shown of a client that made a call names no key.
    """
    world.call(client.chat.completions.create, **chat(model))
    assert api_key not in repr(learnt(client))
    assert api_key not in repr(client._client.send)
