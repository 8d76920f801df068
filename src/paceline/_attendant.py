"""
One thread per limiter, for as long as its store is gone: it sees when that is back.

So no caller pays for finding out; and what was spent is charged at once, even if this
process calls nobody any more.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, Protocol

from ._errors import PacelineError

if TYPE_CHECKING:
    from .stores._breaker import Breaker

_log = logging.getLogger("paceline")

# Seconds between two visits to a store that is back, while something is still to do.
_SOON = 0.3
_LEAST = 0.05

# Seconds for which whoever closes waits for a visit: about a call's longest.
_LONGEST_VISIT = 1.5


class Ward(Protocol):
    """What has a store to look after."""

    @property
    def breaker(self) -> Breaker:
        """What this process found out of the store."""

    @property
    def owes(self) -> bool:
        """Whether something is to do when it is back."""

    def visit(self) -> None:
        """See whether it is back, and do it; raises what went wrong."""

    def forked(self) -> None:
        """Forget what is a parent's."""


class Attendant:
    """
    Visits a store until it is back and nothing is owed to it.

    Args:
        ward: Who has the store. One that nobody refers to any more needs nobody.
    """

    _thread: threading.Thread | None
    _stopped: bool

    def __init__(self, ward: Ward) -> None:
        self._ward = weakref.ref(ward)
        self._begin()
        _EVERY.add(self)

    def forget(self) -> None:
        """Start anew: the thread of a fork's parent is not its child's."""
        ward = self._ward()
        if ward is not None:
            ward.forked()
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._thread = None
        self._stopped = False

    def attend(self) -> None:
        """See to it from now on, if nobody does."""
        with self._changed:
            if self._thread is None and not self._stopped:
                thread = threading.Thread(
                    target=self._run, name="paceline-attendant", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    return  # at the interpreter's end: callers find out themselves
                self._thread = thread

    def stop(self) -> None:
        """Visit no more; wait, but not for ever, for a visit under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LONGEST_VISIT)

    @property
    def attends(self) -> bool:
        """Whether it sees to the store now."""
        return self._thread is not None

    def _run(self) -> None:
        while self._wait():
            ward = self._ward()
            if ward is None:
                return
            ward.breaker.attend(attends=True)
            try:
                ward.visit()
            except PacelineError as error:
                _log.debug("the store was visited in vain: %s", error)
            except Exception:  # noqa: BLE001 -- tried again, and told
                _log.exception("what was spent in an outage was not charged")

    def _wait(self) -> bool:
        """Wait for the next visit; False if there need not be one."""
        ward = self._ward()
        if ward is None:
            return False
        breaker = ward.breaker
        pause = max(_LEAST, breaker.pause if breaker.gone else _SOON)
        del ward
        with self._changed:
            if not self._stopped:
                self._changed.wait(pause)
            ward = self._ward()
            if ward is not None and not self._stopped and (breaker.gone or ward.owes):
                return True
            self._thread = None
            breaker.attend(attends=False)
            return False


_EVERY: weakref.WeakSet[Attendant] = weakref.WeakSet()


def _forked() -> None:
    for attendant in list(_EVERY):
        attendant.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
