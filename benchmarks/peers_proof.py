"""
What do other limiters let through, refuse and lose when the world is not kind?

Speed is one half of a comparison; this is the other. A limit of 100 requests a second:

* ``over``: requests above 100 that some second provably held, four processes asking as
  fast as they can. A call counts only if it began *and* ended within the second: no
  lag of a busy machine can fake that.
* ``over_skewed``: the same while two of the four processes have clocks half a second
  ahead (Python's clock; the server's is right).
* ``over_adverse``: the same for one caller who asks once, waits 0.9 s, then asks as
  fast as it can: the arrival that approximate windows and buckets like least. A bucket
  is *made* to hold up to 100 more; whether the provider forgives that is its matter.
* ``false_denials``: the share of refusals while the quota is never used up.
* ``after_cancel_s``: twenty callers wait on 5 a second and are called off; how long the
  next one waits. What was booked and not given back shows here: up to 0.5 s is fair.
  Nobody is waited for longer than 10 s.
* ``lost_reply_units``: what a caller pays who asks once while the server's answer is
  lost on its way. 1 is exact, or an error after the charge; more is charged twice,
  and 0 is an error before any.

Needs ``pip install -e '.[bench]'``; what is missing is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rig_proxy import FaultProxy

from .harness import single
from .harness.crew import Start, together
from .harness.peers import Peer, find, installed, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .harness import Row, Run

PLOTS = {
    "over_adverse": "Requests above 100 that some second held, adverse arrivals",
    "over_skewed": "Requests above 100 that some second held, two clocks ahead",
}
LIMIT, PER = 100, 1
PROCESSES = 4
SKEW = 0.5
# Seconds after which a waiter is given up.
_LONGEST = 10.0
_NEVER = 1_000_000
# A caller's moments: before it asked, and after it was let through.
Call: TypeAlias = tuple[float, float]


def ask(run: Run) -> list[Row]:
    """Put every limiter through all of it."""
    judged = [_judge(run, peer) for peer in installed(run.peers)]
    return [*judged, *missing(run.peers)]


def _judge(run: Run, peer: Peer) -> Row:
    trials: dict[str, Callable[[Run, Peer], float]] = {
        "over": over,
        "over_skewed": over_skewed,
        "over_adverse": over_adverse,
        "false_denials": false_denials,
        "after_cancel_s": after_cancel,
        "lost_reply_units": lost_reply,
    }
    sample, failures = {}, []
    for name, trial in trials.items():
        run.tick(f"{peer.name}: {name}")
        run.server.clear()
        try:
            sample[name] = trial(run, peer)
        except RuntimeError as error:  # of a child; the other trials go on
            failures.append(f"{name}: {error}")
    return single(peer.label, sample, "; ".join([peer.kind, *failures]))


def over(run: Run, peer: Peer, skew: float = 0.0) -> float:
    """Let four processes hammer; half of them may be ahead of their time."""
    seconds = run.pick(1.7, 1.3)
    jobs = [
        (run.server.url, peer.name, LIMIT, 0.0, seconds, skew * (number % 2))
        for number in range(PROCESSES)
    ]
    return _excess([call for _, calls in together(hammer, jobs) for call in calls])


def over_skewed(run: Run, peer: Peer) -> float:
    """Let two of the four be half a second ahead."""
    return over(run, peer, SKEW)


def over_adverse(run: Run, peer: Peer) -> float:
    """Ask once, wait, hammer; the worst of several times counts."""
    worst = 0.0
    for _ in range(run.pick(2, 1)):
        run.server.clear()
        job = (run.server.url, peer.name, LIMIT, 0.9, 1.2, 0.0)
        ((_, calls),) = together(hammer, [job])
        worst = max(worst, _excess(calls))
    return worst


def false_denials(run: Run, peer: Peer) -> float:
    """Let four processes hammer a limit that is never reached."""
    job = (run.server.url, peer.name, _NEVER, 0.0, run.pick(0.8, 0.3), 0.0)
    heard = together(hammer, [job] * PROCESSES)
    asked = sum(number for number, _ in heard)
    return 1 - sum(len(calls) for _, calls in heard) / asked


def after_cancel(run: Run, peer: Peer) -> float:
    """Call twenty waiting callers off and wait for one more turn."""
    (seconds,) = together(cancel, [(run.server.url, peer.name)])
    return seconds


def lost_reply(run: Run, peer: Peer) -> float:
    """Lose one answer and count what is gone."""
    (units,) = together(lose, [(run.server.url, run.server.socket, peer.name)])
    return float(units)


def most_provable(calls: Sequence[Call], per: float) -> int:
    """Return the most of *calls* that began and ended within some *per* seconds."""
    calls = sorted(calls)
    most = 0
    for place, (begun, _) in enumerate(calls):
        inside = 0
        for start, end in calls[place:]:
            if start >= begun + per:
                break
            inside += end < begun + per
        most = max(most, inside)
    return most


def _excess(calls: Sequence[Call]) -> float:
    return float(max(0, most_provable(calls, PER) - LIMIT))


def hammer(
    start: Start,
    url: str,
    name: str,
    limit: int,
    pause: float,
    seconds: float,
    skew: float,
) -> tuple[int, list[Call]]:
    """Ask as fast as can be; return how often, and the calls that were let through."""
    _go_ahead(skew)
    call = find(name).trying(url, limit, PER)
    asked, admitted, begin = 0, [], start()
    time.sleep(max(0.0, begin - time.monotonic()))
    if pause:
        began = time.monotonic()
        call()
        admitted.append((began, time.monotonic()))
        time.sleep(pause)
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        asked += 1
        if call():
            admitted.append((began, time.monotonic()))
    return asked, admitted


def _go_ahead(seconds: float) -> None:
    """Let this process believe that it is later than it is."""
    if seconds:
        real, real_ns = time.time, time.time_ns
        time.time = lambda: real() + seconds
        time.time_ns = lambda: real_ns() + round(seconds * 1e9)


def cancel(start: Start, url: str, name: str) -> float:
    """Use the limit up, call twenty waiters off, and tell how long one more waits."""

    async def work() -> float:
        peer = find(name)
        if peer.waiting is None:
            raise ValueError(f"{name} does not wait")
        turn = await peer.waiting(url, 5, 1)
        start()
        async with asyncio.timeout(_LONGEST):
            for _ in range(5):
                await turn()
        waiters = [asyncio.ensure_future(turn()) for _ in range(20)]
        await asyncio.sleep(0.5)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait(waiters, timeout=_LONGEST)  # some swallow a cancellation
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST):
                await turn()
        return time.monotonic() - began

    return asyncio.run(work())


def lose(start: Start, url: str, plug: str, name: str) -> int:
    """Ask once while the answer is lost; return the units that are gone."""
    peer, limit, per = find(name), 10, 60
    start()
    with FaultProxy(Path(plug)) as proxy:
        through = peer.trying(f"{proxy.url}/0", limit, per)
        through()  # connections are open and scripts known
        proxy.mode = "reset_on_reply_once"
        with contextlib.suppress(Exception):  # each library has its own
            through()
        proxy.mode = "pass"
        direct = peer.trying(url, limit, per)
        left = sum(direct() for _ in range(limit))
    return limit - left - 1
