"""What a node or a Sentinel says of others: taken over, or told to make no sense."""

import pytest
from redis.exceptions import AskError, InvalidResponse, MovedError, ResponseError

from paceline.stores._resp import readable
from paceline.stores._slots import Atlas, redirection
from paceline.stores.sentinel import Compass

ME = ("me", 7000)
HUGE = 10**30


def test_a_map_of_slots_is_taken_over():
    """
    A node that does not know its own address is the one that was asked.
    """
    atlas = Atlas([ME])
    nodes = atlas.draw([[0, 9999, [b"a", 1]], [10000, 16383, [b"", 2], [b"b", 3]]], ME)
    assert nodes == {("a", 1), ("me", 2), ("b", 3)}
    assert {atlas.owner(f"key{n}") for n in range(50)} == {("a", 1), ("me", 2)}


@pytest.mark.parametrize(
    "reply",
    [
        7, b"OK", None, [7], [[]], [[0, 5]], [[0, 5, 7]], [[0, 5, [b"a"]]],
        [[0, 5, [b"a", b"x"]]], [[0, 5, [b"a", HUGE]]], [[b"x", 5, [b"a", 1]]],
        [[0, 5, [b"\xff", 1]]], [[0, 5, [7, 1]]], [[0, 5, [b"a", 0]]],
    ],
)  # fmt: skip
def test_what_is_no_map_of_slots_changes_nothing(reply):
    """
    It is an error of the client's kind, and what was known stays.
    """
    atlas = Atlas([ME])
    atlas.draw([[0, 16383, [b"a", 1]]], ME)
    with pytest.raises(InvalidResponse):
        atlas.draw(reply, ME)
    assert atlas.owner("key") == ("a", 1)


def test_slots_that_there_are_not_cost_no_memory():
    """
    A range up to 10**30 is that of all slots.
    """
    atlas = Atlas([ME])
    atlas.draw([[0, HUGE, [b"a", 1]]], ME)
    assert len(atlas._owners) == 16_384


def test_a_call_is_sent_where_an_error_says():
    """
    In redis-py's words or the server's; without a host, to the one that was asked.
    """
    assert redirection(MovedError("12 b:3"), ME) == (False, 12, ("b", 3))
    assert redirection(AskError("12 b:3"), ME) == (True, 12, ("b", 3))
    assert redirection(ResponseError("MOVED 12 :3"), ME) == (False, 12, ("me", 3))
    assert redirection(ResponseError("ERR no"), ME) is None


@pytest.mark.parametrize(
    "words",
    ["MOVED x b:3", "MOVED 99999 b:3", "ASK 1 b:x", "MOVED 1 b:99999", "ASK 1 b"],
)
def test_a_call_that_is_sent_nowhere_is_an_error(words):
    """
    Of the client's kind.
    """
    with pytest.raises(InvalidResponse):
        redirection(ResponseError(words), ME)


@pytest.mark.parametrize(
    "reply", [7, [b"a"], [b"a", b"x"], [b"a", HUGE], [7, 7], b"abc"]
)
def test_a_sentinel_that_names_nobody_is_an_error(reply):
    """
    Of the client's kind; who was the primary stays so.
    """
    compass = Compass("quota", [], lambda _: None)
    compass.primary = ME
    with pytest.raises(InvalidResponse):
        compass._note(None, reply)
    assert compass.primary == ME


def test_what_redis_py_cannot_read_is_no_reply():
    """
    Its readers raise whatever bytes make of them; a host's name is another matter.
    """
    for error in (ValueError, TypeError, IndexError, AttributeError, RecursionError):
        with pytest.raises(InvalidResponse), readable():
            raise error
    with pytest.raises(UnicodeError), readable():
        raise UnicodeError
