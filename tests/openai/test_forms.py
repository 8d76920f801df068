"""Every form of a call to every endpoint: what it used is what is charged."""

import subprocess
import sys

import openai
import pytest

from paceline.openai import limit

ENDPOINTS = ["chat", "responses", "embeddings"]
FORMS = ["plain", "stream", "raw", "streaming", "copy"]
CASES = [
    (endpoint, form, encoding)
    for endpoint in ENDPOINTS
    for form in FORMS
    for encoding in ("gzip", "identity")
    # A raw answer and a copy's are read as a plain one is.
    if (endpoint, form) != ("embeddings", "stream")
    and (encoding == "gzip" or form not in {"raw", "copy"})
]


def resource_of(client, endpoint):
    if endpoint == "chat":
        return client.chat.completions
    if endpoint == "responses" and not hasattr(client, "responses"):
        pytest.skip(f"openai {openai.__version__} has no responses")
    return getattr(client, endpoint)


def options_of(endpoint, form, model):
    if endpoint == "embeddings":
        return {"model": model, "input": ["some text", "and more of it"]}
    more = {"stream": True} if form == "stream" else {}
    if endpoint == "responses":
        return {"model": model, "input": "hi", "max_output_tokens": 300, **more}
    if more:
        more["stream_options"] = {"include_usage": True}
    ask = [{"role": "user", "content": "hi"}]
    return {"model": model, "messages": ask, "max_tokens": 300, **more}


def read_streaming(world, resource, options):
    create = resource.with_streaming_response.create

    async def read():
        async with create(**options) as response:
            return await response.parse()

    if world.is_async:
        return world.wait(read())
    with create(**options) as response:
        return response.parse()


def make(world, client, endpoint, form, model):
    """Make a call, and return the usage that its caller sees."""
    resource = resource_of(client, endpoint)
    options = options_of(endpoint, form, model)
    if form == "streaming":
        return read_streaming(world, resource, options).usage
    if form == "raw":
        return world.call(resource.with_raw_response.create, **options).parse().usage
    answer = world.call(resource.create, **options)
    if form == "stream":
        last = world.each(answer)[-1]
        return last.response.usage if endpoint == "responses" else last.usage
    return answer.usage


@pytest.mark.parametrize(("endpoint", "form", "encoding"), CASES)
def test_what_a_call_used_is_charged_in_every_form(
    world, mock, api_key, limiter, model, used, endpoint, form, encoding
):
    """
    Plain, streamed, raw, read as a stream, and through a copy of the client; with
    compressed answers and without.
    """
    headers = {"accept-encoding": encoding}
    client = world.open(mock.base_url, api_key, default_headers=headers)
    limit(client, limiter, refund="always")
    caller = client.with_options(max_retries=0) if form == "copy" else client
    usage = make(world, caller, endpoint, form, model)
    assert used(model) == {"requests": 1, "tokens": usage.total_tokens}


@pytest.mark.parametrize("form", ["plain", "stream", "copy"])
@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_azure_in_its_forms(world, mock, api_key, limiter, model, used, endpoint, form):
    """
    Deployments in the path, for responses in the body.
    """
    client = world.azure(mock.azure_endpoint, api_key=api_key)
    limit(client, limiter, refund="always")
    caller = client.with_options(max_retries=0) if form == "copy" else client
    usage = make(world, caller, endpoint, form, model)
    assert used(model) == {"requests": 1, "tokens": usage.total_tokens}


WITHOUT_ASSERTS = """
import sys, openai
from paceline import Key, RateLimiter
from paceline.openai import limit

limiter = RateLimiter("memory://", limits="60k tokens/min")
client = limit(openai.OpenAI(base_url=sys.argv[1], api_key="sk-o"), limiter, timeout=0)
ask = {"model": "m-o", "messages": [{"role": "user", "content": "hi"}]}
list(client.chat.completions.create(**ask, max_tokens=40_000, stream=True))
try:
    client.chat.completions.create(**ask, max_tokens=40_000)
except openai.RateLimitError as error:
    print(type(error).__name__, limiter.peek(Key("sk-o", "m-o"))[0].remaining)
"""


def test_it_works_without_asserts(mock):
    """
    Under python -O a wrapper of the wrong type would fail in odd ways.
    """
    command = [
        sys.executable,
        "-O",
        "-W",
        "ignore",
        "-c",
        WITHOUT_ASSERTS,
        mock.base_url,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("LimitExceeded 20000\n", "")
