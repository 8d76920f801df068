"""How many processes used a scope of late: their lanes tell."""

from paceline import TokenBucket
from paceline._facts import decode_clients, encode_clients
from scripts import SECOND, Account


def used_by(one, *lanes):
    for lane in lanes:
        one.lane = (lane, 1, 1)
        one.acquire(1)
    one.lane = None


def count(one, seconds):
    life_us = round(seconds * SECOND)
    call = encode_clients(one.scope, one.policy, life_us, one.clock())
    return decode_clients(one.run(call))[0]


def test_connections_of_one_client_are_one(clean_server):
    """
    A lane is named after its client, and nothing else of the hash counts.
    """
    one = Account(clean_server.client(), TokenBucket(100, 1.0))
    assert count(one, 60) == 0
    used_by(one, "ab-1", "ab-2", "cd-1", "abc-1")
    assert count(one, 60) == 3


def test_who_was_not_there_lately_does_not_count(clean_server):
    """
    Neither a microsecond too long ago; who has one lane in use counts.
    """
    one = Account(clean_server.client(), TokenBucket(100, 1.0))
    used_by(one, "ab-1", "cd-1")
    one.now += 10 * SECOND - 1
    assert count(one, 10) == 2
    used_by(one, "cd-2")
    one.now += 1
    assert count(one, 10) == 1


def test_counting_changes_nothing(clean_server):
    """
    Neither the hash nor its end.
    """
    one = Account(clean_server.client(), TokenBucket(100, 1.0))
    used_by(one, "ab-1")
    before = one.state()
    assert count(one, 60) == 1
    assert one.state() == before
