"""``paceline top`` while its store is away: it stays, and goes on."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time

import pytest

import rig
from paceline import RateLimiter, StoreError, StoreUnavailable
from paceline._limits import SlidingWindow
from paceline._standing import Standing
from paceline.cli import main, top
from paceline.ops.accounts import Account, Look, ScopeState
from paceline.ops.watching import Absence, Sight, watch

NOBODY = re.compile(r"^\d\d:\d\d:\d\d  cannot reach unix://.* \(connection refused\)\.")


@pytest.fixture
def mortal(tmp_path):
    """Start a server that the test may end."""
    running = rig.Server(rig.servers()[0][1], tmp_path).start()
    yield running
    running.kill()


def seen(seconds, count, epoch="e"):
    """Return a look at one account, with what was booked of its limit so far."""
    limit = SlidingWindow(100, 60.0)
    standings = (Standing(limit, "100/min", odometer=count),)
    account = Account("m:", epoch, 0, standings)
    return Look(seconds * 1_000_000, (ScopeState("tag", "a", (account,)),))


def watched(steps, seconds=range(100, 200)):
    """Watch what the steps are: looks, or failures of them."""
    left, clock = iter(steps), iter(seconds)

    def look():
        step = next(left)
        if isinstance(step, Exception):
            raise step
        return step

    return list(watch(look, lambda: False, lambda: next(clock)))


def test_rates_begin_anew_after_an_outage():
    """
    What a failover lost cannot be told from refunds: a count over it would be too low.
    """
    gone = StoreUnavailable("gone")
    steps = [seen(0, 0), seen(1, 5), gone, gone, seen(9, 7), seen(10, 9), None]
    *found, last = watched(steps)
    rates = [each.rates for each in (*found, last) if isinstance(each, Sight)]
    assert [list(each.values()) if each else each for each in rates] == [
        None, [5.0], None, [2.0],
    ]  # fmt: skip


def test_an_outage_lasts_from_its_first_failure_on():
    """
    It began by the time that look was begun; the next outage is another one.
    """
    gone = StoreUnavailable("gone")
    steps = [seen(0, 0), gone, gone, seen(1, 0), gone, None]
    absences = [each for each in watched(steps) if isinstance(each, Absence)]
    # The clock is read before each look but the first, and after each failed one.
    assert [(each.since, each.at) for each in absences] == [
        (100, 101),
        (100, 103),
        (105, 106),
    ]


@pytest.mark.parametrize(
    "steps",
    [
        [StoreUnavailable("never there")],
        [seen(0, 0), StoreError("wrong password")],
        [seen(0, 0), StoreUnavailable("gone"), StoreError("no permission")],
    ],
)
def test_what_no_waiting_cures_ends_it(steps):
    """
    And so does a first look that fails: it may be the wrong address.
    """
    with pytest.raises(StoreError) as raised:
        watched(steps)
    assert raised.value is steps[-1]


def test_a_look_that_hangs_does_not_keep_who_wants_to_leave():
    """
    The keys are heeded meanwhile.
    """
    stuck = threading.Event()
    reader = type("Reader", (), {"look": lambda _: stuck.wait(30)})()
    presses = iter([False, True])
    assert top._look(reader, lambda _: next(presses)) is None
    stuck.set()


def outage(server, monkeypatch, args):
    """Run top through an outage of two looks and a look after it; then Ctrl-C."""

    def pause(_):
        step = next(steps)
        if step is not None:
            step()
        return False

    def leave():
        raise KeyboardInterrupt

    steps = iter([None, server.kill, None, server.start, None, leave])
    monkeypatch.setattr(top, "_sleep", pause)
    with RateLimiter(server.url, limits="9/min") as ours:
        ours.acquire("a")
    assert main(["top", "--store", server.url, *args]) == 130


def test_without_a_terminal_an_outage_is_two_lines(mortal, monkeypatch, capsys):
    """
    One as it begins and one as it ends, on stderr; stdout has tables alone.
    """
    outage(mortal, monkeypatch, [])
    out, err = capsys.readouterr()
    gone, back = err.strip().splitlines()
    assert NOBODY.match(gone)
    assert gone.endswith("Looking again.")
    assert re.search(r"the store is back after \d+\.\d s\.$", back)
    assert out.count("scope   ") + out.count("scope  model") == 3
    assert out.count("9 requests/min") == 1


def test_with_json_each_look_that_fails_is_a_line(mortal, monkeypatch, capsys):
    """
    It has an error in place of the scopes; when that began, and the code.
    """
    outage(mortal, monkeypatch, ["--json"])
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert not err.strip()
    assert ["error" in line for line in lines] == [False, True, True, False, False]
    assert all(("scopes" in line) != ("error" in line) for line in lines)
    one, other = lines[1:3]
    assert one["error"]["code"] == "P201"
    assert one["store"] == lines[0]["store"]
    assert one["since"] == other["since"] <= one["at"] <= other["at"]


@pytest.mark.parametrize("when", ["before", "between"])
def test_once_ends_where_the_store_is_not_there(mortal, monkeypatch, capsys, when):
    """
    Exit code 4: there is nothing to show.
    """
    if when == "before":
        mortal.kill()
    monkeypatch.setattr(top, "_sleep", lambda _: mortal.kill())
    assert main(["top", "--once", "--store", mortal.url]) == 4
    assert "[P201]" in capsys.readouterr().err


class Screen:
    """A terminal with ``paceline top`` on it."""

    def __init__(self, url):
        self.ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
        args = [sys.executable, "-m", "paceline", "top", "--interval", "0.1"]
        self.process = subprocess.Popen(
            [*args, "--store", url], stdin=theirs, stdout=theirs, stderr=theirs, env=env
        )
        os.close(theirs)

    def shows(self, *wanted):
        """Wait until all of it was shown since the last time."""
        seen, end = b"", time.monotonic() + 20
        while not all(each in seen for each in wanted):
            assert time.monotonic() < end, seen
            if select.select([self.ours], [], [], 0.1)[0]:
                seen += os.read(self.ours, 65_536)

    def end(self):
        """Press q, and return the exit code."""
        os.write(self.ours, b"q")
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.ours], [], [], 0.1)[0]:
                try:
                    os.read(self.ours, 65_536)
                except OSError:
                    break
        return self.process.wait(5)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


@pytest.fixture
def screen(mortal):
    """Start it; its first table is there."""
    with RateLimiter(mortal.url, limits="9/min") as ours:
        ours.acquire("team-a", 9)
    shown = Screen(mortal.url)
    yield shown
    shown.close()


def test_on_a_terminal_it_goes_on_until_q(screen):
    """
    The table is drawn over and over; q leaves the terminal as it was.
    """
    screen.shows(b"team-a", b"9 requests/min", b"100%")
    screen.shows(b"team-a", b"0/s")
    assert screen.end() == 0


def test_on_a_terminal_the_last_table_stays(mortal, screen):
    """
    Above it stands that the store is not there, until it is; then q ends it, though
    the server has stopped again.
    """
    screen.shows(b"team-a")
    mortal.kill()
    screen.shows(b"NOT THERE since", b"connection refused", b"team-a")
    mortal.start()
    with RateLimiter(mortal.url, limits="9/min") as ours:
        ours.acquire("team-b", 9)
    screen.shows(b"1 scope, 1 account", b"team-b")
    mortal.pause()
    assert screen.end() == 0
