"""What calls need to know of the server's day, and of chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._calls import Clock
from ._errors import StoreError
from ._reply import OTHER_DAY, Reply, unwrap


@dataclass(slots=True)
class Almanac:
    """
    The server's day, as its replies tell.

    Attributes:
        nonce: Returns a random number, 0 to 9999.

        day_us: The server's clock at the last reply, for calendars.
    """

    nonce: Callable[[], int]
    day_us: int = 0

    def clock(self) -> Clock:
        """Return what the next call needs to know of time and chance."""
        return Clock(self.nonce(), self.day_us)

    def other_day(self, reply: Reply) -> bool:
        """Note the server's day; tell whether the reply asks for its boundaries."""
        try:
            _, reply = unwrap(reply)
            kind, self.day_us = int(reply[0]), int(reply[1])
        except (StoreError, TypeError, ValueError, IndexError):
            return False  # the decoder says what is wrong with it
        return kind == OTHER_DAY
