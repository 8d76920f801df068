"""Replies, however they are cut into pieces on their way."""

import pytest
from hypothesis import given, strategies as st
from redis.exceptions import InvalidResponse

from paceline.stores._resp import Failure, MoreError, Reader

TEXTS = st.binary(max_size=30) | st.sampled_from(
    [b"$5\r\n", b"*1\r\n:1\r\n", b":7\r\n"]
)
LEAVES = st.integers(-(2**63), 2**63 - 1) | TEXTS | st.none()
REPLIES = st.recursive(
    LEAVES | st.lists(st.integers(0, 10**16), max_size=40),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=30,
)
FAILURE = Failure("NOSCRIPT No matching script")


def write(reply):
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, Failure):
        return b"-%b\r\n" % reply.text.encode()
    return b"*%d\r\n" % len(reply) + b"".join(map(write, reply))


@given(
    st.lists(REPLIES | st.just(FAILURE), max_size=6),
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
)
def test_replies_are_read_whole_and_in_order(replies, sizes):
    """
    Whatever they hold, and wherever the stream is cut.
    """
    stream, reader, read = b"".join(map(write, replies)), Reader(), []
    at, step = 0, 0
    while at < len(stream):
        size = sizes[step % len(sizes)]
        reader.feed(stream[at : at + size])
        at, step = at + size, step + 1
        try:
            while not reader.empty:
                read.append(reader.next())
        except MoreError:
            pass
    assert reader.empty
    texts = [each.text if isinstance(each, Failure) else each for each in read]
    wanted = [each.text if isinstance(each, Failure) else each for each in replies]
    assert texts == wanted


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b":x\r\n", b"*z\r\n", b"$q\r\n"]
)
def test_what_is_no_reply_is_refused(data):
    """
    Something else listens there.
    """
    reader = Reader()
    reader.feed(data)
    with pytest.raises(InvalidResponse):
        reader.next()
