"""Forks and several event loops: one limiter object serves them all."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from paceline import RateLimiter
from paceline._worlds import in_event_loop

FORK = """
import os, sys
from paceline import RateLimiter

limiter = RateLimiter(sys.argv[1], limits="20/h")
assert limiter.try_acquire("a")
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        admitted = sum(bool(limiter.try_acquire("a")) for _ in range(4))
        os._exit(admitted)
    children.append(child)
admitted = sum(os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children)
assert limiter.try_acquire("a")
print(admitted, limiter.peek("a")[0].remaining)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_uses_connections_of_its_own(clean_server):
    """
    Parent and children share the account and never each other's sockets.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORK, clean_server.url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["16", "2"]


def test_asyncio_run_twice_without_closing(clean_server, recwarn):
    """
    A limiter that outlives a loop serves the next one.
    """
    limiter = RateLimiter(clean_server.url, limits="20/h")

    async def ask():
        decision = await limiter.try_acquire_async("a")
        await limiter._engine._store.aio().aclose()
        return decision.allowed

    assert asyncio.run(ask())
    assert asyncio.run(ask())
    limiter.close()


def test_a_loops_own_callbacks_count_as_running_in_it():
    """
    The check for blocking verbs sees tasks and callbacks, and no loop in plain code.
    """
    assert not in_event_loop()

    async def run():
        inside = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: inside.set_result(in_event_loop()))
        return in_event_loop(), await inside

    assert asyncio.run(run()) == (True, True)


def test_a_notebooks_cell_may_block():
    """
    A cell runs in a task of the kernel, whose loop has nothing else to do.
    """
    code = compile(
        "async def cell(ask):\n    return ask()",
        str(Path("lib") / "ipykernel" / "kernelbase.py"),
        "exec",
    )
    names = {}
    exec(code, names)
    assert asyncio.run(names["cell"](in_event_loop)) is False
