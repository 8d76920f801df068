"""
Random faults for a long time: nothing over its bound, and nothing that grows.

    python -m pytest -m soak -s tests/faults/test_soak.py

Ten minutes; PACELINE_SOAK_SECONDS says another length, PACELINE_SOAK_SEED another order
of faults.
"""

import bisect
import os
import random
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

import rig
import rig_faults
import rig_loss
import rig_soak
from rig_proxy import FaultProxy

SECONDS = float(os.environ.get("PACELINE_SOAK_SECONDS", "600"))
SEED = int(os.environ.get("PACELINE_SOAK_SEED", "1"))
PROCESSES = 4
PAUSE = (1.5, 4.0)  # seconds between faults

pytestmark = pytest.mark.soak


def most_at_a_time(calls):
    """Return the most calls that were under way at once."""
    edges = [(got, 1) for *_, got in calls]
    edges += [(got + rig_soak.HELD, -1) for *_, got in calls]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def most_whole(calls, length):
    """Return the most calls that both began and ended within any window (seconds)."""
    spans = sorted((began, got) for *_, began, got in calls)
    starts = [began for began, _ in spans]
    most = 0
    for first, start in enumerate(starts):
        last = bisect.bisect_right(starts, start + length)
        inside = sum(got <= start + length for _, got in spans[first:last])
        most = max(most, inside)
    return most


def growth(samples, column):
    """Return the median of the last quarter of samples less that of the second."""
    part = len(samples) // 4
    early = [sample[column] for sample in samples[part : 2 * part]]
    late = [sample[column] for sample in samples[-part:]]
    return statistics.median(late) - statistics.median(early)


def read(directory):
    calls = []
    for path in directory.iterdir():
        for line in path.read_text().splitlines():
            moment, epoch, stamp, began, got = line.split()
            calls.append((int(moment), epoch, int(stamp), float(began), float(got)))
    return sorted(calls)


def test_random_faults_leave_nothing_over_its_bound_and_nothing_that_grows(
    durable, tmp_path
):
    """
    Sync and async, a window, a bucket and places, in four processes.
    """
    directory = tmp_path / "calls"
    directory.mkdir()
    with FaultProxy(durable.socket) as proxy, ThreadPoolExecutor(1) as pool:
        jobs = [(proxy.url, i, SECONDS, str(directory)) for i in range(PROCESSES)]
        going = pool.submit(rig.run_processes, rig_soak.work, jobs, SECONDS + 60)
        chance, every = random.Random(SEED), rig_faults.OTHERS + rig_faults.LOSING
        faults = rig_faults.disturb(durable, proxy, SECONDS - 8.0, chance, every, PAUSE)
        time.sleep(3.0)
        with durable.client() as client:
            connections = len(client.client_list())
        parts = going.result()
        keys = {}
        with durable.client() as client:
            keys = {key: client.pttl(key) for key in client.scan_iter()}
            time.sleep(0.5)
            left = len(client.client_list())
    bookings = read(directory)
    returned = Counter(name for *_, names, _ in parts for name in names)
    used = Counter((epoch, stamp) for _, epoch, stamp, *_ in bookings)
    calls = [(call[0], call[1], call[2] // 1000, *call[3:]) for call in bookings]
    told = sorted(each for some, *_ in parts for each in some)
    late = set(rig_loss.unseen(calls, told))
    most = rig_loss.most_inside([call[0] for call in calls], rig_loss.SECOND)
    fair = rig_loss.most_inside(
        [call[0] for call in calls if call not in late], rig_loss.SECOND
    )
    tells = {
        "seconds": SECONDS,
        "faults": dict(faults),
        "calls": len(calls),
        "most": most,
        "fair": fair,
        "whole": most_whole(calls, 1.0),
        "unseen": len(late),
        "given back": len(returned),
        "at a time": most_at_a_time(calls),
        "errors": [errors for _, errors, *_ in parts],
        "KB more": [growth(samples, 1) for _, _, samples, *_ in parts],
        "files more": [growth(samples, 2) for _, _, samples, *_ in parts],
        "threads more": [growth(samples, 3) for _, _, samples, *_ in parts],
        "tasks more": [growth(samples, 4) for _, _, samples, *_ in parts],
        "keys": len(keys),
        "connections": (connections, left),
    }
    print(f"\n{tells}")
    # A booking is used or given back, and once: what is given back again is another's.
    assert max((used + returned).values()) == 1
    assert fair <= rig_soak.RATE
    assert tells["whole"] <= rig_soak.RATE + len(late)
    assert tells["at a time"] <= rig_soak.PLACES + len(late)
    assert all(kilobytes < 3_000 for kilobytes in tells["KB more"])
    # A thread that calls while others do has a connection of its own from then on.
    assert all(files <= rig_soak.CALLERS for files in tells["files more"])
    assert all(threads <= 0 for threads in tells["threads more"])
    assert all(tasks <= 0 for tasks in tells["tasks more"])
    assert [tasks for *_, tasks in parts] == [0] * PROCESSES
    assert len(keys) <= 2
    assert all(expiry > 0 for expiry in keys.values()), keys
    assert connections <= PROCESSES * (rig_soak.CALLERS + 4)
    assert left <= 2
