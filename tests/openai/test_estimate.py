"""What a request costs, before it is sent."""

import hashlib
import json

import pytest

from paceline._errors import ConfigError
from paceline._provider.cost import price, refused, spent
from paceline._provider.estimate import Ratio, Size, measure
from paceline._provider.request import Ask, api_key, read
from paceline._provider.usage import Usage
from paceline.openai import _exact

WORDS = "word " * 80  # 400 bytes


def chat(**body):
    return Ask("chat", "m", {"messages": [{"role": "user", "content": WORDS}], **body})


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/responses", "responses"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/completions", "completions"),
        ("/v1/messages", "messages"),
        ("/v1/images/generations", "images"),
        ("/v1/moderations", "other"),
        ("/v1/responses/resp_1/cancel", "other"),
        ("/v1/responses/input_tokens", "other"),
    ],
)
def test_the_path_tells_the_endpoint(path, endpoint):
    """
    Only what costs tokens is told apart; all the rest costs a request.
    """
    content = json.dumps({"model": "m"}).encode()
    ask = read("POST", path, "application/json", content)
    assert (ask.endpoint, ask.model) == (endpoint, "m")
    assert read("GET", path, "", None) == Ask("other")


def test_azures_deployment_is_in_the_path_or_in_the_body():
    """
    The deployment has the quota, whatever model the body names.
    """
    content = json.dumps({"model": "gpt-4o"}).encode()
    path = "/openai/deployments/dep1/chat/completions"
    ask = read("POST", path, "application/json; charset=utf-8", content)
    assert (ask.endpoint, ask.model) == ("chat", "dep1")
    ask = read("POST", "/openai/responses", "application/json", content)
    assert (ask.endpoint, ask.model) == ("responses", "gpt-4o")


def test_the_model_of_an_upload_is_among_its_fields():
    """
    Multipart bodies are streams and are never read.
    """

    class Field:
        name, value = "model", "whisper-1"

    ask = read("POST", "/v1/audio/transcriptions", "multipart/form-data", None, [Field])
    assert ask == Ask("other", "whisper-1")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"[" * 100_000, b"\xff"])
def test_a_body_that_cannot_be_read_costs_a_request(content):
    """
    The provider may say what is wrong with it.
    """
    assert read("POST", "/v1/responses", "application/json", content) == Ask("other")


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer sk-1"}, "sk-1"),
        ({"api-key": "azure-1", "authorization": "Bearer x"}, "azure-1"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearer "}, None),
        ({}, None),
    ],
)
def test_the_key_is_that_of_the_request(headers, key):
    """
    A copy of a client with another key shares its HTTP client.
    """
    assert api_key(headers) == key


def test_an_estimate_is_a_quarter_of_the_bytes_and_four_a_message():
    """
    Bytes, not characters: half of a Chinese text would be missing.
    """
    assert measure(chat()) == Size(104.0)
    assert measure(Ask("responses", "m", {"input": "文" * 4})) == Size(3.0)
    assert Size(104.0).tokens(1.0) == 104
    assert Size(104.5).tokens(1.0) == 105
    assert Size(0.0).tokens(1.0) == 1


def test_media_cost_what_they_are_and_not_their_base64():
    """
    Each image, sound or file has an allowance; names of parts are not read.
    """
    image = {"type": "image_url", "image_url": {"url": "data:" + "A" * 100_000}}
    text = {"type": "text", "text": WORDS}
    ask = Ask("chat", "m", {"messages": [{"role": "user", "content": [text, image]}]})
    assert measure(ask) == Size(104.0, media=1000)


def test_tools_count_as_the_json_they_are():
    """
    Their schemas are read by the model.
    """
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    extra = measure(chat(tools=tools)).raw - measure(chat()).raw
    assert extra == len(json.dumps(tools)) / 4


def test_an_embeddings_tokens_are_exact():
    """
    Lists of numbers are tokens already; texts are estimated.
    """
    assert measure(Ask("embeddings", "m", {"input": [1, 2, 3]})) == Size(0.0, exact=3)
    both = Ask("embeddings", "m", {"input": [[1, 2], [3]]})
    assert measure(both).exact == 3
    assert measure(Ask("embeddings", "m", {"input": ["abcd", "efgh"]})) == Size(2.0)


def test_nesting_of_any_depth_is_measured():
    """
    The depth is the user's business.
    """
    deep = "abcd"
    for _ in range(5000):
        deep = [deep]
    assert measure(Ask("responses", "m", {"input": deep})) == Size(1.0)


