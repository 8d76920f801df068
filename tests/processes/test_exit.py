"""The end of a process: no hang and no traceback, whatever is under way."""

import subprocess
import sys

import pytest

from rig_stores import SERVERS

HEAD = """
import asyncio, os, sys, threading, time
from paceline import Concurrency, RateLimiter, SlidingWindow

limits = [SlidingWindow(2, 60.0), Concurrency(9, lease=0.3)]
limiter = RateLimiter(sys.argv[1], limits=limits)
me = str(os.getpid())
"""

# Renewals go on every tenth of a second, two threads wait for their turn, one for a
# place in the line of a limit on calls.
THREADS = """
held = [limiter.acquire(me) for _ in range(2)]
for key in (me, me, me + "b"):
    threading.Thread(
        target=limiter.acquire, args=(key,), kwargs={"timeout": None}, daemon=True
    ).start()
time.sleep(0.25)
"""

# Two tasks that nobody awaits, one that holds a place, and threads of the loop's own.
LOOP = """
async def main():
    held = await limiter.acquire_async(me)
    tasks = [
        asyncio.create_task(limiter.acquire_async(me, timeout=None)) for _ in range(3)
    ]
    await asyncio.sleep(0.25)
    return held, tasks

kept = asyncio.run(main())
"""

# The loop is stopped and never closed, with a call under way.
STOPPED = """
import warnings
warnings.simplefilter("ignore", ResourceWarning)
loop = asyncio.new_event_loop()
loop.run_until_complete(limiter.acquire_async(me))
loop.close()
held = limiter.acquire(me)
time.sleep(0.15)
"""

# Threads that are in the middle of a call all the time, until the interpreter is gone.
BUSY = """
plain = RateLimiter(sys.argv[1], limits="9M/min")
def ask():
    while True:
        plain.try_acquire(me)

for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
time.sleep(0.1)
"""

ENDS = {
    "exits": "sys.exit(0)",
    "closes": "limiter.close()",
    "closes at exit": "import atexit; atexit.register(limiter.close)",
    "closes on a loop": "asyncio.run(limiter.aclose())",
}


CASES = [
    *((body, "") for body in (THREADS, LOOP, STOPPED, BUSY)),
    *((THREADS, end) for end in ENDS.values()),
    (BUSY, ENDS["closes at exit"]),
]


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_an_interpreter_ends_quietly(clean_server):
    """
    With waiters, a heartbeat and calls under way: at once, and without a word.
    """
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "default",
                "-c",
                HEAD + body + end,
                clean_server.url,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for body, end in CASES
    ]
    try:
        said = [process.communicate(timeout=60)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert said == [""] * len(CASES)
    assert [process.returncode for process in running] == [0] * len(CASES)
