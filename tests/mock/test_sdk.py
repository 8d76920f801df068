"""The SDK of OpenAI itself as a client: what it makes of the mock's answers."""

import pytest

from paceline.mock import serve

openai = pytest.importorskip("openai")

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def mock():
    """One server for this file."""
    limits = ["1M requests/min", "100M tokens/min"]
    with serve(limits=limits, latency=0, jitter=0, completion_tokens=4) as running:
        yield running


@pytest.fixture
def client(mock):
    """A client of OpenAI's that does not retry."""
    mock.reset()
    with openai.OpenAI(base_url=mock.base_url, api_key="sk-1", max_retries=0) as client:
        yield client


@pytest.fixture
def azure(mock):
    """A client of Azure's that does not retry."""
    mock.reset()
    with openai.AzureOpenAI(
        azure_endpoint=mock.azure_endpoint,
        api_key="k",
        api_version="2024-10-21",
        max_retries=0,
    ) as client:
        yield client


def test_a_chat_is_read(client):
    """
    Text, reason and usage are where the SDK expects them.
    """
    answer = client.chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "the fox ran far "
    assert answer.usage.total_tokens == 5


def test_a_chats_stream_is_read(client):
    """
    To its end, the usage in a chunk of its own.
    """
    options = {"include_usage": True}
    stream = client.chat.completions.create(
        **ASKED, stream=True, stream_options=options
    )
    chunks = list(stream)
    text = [choice.delta.content or "" for c in chunks for choice in c.choices]
    assert "".join(text) == "the fox ran far "
    assert chunks[-1].usage.completion_tokens == 4


def test_a_response_and_its_stream_are_read(client):
    """
    The SDK puts the stream together to what comes at once.
    """
    whole = client.responses.create(model="gpt-4o", input="hi")
    with client.responses.stream(model="gpt-4o", input="hi") as stream:
        streamed = stream.get_final_response()
    assert whole.output_text == streamed.output_text == "the fox ran far "
    assert whole.usage == streamed.usage


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ("answer_incomplete", "response.incomplete", "incomplete"),
        ("answer_failed", "response.failed", "failed"),
    ],
)
def test_a_response_that_does_not_complete_is_read(client, error, kind, status):
    """
    Its last event has the usage.
    """
    headers = {"x-mock-error": error}
    stream = client.responses.create(
        model="gpt-4o", input="hi", stream=True, extra_headers=headers
    )
    *_, last = stream
    assert (last.type, last.response.status) == (kind, status)
    assert last.response.usage.output_tokens > 0


def test_embeddings_are_read(client):
    """
    From base64, which the SDK asks for by itself.
    """
    answer = client.embeddings.create(model="e", input=["a", "b"])
    assert [item.embedding[0] for item in answer.data] == [1.0, 1.0]
    assert answer.usage.total_tokens == 2


def test_models_are_listed(client):
    """
    Those that were asked for.
    """
    client.chat.completions.create(**ASKED)
    assert [model.id for model in client.models.list()] == ["gpt-4o"]


def test_azure_is_spoken(azure):
    """
    Chat, stream, responses and embeddings, at Azure's paths.
    """
    answer = azure.chat.completions.create(**ASKED)
    assert answer.usage.total_tokens == 5
    first, *chunks = azure.chat.completions.create(**ASKED, stream=True)
    assert first.choices == []
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert azure.responses.create(model="gpt-4o", input="hi").status == "completed"
    assert azure.embeddings.create(model="e", input="a").usage.total_tokens == 1


@pytest.mark.parametrize(
    ("order", "requests", "error"),
    [
        ("rate_limit_requests wait=17ms", 3, "RateLimitError"),
        ("insufficient_quota retry=false", 1, "RateLimitError"),
        ("rate_limit_tokens wait=121", 1, "RateLimitError"),
        ("server_overloaded wait=10ms headers=both", 3, "InternalServerError"),
        ("invalid_api_key", 1, "AuthenticationError"),
        ("hang_up", 3, "APIConnectionError"),
    ],
)
def test_errors_are_what_the_sdk_takes_them_for(mock, client, order, requests, error):
    """
    It retries twice what it believes to pass, and nothing else.
    """
    mock.fail(order)
    again = client.with_options(max_retries=2)
    with pytest.raises(getattr(openai, error)):
        again.chat.completions.create(**ASKED)
    assert [entry["attempt"] for entry in mock.log()] == list(range(requests))


def test_an_error_in_a_stream_is_raised(client):
    """
    After what came before it.
    """
    headers = {"x-mock-error": "answer_error"}
    stream = client.chat.completions.create(**ASKED, stream=True, extra_headers=headers)
    said = []
    with pytest.raises(openai.APIError, match="had an error"):
        said.extend(chunk.choices[0].delta.content for chunk in stream)
    assert said == ["", "the ", "fox "]
