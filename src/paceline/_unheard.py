"""
What an error tells of the call that it ended: what may be charged that nobody has.

Whoever gives that back reads it here. A call may have served many, and each of them
raises its error: the first one sees to the call, or it would be given back again and
again, out of what others were charged since.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._calls import Call, Request
    from ._reply import Answer


class Unheard:
    """
    A call that may have been carried out, and nobody heard its answer.

    Attributes:
        call: As it was sent, lane included.

        requests: What it asked for, if it was an acquire.
    """

    __slots__ = ("_claims", "call", "requests")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.requests: tuple[Request, ...] = ()
        self._claims = [None]

    def claim(self) -> bool:
        """Tell whether the caller is the first: it has to see to the call."""
        try:
            self._claims.pop()  # of several threads one
        except IndexError:
            return False
        return True


def note(error: BaseException, unheard: Unheard | None) -> None:
    """Let an error tell of a call."""
    if unheard is not None:
        error.unheard = unheard  # type: ignore[attr-defined]


def unheard_of(error: BaseException | None) -> Unheard | None:
    """Return the call of which an error tells."""
    found: Unheard | None = getattr(error, "unheard", None)
    return found


def note_answer(error: BaseException, answer: Answer | None) -> None:
    """Let the error of somebody who was interrupted tell of the answer that came."""
    if answer is not None:
        error.late_answer = answer  # type: ignore[attr-defined]


def take_answer(error: BaseException) -> Answer | None:
    """Return the answer that came for somebody who was interrupted, once."""
    answer: Answer | None = getattr(error, "late_answer", None)
    if answer is not None:
        del error.late_answer  # type: ignore[attr-defined]
    return answer


def note_end(error: BaseException, until: float) -> None:
    """Let an error tell when those gave up for whom a call was made."""
    error.gave_up = until  # type: ignore[attr-defined]


def is_of_others(error: BaseException, until: float) -> bool:
    """Tell whether a call failed for somebody who gave up before *until*."""
    return getattr(error, "gave_up", inf) < until
