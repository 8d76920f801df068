"""
Whether the store is there, as the calls of this process found out.

The first call that does not reach it tells all others: who asked before fails with it.
From the second one in a row on nobody waits for the store's timeouts any more but one
call after each pause, which finds out whether it is back.
"""

from __future__ import annotations

import logging
import threading
import time
from random import random
from typing import TYPE_CHECKING

from .._errors import StoreError, StoreUnavailable
from ._translate import translate

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("paceline")

# Seconds between two calls that find out: from the first to the last, doubling. Each is
# shortened by up to half at random, so that a fleet does not come all at once.
FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0


class Breaker:
    """
    The state of one store in this process; used from any thread.

    Attributes:
        gone: Whether the last that was heard of the store is that it is not there.

        reached: Whether it ever answered.

        asked: When the call was asked for that found it gone: it was gone by then.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._finding: StoreUnavailable | None = None
        self._found = float("-inf")
        self._since = 0.0
        self._failures = 0
        self._again = 0.0
        self._attendant = 0
        self.gone: bool = False
        self.reached: bool = False
        self.asked: float = float("inf")

    def note(
        self, error: BaseException, where: str, asked: float | None = None
    ) -> StoreError:
        """Return the error for a failure; remember it if the store was not there."""
        finding = translate(error, where)
        if isinstance(finding, StoreUnavailable):
            self._failed(finding, asked)
        else:
            self.answered()  # with a refusal, but it is there
        return finding

    def judge(
        self, error: BaseException, where: str, asked: float, *, local: bool
    ) -> StoreError:
        """
        Return the error for a failure; remember it, unless it is a *local* one.

        That somebody had no time for an answer tells nothing of the store, and one node
        of a cluster nothing of the others.
        """
        return translate(error, where) if local else self.note(error, where, asked)

    def _failed(self, finding: StoreUnavailable, asked: float | None) -> None:
        with self._lock:
            now = self._clock()
            began = not self.gone
            if began:
                self._failures, self._since = 0, now
                self.asked = now if asked is None else asked
            self._failures += 1
            self._found, self._finding = now, finding
            # The first is no reason to keep anybody from trying.
            pause = FIRST_PAUSE * 2.0 ** min(self._failures - 2, 10)
            self._again = now
            if self._failures > 1:
                self._again += min(pause, LAST_PAUSE) * (1 - self._chance() / 2)
            self.gone = True
        if began:
            _log.warning("the store is not there: %s", finding.message)

    def answered(self) -> None:
        """Note that the store answered."""
        self.reached = True
        if not self.gone:
            return
        with self._lock:
            over, self.gone = self.gone, False
            seconds = self._clock() - self._since
        if over:
            _log.warning("the store is back after %.1f s", seconds)

    def check(self, asked: float) -> None:
        """
        Let a call through that may reach the store.

        Raises:
            StoreUnavailable: What was found last: the store was found gone after this
                call was *asked* for, or it is gone and this is not the moment to see
                whether it is back.
        """
        finding = self._finding
        if finding is None:
            return
        if asked >= self._found and not (self.gone and self._waits()):
            return
        raise type(finding)(finding.message, code=finding.code, hint=finding.hint)

    def _waits(self) -> bool:
        if self._attendant:
            return self._attendant != threading.get_ident()
        with self._lock:
            now = self._clock()
            if now < self._again:
                return True
            if self._failures > 1:
                # This call finds out; all others wait for what it finds.
                self._again = now + LAST_PAUSE
            return False

    def attend(self, *, attends: bool) -> None:
        """Let only this thread find out whether the store is back, or every caller."""
        self._attendant = threading.get_ident() if attends else 0

    @property
    def pause(self) -> float:
        """Seconds until it is time to see whether the store is back."""
        return max(0.0, self._again - self._clock())
