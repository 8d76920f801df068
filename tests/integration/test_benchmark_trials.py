"""The trials that all limiters are put through, on the one that is always installed."""

import asyncio

import pytest

from benchmarks import peers_proof
from benchmarks.harness import Run
from benchmarks.harness.peers import Peer, find
from benchmarks.harness.server import private_server


@pytest.fixture(scope="module")
def run():
    with private_server() as server, asyncio.Runner() as loop:
        yield Run(server, loop, quick=True)


def test_a_trial_tells_a_strict_window_from_a_bucket(run):
    """
    Asked once, then hammered, a bucket of 100 lets more than 100 through in a second,
    as it is made to, and a window never.
    """
    assert peers_proof.over_adverse(run, find("paceline window")) == 0
    run.server.clear()
    assert peers_proof.over_adverse(run, find("paceline bucket")) > 0


def test_a_lost_reply_costs_one_unit(run):
    """
    What was decided and not heard is not asked for twice.
    """
    run.server.clear()
    assert peers_proof.lost_reply(run, find("paceline window")) == 1


def test_a_limiter_that_fails_a_trial_is_told_and_the_others_go_on(run, monkeypatch):
    """
    Its row has what was measured, and a note for what was not.
    """

    def fail(*_):
        raise RuntimeError("a process failed: ValueError: no")

    for name in ("over", "over_skewed", "over_adverse", "false_denials", "lost_reply"):
        monkeypatch.setattr(peers_proof, name, lambda *_: 0.0)
    monkeypatch.setattr(peers_proof, "after_cancel", fail)
    row = peers_proof._judge(run, Peer("paceline window", "strict window", fail, fail))
    assert set(row.measures) == {
        "over",
        "over_skewed",
        "over_adverse",
        "false_denials",
        "lost_reply_units",
    }
    assert row.note == "strict window; after_cancel_s: a process failed: ValueError: no"
