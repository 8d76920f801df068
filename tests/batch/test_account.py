"""The plan's limits on paper agree with the scripts in the store."""

import random

import pytest

from paceline._caller import _PART_BATCH
from paceline._parse import parse_limit
from paceline.batch._account import PART, account_of
from scripts import SECOND, T0, Account

NOW = T0 / SECOND


def by_the_store(server, text, costs):
    """Return the moments at which the store lets a backlog through, one by one."""
    moments = []
    with server.client() as client:
        account = Account(client, [text])
        for cost in costs:
            while True:
                answer = account.acquire((cost,), part=_PART_BATCH)
                if answer.booking is not None:
                    break
                account.now += answer.wait_us
            moments.append((account.now - T0) / SECOND)
    return moments


def on_paper(text, costs, call=1.0):
    account = account_of(parse_limit(text), 0, 0.0, NOW, call)
    moment, moments = 0.0, []
    for cost in costs:
        moment = account.earliest(cost, moment)
        account.charge(cost, moment)
        moments.append(moment)
    return moments


def test_a_backlog_fills_the_same_part_of_a_limit():
    """
    As the limiter's priority "batch" does.
    """
    assert PART * 1_000 == _PART_BATCH


@pytest.mark.parametrize(
    "text",
    [
        "100 tokens/min",
        "100 tokens per 10s",
        "100 tokens/min burst 30",
        "600 tokens/min burst 100",
        "500 tokens/day calendar",
        "1000 tokens/week calendar Europe/Paris",
    ],
)
def test_moments_on_paper_are_those_of_the_store(clean_server, text):
    """
    To within one slot of a window; so the last row of a plan goes when it really would.
    """
    dice = random.Random(text)
    costs = [dice.randrange(1, 31) for _ in range(120)]
    real, planned = by_the_store(clean_server, text, costs), on_paper(text, costs)
    limit = parse_limit(text)
    slack = limit.per / 30 if hasattr(limit, "slots") else 0.01
    # A shift of one slot carries over to each window that follows.
    windows = 1 + (real[-1] / limit.per if hasattr(limit, "slots") else 0)
    assert planned[-1] == pytest.approx(real[-1], abs=slack * windows)
    assert planned[-1] > 0


def test_what_is_used_now_is_back_when_the_store_says():
    """
    And not before: a plan promises no time that a run could miss.
    """
    for text, used, cost, moment in (
        ("100 tokens/min", 80, 20, 30.0),
        ("100 tokens/min", 80, 10, 0.0),
        ("60 tokens/min burst 100", 95, 10, 15.0),
    ):
        account = account_of(parse_limit(text), used, 30.0, NOW, 1.0)
        assert account.earliest(cost, 0.0) == pytest.approx(moment)


def test_a_cost_above_a_backlogs_part_still_fits_an_empty_limit():
    """
    As in the store.
    """
    for text in (
        "100 tokens/min",
        "100 tokens/min burst 100",
        "100 tokens/day calendar",
    ):
        account = account_of(parse_limit(text), 0, 0.0, NOW, 1.0)
        assert account.earliest(100, 0.0) == 0.0


def test_calls_at_a_time_wait_for_those_before():
    """
    Two places, three seconds each: five calls begin at 0, 0, 3, 3 and 6.
    """
    assert on_paper("2 concurrent", [1] * 5, call=3.0) == [0.0, 0.0, 3.0, 3.0, 6.0]
