"""Chat completions over real sockets: whole, streamed, and broken off."""

import aiohttp
import pytest

from rig_mock import AZURE, CHAT, run


def contents(events):
    """Join what the chunks say, by choice."""
    texts = {}
    for _, data in events:
        for choice in data["choices"] if data != "[DONE]" else ():
            text = choice["delta"].get("content") or ""
            texts[choice["index"]] = texts.get(choice["index"], "") + text
    return texts


def test_an_answer_has_its_text_in_one_piece():
    """
    Four characters for each token that it claims.
    """
    _, _, body = run(lambda m: m.post(), completion_tokens=5)
    (choice,) = body["choices"]
    assert len(choice["message"]["content"]) == 20
    assert body["usage"]["completion_tokens"] == 5


def test_a_stream_is_the_same_text_in_chunks():
    """
    A role, a chunk for each token, a reason, and the mark of the end; no usage.
    """

    async def scenario(server):
        return await server.post(), await server.stream()

    (_, _, body), events = run(scenario, completion_tokens=5)
    assert {0: body["choices"][0]["message"]["content"]} == contents(events)
    assert [name for name, _ in events] == [None] * 8
    chunks = [data for _, data in events[:-1]]
    assert events[-1][1] == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * 6 + ["stop"]
    assert all("usage" not in chunk for chunk in chunks)


def test_usage_comes_in_a_chunk_without_choices_if_asked():
    """
    All others have a usage that is null, as with OpenAI.
    """
    options = {"include_usage": True}
    events = run(lambda m: m.stream(stream_options=options), completion_tokens=3)
    *chunks, last = [data for _, data in events[:-1]]
    assert all(chunk["choices"] and chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 3,
        "total_tokens": 4,
    }


def test_chunks_can_be_larger():
    """
    The last has what is left.
    """
    scenario = lambda m: m.stream()  # noqa: E731 -- a line of its own
    events = run(scenario, completion_tokens=5, chunk_tokens=2)
    pieces = [data["choices"][0]["delta"].get("content") for _, data in events[1:-2]]
    assert [len(piece) for piece in pieces] == [8, 8, 4]


def test_every_choice_is_answered_and_used():
    """
    With n choices, n times the tokens of one.
    """

    async def scenario(server):
        options = {"include_usage": True}
        _, _, body = await server.post(n=3)
        return body, await server.stream(n=3, stream_options=options)

    body, events = run(scenario, completion_tokens=2)
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 6
    assert set(contents(events)) == {0, 1, 2}
    assert body["usage"] == events[-2][1]["usage"]


@pytest.mark.parametrize(
    ("error", "reason"), [("answer_incomplete", "length"), (None, "stop")]
)
def test_an_answer_can_end_before_its_time(error, reason):
    """
    On request it claims to have been cut, whole and streamed.
    """
    headers = {"x-mock-error": error} if error else {}

    async def scenario(server):
        return await server.post(headers=headers), await server.stream(headers=headers)

    (_, _, body), events = run(scenario)
    assert body["choices"][0]["finish_reason"] == reason
    assert events[-2][1]["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize("error", ["answer_error", "answer_failed"])
def test_a_stream_can_fail_half_way(error):
    """
    With an error instead of the rest, and without the mark of the end.
    """
    headers = {"x-mock-error": error}
    events = run(lambda m: m.stream(headers=headers), completion_tokens=6)
    assert len(contents(events[:-1])[0]) == 12
    assert events[-1][1]["error"]["type"] == "server_error"


@pytest.mark.parametrize("error", ["answer_error", "answer_failed"])
def test_an_answer_that_fails_as_a_whole_is_a_500(error):
    """
    It was charged, and it did not succeed.
    """

    async def scenario(server):
        status, _, body = await server.post(headers={"x-mock-error": error})
        return status, body, *await server.accounts()

    status, body, account = run(scenario)
    assert status == 500
    assert body["error"]["type"] == "server_error"
    assert (account["succeeded"], account["errors"]) == (0, {error: 1})
    assert account["limits"][0]["admitted"] == 1


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_can_break_off(stream):
    """
    The connection is gone in the middle, and the log knows who hung up.
    """

    async def scenario(server):
        headers = {"x-mock-error": "answer_dropped"}
        with pytest.raises(aiohttp.ClientPayloadError):
            async with server.open(CHAT, headers, stream=stream) as answer:
                assert answer.status == 200
                await answer.read()
        return await server.log()

    (entry,) = run(scenario)
    assert (entry["error"], entry["ended"]) == ("answer_dropped", "hung up")


def test_azures_streams_begin_with_a_chunk_that_has_no_choice():
    """
    What the filter thought of the prompt: not to be taken for the usage.
    """
    events = run(lambda m: m.stream(AZURE), completion_tokens=2)
    first = events[0][1]
    assert first["choices"] == []
    assert "prompt_filter_results" in first
    assert "usage" not in first
    assert len(events) == 6
