"""What a request costs, and what of it OpenAI would refuse."""

import json

import pytest

from paceline.mock.fields import BadRequest
from paceline.mock.request import ChatRequest, EmbeddingsRequest, ResponsesRequest

MESSAGES = [{"role": "user", "content": "x" * 401}]


def read(**fields):
    body = {"model": "gpt-4o", "messages": MESSAGES} | fields
    return ChatRequest.read(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 101),
        ({"max_tokens": 100}, 101),
        ({"max_tokens": 102}, 102),
        ({"max_completion_tokens": 700}, 700),
        ({"max_completion_tokens": 700, "max_tokens": 900}, 700),
        ({"max_tokens": None}, 101),
        ({"messages": [{"role": "user", "content": ""}]}, 1),
        ({"messages": [{"role": "assistant", "content": None}]}, 1),
        ({"messages": MESSAGES * 2}, 201),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "12345"},
                            {"type": "image_url", "image_url": {"url": "..."}},
                        ],
                    }
                ]
            },
            2,
        ),
    ],
)
def test_the_cost_is_the_larger_of_answer_and_text(fields, tokens):
    """
    The longest answer allowed, or a quarter of the text's characters, rounded up.
    """
    assert {"requests": 1, "tokens": tokens} == read(**fields).costs


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, None),
        (b"{", None, None),
        (b"\xff", None, None),
        (b"[]", None, None),
        (b"[" * 100_000, None, None),
        (b'{"messages": [{}]}', None, None),
        (b'{"model": 5, "messages": [{}]}', None, None),
        (b'{"model": "m"}', "messages", "missing_required_parameter"),
        (b'{"model": "m", "messages": []}', "messages", "invalid_type"),
        (b'{"model": "m", "messages": "hi"}', "messages", "invalid_type"),
    ],
)
def test_what_is_no_chat_request_is_refused(body, param, code):
    """
    With OpenAI's shape: which parameter, and what about it.
    """
    with pytest.raises(BadRequest) as refused:
        ChatRequest.read(body)
    told = refused.value.body["error"]
    assert (param, code) == (told["param"], told["code"])
    assert told["type"] == "invalid_request_error"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "integer_below_min_value"),
        (-1, "integer_below_min_value"),
        (10**9 + 1, "integer_above_max_value"),
        ("100", "invalid_type"),
        (1.5, "invalid_type"),
        (True, "invalid_type"),
    ],
)
def test_an_answers_length_must_make_sense(name, value, code):
    """
    A cost is never negative, never a text and never beyond all models.
    """
    with pytest.raises(BadRequest) as refused:
        read(**{name: value})
    told = refused.value.body["error"]
    assert (name, code) == (told["param"], told["code"])


@pytest.mark.parametrize(
    ("fields", "stream", "include_usage"),
    [
        ({}, False, False),
        ({"stream": False}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": None}, True, False),
        ({"stream": True, "stream_options": {}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
    ],
)
def test_a_stream_tells_its_usage_only_if_asked(fields, stream, include_usage):
    """
    As with OpenAI, whose chat streams are silent about it otherwise.
    """
    asked = read(**fields)
    assert (stream, include_usage) == (asked.stream, asked.include_usage)


@pytest.mark.parametrize(
    "fields",
    [
        {"stream_options": {"include_usage": True}},
        {"stream": True, "stream_options": "include_usage"},
    ],
)
def test_options_of_a_stream_need_a_stream(fields):
    """
    OpenAI refuses them otherwise, and what is no object.
    """
    with pytest.raises(BadRequest) as refused:
        read(**fields)
    assert refused.value.body["error"]["param"] == "stream_options"


def test_azure_charges_prompt_and_answer_and_has_the_model_in_its_path():
    """
    Not the larger of the two, as OpenAI does.
    """
    asked = ChatRequest.read(
        json.dumps({"messages": MESSAGES, "max_tokens": 700}).encode(), "dep-1"
    )
    assert asked.model == "dep-1"
    assert asked.costs == {"requests": 1, "tokens": 700}
    assert asked.azure_costs == {"requests": 1, "tokens": 801}


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"input": "x" * 401}, 101),
        ({"input": "x" * 401, "max_output_tokens": 300}, 300),
        ({"input": "x" * 40, "instructions": "y" * 40}, 20),
        (
            {
                "input": [
                    {"role": "user", "content": "x" * 8},
                    {"role": "user", "content": [{"type": "input_text", "text": "yy"}]},
                    {"type": "function_call_output", "call_id": "1", "output": "zz"},
                ]
            },
            3,
        ),
    ],
)
def test_a_response_costs_as_a_chat_does(fields, tokens):
    """
    Instructions and all items count.
    """
    body = json.dumps({"model": "m", **fields}).encode()
    assert {"requests": 1, "tokens": tokens} == ResponsesRequest.read(body).costs


@pytest.mark.parametrize(
    ("asked", "tokens", "inputs"),
    [
        ("x" * 9, 3, 1),
        (["x" * 9, "y"], 4, 2),
        ([5, 6, 7], 3, 1),
        ([[5, 6], [7]], 3, 2),
    ],
)
def test_embeddings_cost_their_inputs(asked, tokens, inputs):
    """
    Numbers are tokens already: their count is exact.
    """
    body = json.dumps({"model": "m", "input": asked}).encode()
    read = EmbeddingsRequest.read(body)
    assert (tokens, inputs) == (read.costs["tokens"], read.inputs)


@pytest.mark.parametrize("kind", [ResponsesRequest, EmbeddingsRequest])
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (None, "missing_required_parameter"),
        ("", "invalid_type"),
        ([], "invalid_type"),
        (5, "invalid_type"),
        ({}, "invalid_type"),
    ],
)
def test_an_input_must_be_there(kind, asked, code):
    """
    Neither nothing nor something of another shape.
    """
    with pytest.raises(BadRequest) as refused:
        kind.read(json.dumps({"model": "m", "input": asked}).encode())
    told = refused.value.body["error"]
    assert (told["param"], told["code"]) == ("input", code)


@pytest.mark.parametrize("asked", [["x", 5], ["x", ""], [[]], [["x"]], [None], [True]])
def test_inputs_to_embed_are_of_one_kind(asked):
    """
    Texts that are not empty, or lists of numbers.
    """
    with pytest.raises(BadRequest):
        EmbeddingsRequest.read(json.dumps({"model": "m", "input": asked}).encode())
