"""Embeddings over real sockets."""

import base64
import struct

import pytest

from rig_mock import EMBEDDINGS, run


@pytest.mark.parametrize(
    ("asked", "vectors", "tokens"),
    [("hi", 1, 1), (["hi", "x" * 8], 2, 3), ([1, 2, 3], 1, 3), ([[1], [2, 3]], 2, 3)],
)
def test_each_input_has_a_vector(asked, vectors, tokens):
    """
    Usage is the inputs alone.
    """
    _, headers, body = run(lambda m: m.post(EMBEDDINGS, input=asked))
    assert [item["index"] for item in body["data"]] == list(range(vectors))
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert headers["x-ratelimit-remaining-tokens"] == str(30_000 - tokens)


def test_a_vector_has_length_one_and_as_many_numbers_as_asked():
    """
    In base64 it is the same numbers, four bytes each.
    """

    async def scenario(server):
        answers = []
        for form in ("float", "base64"):
            options = {"dimensions": 5, "encoding_format": form}
            _, _, body = await server.post(EMBEDDINGS, **options)
            answers.append(body["data"][0]["embedding"])
        return answers

    numbers, text = run(scenario)
    assert sum(number**2 for number in numbers) == 1.0
    assert len(numbers) == 5
    assert list(struct.unpack("<5f", base64.b64decode(text))) == numbers


def test_a_stream_of_them_is_none():
    """
    OpenAI does not look at that field here.
    """
    _, headers, body = run(lambda m: m.post(EMBEDDINGS, stream=True))
    assert headers["content-type"] == "application/json"
    assert body["object"] == "list"


def test_an_error_can_be_ordered_here_too():
    """
    Also one that comes after the accounting.
    """
    headers = {"x-mock-error": "answer_error"}
    assert run(lambda m: m.post(EMBEDDINGS, headers))[0] == 500
