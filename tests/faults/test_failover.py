"""
A primary dies under the load of four processes, also with writes that no replica has.

    python -m pytest -m soak -s tests/faults/test_failover.py
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import rig
import rig_loss
from paceline import Key, SlidingWindow
from rig_fleet import until

LIMIT, WINDOW = 600, 6.0
LIMITS = SlidingWindow(LIMIT, WINDOW)
# Of which there is something left in every second of a failover.
SHORT = SlidingWindow(100, 1.0)
PROCESSES = 4

pytestmark = pytest.mark.soak


class Cluster:
    """A cluster, as far as one account sees it."""

    def __init__(self, fleet):
        self.url = fleet.url
        stored = f"paceline:1:{{{Key(scope='hot').tag(None)}}}"
        self.primary = fleet.owner(stored)
        place = fleet.nodes.index(self.primary)
        self.replica = fleet.nodes[place + fleet.primaries]


@pytest.fixture(params=["sentinel", "cluster"])
def fleet(request):
    """Return a primary that may die, its replica, and the URL for both."""
    if request.param == "sentinel":
        return request.getfixturevalue("mortal_watched")
    return Cluster(request.getfixturevalue("mortal_cluster"))


def cut(fleet):
    """Keep the replica from its primary: it may no more log in there."""
    fleet.replica.ask("CONFIG", "SET", "masteruser", "nobody")
    fleet.replica.ask("CONFIG", "SET", "masterauth", "wrong")
    fleet.primary.ask("CLIENT", "KILL", "TYPE", "replica")
    with fleet.replica.client() as client:
        until(lambda: client.info("replication")["master_link_status"] == "down")


def fail_over(
    fleet, end, directory, *, heals, replicated, limits=LIMITS, on_outage="wait"
):
    """
    End the primary a second after the load began.

    Return the admitted calls, what was told, and the seconds until all were answered.
    """
    directory.mkdir()
    jobs = [
        (fleet.url, limits, WINDOW + 2.0, heals, on_outage, str(directory), place)
        for place in range(PROCESSES)
    ]
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(rig.run_processes, rig_loss.ask, jobs, 90)
        until(lambda: len(list(directory.iterdir())) == PROCESSES, 60)
        if not replicated:
            cut(fleet)
        (directory / "go").touch()
        time.sleep(1.0)
        gone = time.monotonic()
        getattr(fleet.primary, end)()
        time.sleep(5.0)
        fleet.primary.resume()
        parts = going.result()
    admitted = sorted(call for calls, _, _ in parts for call in calls)
    told = sorted(each for _, some, _ in parts for each in some)
    answered = max(
        next(ended for began, ended in looks if began > gone) for _, _, looks in parts
    )
    return admitted, told, answered - gone


@pytest.mark.parametrize("end", ["kill", "pause"])
@pytest.mark.parametrize("replicated", [True, False], ids=["replicated", "cut"])
@pytest.mark.parametrize("heals", [True, False], ids=["healing", "no_healing"])
def test_a_failover_under_load_stays_within_its_bound(
    fleet, tmp_path, end, heals, replicated
):
    """
    Callers that wait see waits alone; what nobody had told of may be over.
    """
    admitted, told, seconds = fail_over(
        fleet, end, tmp_path / "marks", heals=heals, replicated=replicated
    )
    late = set(rig_loss.unseen(admitted, told))
    length = int(WINDOW * rig_loss.SECOND)
    most = rig_loss.most_inside([call[0] for call in admitted], length)
    fair = rig_loss.most_inside([c[0] for c in admitted if c not in late], length)
    print(
        f"\n{len(admitted)} calls; at most {most} in a window, {fair} less those that "
        f"nobody had told of ({len(late)}); {LIMIT} is the limit; "
        f"answered after {seconds:.2f} s"
    )
    assert seconds < 10
    if heals:
        assert fair <= LIMIT
    elif not replicated:
        assert most > 1.5 * LIMIT


@pytest.mark.parametrize("end", ["kill", "pause"])
@pytest.mark.parametrize("replicated", [True, False], ids=["replicated", "cut"])
def test_processes_that_go_on_alone_in_a_failover_stay_within_their_bound(
    fleet, tmp_path, end, replicated
):
    """
    Calls that were under way when the primary went follow it, if they have the time.
    The new one does not know what was spent without it, but who asks does.
    """
    admitted, told, seconds = fail_over(
        fleet,
        end,
        tmp_path / "marks",
        heals=True,
        replicated=replicated,
        limits=SHORT,
        on_outage="local",
    )
    late = set(rig_loss.unseen(admitted, told))
    alone = sum(not epoch for _, epoch, _, _ in admitted)
    # A process counts a permit a moment before its caller writes it down.
    length = int((SHORT.per - 0.002) * rig_loss.SECOND)
    most = rig_loss.most_inside(sorted(call[3] for call in admitted), length)
    fair = rig_loss.most_inside(sorted(c[3] for c in admitted if c not in late), length)
    print(
        f"\n{len(admitted)} calls, {alone} without the store; at most {most} in a "
        f"window, {fair} less those that nobody had told of ({len(late)}); "
        f"answered after {seconds:.2f} s"
    )
    assert alone
    assert fair <= SHORT.limit