def test_the_ratio_is_learnt_and_bounded():
    """
    Ten requests of one kind teach its ratio; no request moves it out of 1/4 to 4.
    """
    ratio = Ratio()
    for _ in range(10):
        ratio.learn(Size(100.0), 150)
    assert ratio.value == pytest.approx(1.5)
    ratio.learn(Size(100.0), 0)
    ratio.learn(Size(2.0), 150)
    ratio.learn(Size(100.0, media=1000), 1)
    ratio.learn(Size(100.0, exact=7), 1)
    assert ratio.value == pytest.approx(1.5)
    for _ in range(200):
        ratio.learn(Size(100.0), 1_000_000)
    assert ratio.value == pytest.approx(4.0)


def test_openai_charges_the_larger_azure_the_sum():
    """
    Each as documented; a request that names no longest answer costs its own text.
    """
    ask = chat(max_tokens=300, n=2)
    assert price("openai", ask, 100, 0.0)["tokens"] == 300
    assert price("openai", ask, 500, 0.0)["tokens"] == 500
    assert price("azure", ask, 100, 0.0)["tokens"] == 700
    assert price("openai", chat(), 100, 0.0)["tokens"] == 100
    assert price("azure", chat(), 100, 0.0)["tokens"] == 100


@pytest.mark.parametrize(
    "name", ["max_tokens", "max_completion_tokens", "max_output_tokens"]
)
def test_the_longest_answer_has_three_names(name):
    """
    Old and new chat, and responses.
    """
    assert chat(**{name: 77}).max_output == 77
    assert chat(**{name: True}).max_output is None
    assert chat(**{name: None}).max_output is None


def test_anthropic_counts_input_and_output_apart_and_max_tokens_not():
    """
    The usual length of an answer is reserved, but no more than it may be.
    """
    ask = Ask("messages", "m", {"max_tokens": 4000})
    cost = price("anthropic", ask, 100, 250.0)
    assert (cost["input_tokens"], cost["output_tokens"]) == (100, 250)
    short = Ask("messages", "m", {"max_tokens": 40})
    assert price("anthropic", short, 100, 250.0)["output_tokens"] == 40


def test_other_endpoints_cost_a_request_and_images_their_number():
    """
    Polls, lists and files cost no tokens.
    """
    assert price("openai", Ask("other", "m"), 0, 9.0) == {
        "requests": 1, "tokens": 0, "images": 0, "input_tokens": 0, "output_tokens": 0,
    }  # fmt: skip
    assert price("openai", Ask("images", "m", {"n": 3}), 0, 0.0)["images"] == 3


def test_a_users_rule_says_the_units_it_knows():
    """
    What it leaves out costs nothing, but for the request.
    """
    cost = price(lambda body: {"tokens": len(body)}, chat(), 100, 0.0)
    assert (cost["requests"], cost["tokens"], cost["input_tokens"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("usage", "gives_back", "posted"),
    [
        (Usage(10, 20, 30), True, {"tokens": 30}),
        (Usage(10, 20, 30), False, {"tokens": 100}),
        (Usage(90, 60, 150), False, {"tokens": 150}),
        (Usage(90, 60, 150), True, {"tokens": 150}),
        (None, True, {}),
    ],
)
def test_what_is_posted_follows_what_the_provider_gives_back(usage, gives_back, posted):
    """
    More than was reserved is posted in any case, less only if it comes back.
    """
    reserved = {"requests": 1, "tokens": 100}
    assert spent(reserved, usage, gives_back=gives_back) == posted


def test_a_refusal_costs_its_request_and_no_tokens():
    """
    What was admitted and then failed may have been charged, and stays.
    """
    reserved = {"requests": 1, "tokens": 100}
    assert refused(reserved, admitted=False) == {"tokens": 0}
    assert refused(reserved, admitted=True) == {}


def test_exact_counts_come_from_a_vocabulary_on_this_machine():
    """
    Known texts have known numbers of tokens; old models have an older vocabulary.
    """
    assert _exact.counter("gpt-4o")("hello world") == 2
    assert _exact.counter("gpt-4o")("<|endoftext|>") > 1
    assert _exact.counter("gpt-4")("Привет, мир") == 6
    assert _exact.counter("gpt-4.1")("Привет, мир") == 4


def test_nothing_is_fetched_for_an_exact_count(monkeypatch, tmp_path):
    """
    tiktoken would fetch a file that is missing or broken, so it is not asked.
    """
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert not _exact._cached("o200k_base")
    name = hashlib.sha1(_exact._URL.format("o200k_base").encode()).hexdigest()
    (tmp_path / name).write_bytes(b"broken")
    assert not _exact._cached("o200k_base")

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(_exact.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match="P601"):
        _exact._counter.__wrapped__("o200k_base")
