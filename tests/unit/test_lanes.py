"""Lanes: the store must know every number that may still come."""

import pytest
from hypothesis import given, strategies as st

from paceline import StoreUnavailable
from paceline.stores._gate import Places
from paceline.stores._lanes import Lanes

KEPT = 8


@given(st.lists(st.integers(0, 30), max_size=200))
def test_no_number_is_further_ahead_than_the_store_remembers(choices):
    """
    Whatever is answered first: a number under way is among its lane's last eight.
    """
    lanes, out, newest = Lanes(), [], {}
    for choice in choices:
        if choice < len(out):
            lanes.give(out.pop(choice))
            continue
        lane = lanes.take()
        assert lane not in out
        assert lane.number == newest.get(lane.lane, 0) + 1
        newest[lane.lane] = lane.number
        out.append(lane)
        assert all(each.number > newest[each.lane] - KEPT for each in out)
        same = [each.number for each in out if each.lane == lane.lane]
        assert lane.oldest == min(same)


def test_a_lane_is_used_again():
    """
    Calls one after the other need one lane, however many they are.
    """
    lanes = Lanes()
    names = set()
    for _ in range(100):
        lane = lanes.take()
        names.add(lane[0])
        lanes.give(lane)
    assert len(names) == 1


def test_a_lane_with_a_call_that_nobody_will_answer_is_left():
    """
    Its number would hold all others up.
    """
    lanes = Lanes()
    lost = lanes.take()
    lanes.retire(lost)
    assert lanes.take()[0] != lost[0]


def test_a_place_that_is_lost_is_found_again():
    """
    Whoever was interrupted between taking and giving costs nobody a place for ever.
    """
    places = Places(2, "here")
    for _ in range(5):
        assert places.take(0.0)  # and nobody gives it back
    first, second = places.take(0.0), places.take(0.0)
    with pytest.raises(StoreUnavailable, match="all 2 connections to here are busy"):
        places.take(0.0)
    places.give(second)
    assert places.take(0.0) is second
    assert first is not second
