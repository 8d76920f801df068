"""What a call used, read off answers whole and in pieces."""

import json

import pytest
from hypothesis import given, strategies as st

from paceline._provider.usage import (
    BodyReader,
    StreamReader,
    Usage,
    from_body,
    from_event,
)

CHAT = {"usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}}
RESPONSE = {"usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}


def event(data, name=None):
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def chunk(**more):
    return event({"choices": [{"delta": {"content": "hi"}}], **more})


LAST = event({"choices": [], **CHAT})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (CHAT, Usage(9, 12, 21)),
        (RESPONSE, Usage(5, 7, 12)),
        ({"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8, 0, 8)),
        (
            {"usage": {"input_tokens": 3, "cache_creation_input_tokens": 40,
                       "cache_read_input_tokens": 500, "output_tokens": 2}},
            Usage(43, 2, 45),
        ),
        ({"usage": None}, None),
        ({"usage": {"seconds": 3}}, None),
        ({"usage": {"prompt_tokens": "9"}}, None),
        ({"tools": [{"usage": {"total_tokens": 1}}]}, None),
        ([1], None),
    ],
)  # fmt: skip
def test_a_body_tells_its_usage_in_the_providers_own_shape(body, usage):
    """
    Chat, responses, embeddings, Anthropic; whatever else is unknown, never 0.
    """
    assert from_body(json.dumps(body).encode()) == usage


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_chat_stream_tells_its_usage_however_it_is_cut(size, newline):
    """
    Events come in pieces and together; the bytes are handed on as they came.
    """
    stream = (chunk(usage=None) * 3 + LAST + DONE).replace(b"\n", newline)
    reader = StreamReader()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [reader.feed(piece) for piece in pieces] == pieces
    assert reader.rest() == b""
    assert reader.usage == Usage(9, 12, 21)


@pytest.mark.parametrize("name", ["completed", "incomplete", "failed"])
def test_a_response_tells_it_however_it_ends(name):
    """
    response.completed, .incomplete and .failed carry it.
    """
    kind = f"response.{name}"
    reader = StreamReader()
    reader.feed(event({"type": "response.created", "response": {"usage": None}}))
    reader.feed(event({"type": kind, "response": RESPONSE}, kind))
    assert reader.usage == Usage(5, 7, 12)


def test_anthropic_tells_the_input_first_and_the_output_last():
    """
    message_start has the input, message_delta the final output.
    """
    reader = StreamReader()
    start = {"message": {"usage": {"input_tokens": 25, "output_tokens": 1}}}
    reader.feed(event(start, "message_start"))
    reader.feed(event({"usage": {"output_tokens": 15}}, "message_delta"))
    assert reader.usage == Usage(25, 15, 40)


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_the_event_that_was_not_asked_for_is_hidden(size):
    """
    Who loops over chunk.choices[0] never meets the event without a choice.
    """
    filtered = event({"choices": [], "prompt_filter_results": []})  # Azure's first
    stream = filtered + chunk() * 2 + LAST + DONE
    reader = StreamReader(hide=True)
    shown = b"".join(
        reader.feed(stream[at : at + size]) for at in range(0, len(stream), size)
    )
    assert shown + reader.rest() == filtered + chunk() * 2 + DONE
    assert reader.usage == Usage(9, 12, 21)


def test_hiding_delays_no_whole_line():
    """
    What can be decided is handed on at once.
    """
    reader = StreamReader(hide=True)
    assert reader.feed(chunk() + b"data: {") == chunk()
    assert reader.feed(b"}\n\n") == b"data: {}\n\n"


def test_a_stream_that_breaks_off_tells_what_it_told():
    """
    Without its end nothing is known, and nothing is kept back.
    """
    reader = StreamReader(hide=True)
    assert reader.feed(chunk()[:-5]) == b""
    assert reader.rest() == chunk()[:-5]
    assert reader.usage is None


def test_text_that_speaks_of_usage_is_no_usage():
    """
    Quotes inside a text are escaped, and an event that cannot be read is passed on.
    """
    reader = StreamReader()
    said = event({"choices": [{"delta": {"content": '"usage": {"total_tokens": 5}'}}]})
    broken = b'data: {"usage": {"total_tokens": 5\n\n'
    assert reader.feed(said + broken) == said + broken
    assert reader.usage is None


def test_a_body_read_as_a_stream_tells_it_at_its_end():
    """
    with_streaming_response hands the body on in pieces.
    """
    reader = BodyReader()
    raw = json.dumps(CHAT).encode()
    assert reader.feed(raw[:10]) == raw[:10]
    assert reader.usage is None
    reader.feed(raw[10:])
    assert (reader.usage, reader.rest()) == (Usage(9, 12, 21), b"")


MEMBERS = st.sampled_from(["usage", 'us"age', "response", "message", "data", "x"])
COUNTS = st.fixed_dictionaries(
    {
        "prompt_tokens": st.integers(0, 99),
        "completion_tokens": st.integers(0, 99),
        "prompt_tokens_details": st.just({"cached_tokens": 1}),
    }
)
TEXTS = st.sampled_from(
    ["", '"usage":{"prompt_tokens":7}}', '\\"usage":{', '","usage":{"total_tokens":1}}']
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, COUNTS
)
BODIES = st.dictionaries(
    MEMBERS,
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=5,
)


@given(body=BODIES, spaces=st.booleans())
def test_a_bodys_end_tells_what_all_of_it_tells(body, spaces):
    """
    Whatever stands in its texts, and whoever else in it has a usage.
    """
    text = json.dumps(body, separators=None if spaces else (",", ":")).encode()
    assert from_body(text) == from_event(text)


def test_a_long_body_is_not_parsed_for_its_usage(monkeypatch):
    """
    An embedding's numbers are of no interest here.
    """
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    body = json.dumps({"data": [{"embedding": [0.5] * 10_000}], "usage": usage})
    monkeypatch.setattr(json, "loads", None)
    assert from_body(body.encode()) == Usage(8, 0, 8)
