"""A signal's handler that raises, at whatever moment of a blocking call."""

import itertools
import signal
import threading
import time

import pytest

from paceline import Concurrency, RateLimiter, SlidingWindow

pytestmark = [
    pytest.mark.skipif(
        not hasattr(signal, "setitimer"), reason="this platform has no such timers"
    ),
    # A handler that raises inside a destructor of redis-py's or Python's own.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LIMITS = [SlidingWindow(1000, 600.0, unit="tokens"), Concurrency(500, lease=600.0)]
ATTEMPTS = 80
COST = 3


class Alarm(Exception):  # noqa: N818 -- what a handler raises
    pass


@pytest.fixture(params=["SIGALRM", "SIGINT"])
def alarm(request):
    """
    Interrupt a function after so many seconds; return whether it was.

    An alarm that strikes inside a destructor is lost, whoever runs: what waits on is
    struck *again* so many seconds later.
    """
    error = Alarm if request.param == "SIGALRM" else KeyboardInterrupt

    def strike(*_):
        raise error

    def interrupt(seconds, run, again=0.0):
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, again)
            run()
        except error:
            return True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return False

    before = signal.signal(signal.SIGALRM, strike)
    yield interrupt
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def moments():
    """Return when to strike: every few microseconds of what a call takes, and again."""
    return itertools.islice(itertools.cycle(range(1, 800, 10)), ATTEMPTS)


def in_time(run):
    """Run in a thread, because it must not hang; return what it returns."""
    found = []
    thread = threading.Thread(target=lambda: found.append(run()), daemon=True)
    thread.start()
    thread.join(20)
    assert found, "the next call hangs, or fails"
    return found[0]


@pytest.mark.parametrize("crowd", [False, True], ids=["alone", "with others"])
def test_an_interrupted_call_leaves_the_next_ones_their_own_answers(
    store_url, alarm, crowd
):
    """
    No answer of another call, no caller that waits for ever, nothing charged twice.
    """
    with (
        RateLimiter(store_url, limits=LIMITS) as limiter,
        RateLimiter(store_url, limits="1M/h") as plain,
    ):
        marks = {f"m{tokens}": 1000 - tokens for tokens in range(8)}
        for key, remaining in marks.items():
            limiter.acquire(key, {"tokens": 1000 - remaining}).release()
        limiter.acquire("a", {"tokens": 0}).cancel()
        stop = threading.Event()
        wrong = []

        def ask():
            while not stop.is_set():
                permit = limiter.acquire("a", {"tokens": 0})
                permit.cancel()
                if limiter.peek("m1")[0].remaining != marks["m1"]:
                    wrong.append("another's answer")

        others = [threading.Thread(target=ask) for _ in range(2 if crowd else 0)]
        for other in others:
            other.start()
        struck, left = 0, 1_000_000
        try:
            for moment, mark in zip(moments(), itertools.cycle(marks)):

                def call(key=mark):
                    limiter.peek(key)
                    plain.try_acquire("interrupted")
                    limiter.acquire("a", {"tokens": COST}).cancel()

                struck += alarm(moment / 1_000_000, call)
                assert limiter.peek(mark)[0].remaining == marks[mark]
                left -= 1
                assert plain.try_acquire("counted").statuses[0].remaining == left
        finally:
            stop.set()
            for other in others:
                other.join(20)
        assert struck > ATTEMPTS / 10
        assert not any(other.is_alive() for other in others)
        assert wrong == []
        in_time(
            lambda: [limiter.acquire("a", {"tokens": 0}).cancel() for _ in range(9)]
        )
        tokens, places = [s.remaining for s in limiter.peek("a")]
        # What was interrupted after its answer came is kept: its cost, never more.
        assert 1000 - tokens <= COST * struck
        assert places >= 500 - struck


def test_an_interrupted_waiter_leaves_the_line(store_url, alarm):
    """
    Interrupted while it waits for a place, it takes none and stands in nobody's way.
    """
    with RateLimiter(store_url, limits=Concurrency(1, lease=600.0)) as limiter:
        held = limiter.acquire("a")
        for moment in range(1, 60, 2):
            assert alarm(moment / 1000, lambda: limiter.acquire("a"), again=1.0)
        start = time.monotonic()
        held.release()
        in_time(lambda: limiter.acquire("a", timeout=10)).release()
        assert time.monotonic() - start < 5
