"""What a chat request costs, and what of it OpenAI would refuse."""

import json

import pytest

from paceline.mock.request import BadRequest, ChatRequest

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


def test_streams_are_refused_and_not_answered_as_something_else():
    """
    A client that asks for a stream hears that there is none.
    """
    with pytest.raises(BadRequest) as refused:
        read(stream=True)
    assert refused.value.body["error"]["param"] == "stream"
    assert read(stream=False).model == "gpt-4o"
