"""What goes over the wire, and when: gzip, pieces, pauses, clients that leave."""

import asyncio
import gzip

import pytest

from paceline.mock.sse import Event
from rig_mock import AZURE, CHAT, EMBEDDINGS, RESPONSES, events_of, run, until

# Longer than any test: what comes before it has not waited for it.
FOREVER = "100000"


async def ended(server):
    """Wait until the last request is over; return its line in the log."""

    async def last():
        entry = (await server.log())[-1]
        return entry if entry["ended"] != "open" else None

    return await until(last)


@pytest.mark.parametrize("url", [CHAT, RESPONSES, EMBEDDINGS, AZURE])
@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("deflate, *", True),
        ("GZIP", True),
        ("gzip; q=0, *", False),
        ("gzip;q=0.000", False),
        ("identity", False),
        ("", False),
    ],
)
def test_json_is_compressed_for_those_who_accept_it(url, accepted, packed):
    """
    RFC 9110: by name or by star, unless its weight is 0.
    """

    async def scenario(server):
        headers = {"accept-encoding": accepted}
        async with server.open(url, headers) as answer:
            return answer.headers, await answer.json()

    headers, body = run(scenario)
    assert (headers.get("content-encoding") == "gzip") == packed
    assert body["usage"]["prompt_tokens" if url != RESPONSES else "input_tokens"] == 1


def test_an_error_is_compressed_too():
    """
    A client that classifies a 429 has to unpack it first.
    """

    async def scenario(server):
        headers = {"accept-encoding": "gzip", "x-mock-error": "slow_down_429"}
        async with server.open(CHAT, headers) as answer:
            return answer.headers["content-encoding"], await answer.json()

    coding, body = run(scenario)
    assert coding == "gzip"
    assert body["error"]["code"] == "slow_down"


@pytest.mark.parametrize("stream", [True, False])
def test_compression_can_be_switched_off(stream):
    """
    Then nobody gets it, whatever they accept.
    """

    async def scenario(server):
        headers = {"accept-encoding": "gzip"}
        async with server.open(CHAT, headers, stream=stream) as answer:
            return "content-encoding" in answer.headers

    assert not run(scenario, gzip=False)


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("url", [CHAT, RESPONSES, AZURE])
def test_a_compressed_stream_is_one_whole_gzip(url, split):
    """
    What the decoder makes of it is what would have come plain.
    """

    async def scenario(server):
        headers = {"accept-encoding": "gzip"}
        async with server.open(url, headers, stream=True) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            return events_of(await answer.text())

    events = run(scenario, split_events=split)
    assert len(events) > 16


def test_a_compressed_streams_bytes_are_gzip():
    """
    With header and trailer: the standard library reads it in one go.
    """

    async def scenario(server):
        headers = {"accept-encoding": "gzip", "Authorization": "Bearer a"}
        body = {"model": "m", "stream": True, "messages": [{"content": "hi"}]}
        async with server.client.session.post(
            server.client.make_url(CHAT), json=body, headers=headers
        ) as answer:
            return await answer.read()

    async def raw(server):
        server.client.session._auto_decompress = False
        return await scenario(server)

    assert gzip.decompress(run(raw)).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_every_event_comes_at_once(coding):
    """
    The first is read while the second is a day away, compressed or not.
    """

    async def scenario(server):
        headers = {"accept-encoding": coding, "x-mock-chunk-delay": FOREVER}
        async with server.open(CHAT, headers, stream=True) as answer:
            return await answer.content.readuntil(b"\n\n")

    first = run(scenario)
    assert b'"role": "assistant"' in first


def test_an_event_can_come_in_two_pieces():
    """
    Neither is a whole event, and both together are all of it.
    """

    async def scenario(server):
        headers = {"accept-encoding": "identity"}
        async with server.open(CHAT, headers, stream=True) as answer:
            return [chunk async for chunk, _ in answer.content.iter_chunks()]

    chunks = run(scenario, split_events=True, completion_tokens=2)
    events = events_of(b"".join(chunks).decode())
    assert events[-1] == (None, "[DONE]")
    assert not chunks[0].endswith(b"\n\n")


def test_the_first_byte_can_be_late():
    """
    The request is charged by then, and not a header has come.
    """

    async def scenario(server):
        headers = {"x-mock-service-time": FOREVER}
        answer = asyncio.ensure_future(server.stream(CHAT, headers))
        await until(server.accounts)
        (account,) = await server.accounts()
        (entry,) = await server.log()
        assert not answer.done()
        answer.cancel()
        await asyncio.wait([answer])
        return account["succeeded"], entry["status"], await ended(server)

    succeeded, status, entry = run(scenario)
    assert (succeeded, status) == (1, 0)
    assert entry["ended"] == "client left"


@pytest.mark.parametrize("url", [CHAT, RESPONSES, AZURE])
def test_a_client_that_leaves_a_stream_is_noticed(url):
    """
    While the server waits to send more: log and counts say so, and what it got.
    """

    async def scenario(server):
        headers = {"x-mock-chunk-delay": FOREVER}
        async with server.open(url, headers, stream=True) as answer:
            await answer.content.readuntil(b"\n\n")
            answer.close()
        return await ended(server), *await server.accounts()

    entry, account = run(scenario)
    assert (entry["ended"], entry["events"], entry["used"]) == ("client left", 1, 1)
    assert account["clients_left"] == 1


@pytest.mark.parametrize("error", [None, "hang"])
def test_a_client_that_leaves_without_an_answer_is_noticed(error):
    """
    Whether the answer takes its time or would never come.
    """

    async def scenario(server):
        headers = {"x-mock-service-time": FOREVER}
        headers |= {"x-mock-error": error} if error else {}
        answer = asyncio.ensure_future(server.post(CHAT, headers))
        await until(server.log)
        answer.cancel()
        await asyncio.wait([answer])
        return await ended(server), *await server.accounts()

    entry, account = run(scenario)
    assert (entry["ended"], account["clients_left"]) == ("client left", 1)


def test_a_client_that_stays_is_not_said_to_have_left():
    """
    All of the answer is sent, and settled, before a client can see its end.
    """

    async def scenario(server):
        seen = []
        for _ in range(20):
            await server.stream(completion_tokens=3)
            seen.append((await server.log())[-1]["ended"])
        return seen, *await server.accounts()

    seen, account = run(scenario)
    assert set(seen) == {"complete"}
    assert account["clients_left"] == 0


def test_an_event_is_written_as_the_standard_says():
    """
    A name where there is one, data on one line, an empty line.
    """
    assert Event("[DONE]").encode() == b"data: [DONE]\n\n"
    assert Event({"a": "b\nc"}, "x").encode() == (b'event: x\ndata: {"a": "b\\nc"}\n\n')
