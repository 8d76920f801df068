"""When a verb is called in the wrong world: where blocking would stop an event loop."""

from __future__ import annotations

import os
import select
import sys
import time
import warnings

from ._errors import MisuseError


class Worlds:
    """Knows blocking code from a running event loop."""

    _warned: bool = False

    def may_block(self, verb: str, twin: str) -> None:
        """
        Refuse to block a running event loop.

        Raises:
            MisuseError: If one is running in this thread (P501).
        """
        if in_event_loop():
            raise MisuseError(
                f"{verb} would block the running event loop while it waits",
                code="P501",
                hint=f"Use {twin} in async code.",
            )

    def warn_once(self, verb: str, twin: str) -> None:
        """Warn that a verb's round trip stops a running event loop."""
        if not self._warned and in_event_loop():
            self._warned = True
            warnings.warn(
                f"{verb} stops the running event loop for a round trip; use {twin}",
                RuntimeWarning,
                stacklevel=3,
            )


def in_event_loop() -> bool:
    """Tell whether an event loop runs here, a notebook's idle one excepted."""
    asyncio = sys.modules.get("asyncio")
    # Asked by every call: the question that raises nothing comes first.
    if asyncio is None or asyncio._get_running_loop() is None:  # noqa: SLF001 -- documented
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False  # no loop runs here
    if task is None:
        return True  # a callback of the loop
    # A notebook runs each cell in a task of its kernel; nothing else needs the loop.
    code = getattr(task.get_coro(), "cr_code", None)
    return f"{os.sep}ipykernel{os.sep}" not in getattr(code, "co_filename", "")


def let_others_go_on() -> None:
    """Let threads run that want to, and be back sooner than any sleep is."""
    if os.name == "posix":
        select.select((), (), (), 0)
    else:
        time.sleep(0)
