"""The Responses API over real sockets: whole, streamed, and failing."""

import pytest

from rig_mock import RESPONSES, run

ENDS = [
    (None, "completed"),
    ("answer_incomplete", "incomplete"),
    ("answer_failed", "failed"),
]


def ordered(error):
    return {"x-mock-error": error} if error else {}


def test_a_stream_tells_of_everything_that_begins_or_ends():
    """
    Numbered from 0; each event's name is its type.
    """
    events = run(lambda m: m.stream(RESPONSES), completion_tokens=3)
    assert [name for name, _ in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert [data["sequence_number"] for _, data in events] == list(range(11))


@pytest.mark.parametrize(("error", "status"), ENDS)
def test_a_stream_and_a_whole_answer_end_alike(error, status):
    """
    The last event has the answer that would have come at once, usage included.
    """

    async def scenario(server):
        _, _, body = await server.post(RESPONSES, ordered(error))
        return body, await server.stream(RESPONSES, ordered(error))

    body, events = run(scenario, completion_tokens=4)
    name, last = events[-1]
    assert (name, body["status"]) == (f"response.{status}", status)
    for key in ("status", "usage", "error", "incomplete_details", "model"):
        assert body[key] == last["response"][key]
    used = 2 if status == "failed" else 4
    assert body["usage"]["output_tokens"] == used
    assert body["usage"]["total_tokens"] == used + 1
    assert (body["error"] is None) == (status != "failed")


def test_until_its_end_a_stream_has_no_usage():
    """
    It begins in progress, with no output.
    """
    events = run(lambda m: m.stream(RESPONSES))
    for _, data in events[:2]:
        assert data["response"]["status"] == "in_progress"
        assert data["response"]["usage"] is None
        assert data["response"]["output"] == []


def test_the_deltas_are_the_text():
    """
    As the event that ends the text, and the item in the answer, have it.
    """
    events = run(lambda m: m.stream(RESPONSES))
    delta = [data["delta"] for name, data in events if name.endswith("text.delta")]
    (done,) = [data["text"] for name, data in events if name.endswith("text.done")]
    (item,) = events[-1][1]["response"]["output"]
    assert "".join(delta) == done == item["content"][0]["text"]
    assert len(done) == 64


def test_an_answer_that_is_cut_is_incomplete():
    """
    It says what cut it, and how much was allowed.
    """
    _, _, body = run(lambda m: m.post(RESPONSES, max_output_tokens=5))
    assert body["status"] == "incomplete"
    assert body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert body["max_output_tokens"] == 5
    assert body["usage"]["output_tokens"] == 5


def test_an_error_in_the_middle_is_an_event_and_the_last():
    """
    No event that ends the answer follows.
    """
    headers = ordered("answer_error")
    events = run(lambda m: m.stream(RESPONSES, headers))
    name, data = events[-1]
    assert (name, data["code"]) == ("error", "server_error")
    assert len([name for name, _ in events if name.endswith("text.delta")]) == 8
    assert data["sequence_number"] == len(events) - 1


def test_at_once_such_an_error_is_a_500():
    """
    There is no stream to put it in.
    """
    status, _, _ = run(lambda m: m.post(RESPONSES, ordered("answer_error")))
    assert status == 500
