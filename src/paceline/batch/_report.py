"""What a run tells of itself: on the way, and at its end."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline import LimitStatus

    from ._verdict import Verdict

_RATE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class LimitUse:
    """
    How one limit of a model stands.

    Attributes:
        model: Whose.

        status: The limit, as the store has it. Its remaining counts other users too.
    """

    model: str
    status: LimitStatus


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far a run is.

    Attributes:
        rows: Rows of the input.

        already_done: Of these, those that an earlier run has answered.

        done: Those that this run has answered.

        failed: Those that failed for good.

        in_flight: Those that were sent and not answered yet.

        retried: Attempts that were repeated.

        refused: Answers that told to wait, such as 429.

        rate: Rows a second, of late.

        eta: Seconds to the end at that rate. None if it is not known.

        seconds: Seconds since the start.

        limits: How the limits stand.
    """

    rows: int
    already_done: int
    done: int
    failed: int
    in_flight: int
    retried: int
    refused: int
    rate: float
    eta: float | None
    seconds: float
    limits: tuple[LimitUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """
    How a run ended.

    Attributes:
        rows: Rows of the input that are requests.

        invalid: Lines that are none, and were left out.

        already_done: Rows that an earlier run had answered.

        done: Rows that this run has answered.

        failed: Rows that failed for good.

        not_sent: Rows that are left to do, because the run was stopped.

        retried: Attempts that were repeated.

        refused: Answers that told to wait, such as 429.

        input_tokens: Tokens read, as the answers say.

        output_tokens: Tokens written, as the answers say.

        seconds: How long it took.

        reasons: How many rows failed, by the error's code.

        stopped: Why the run ended before its end; empty if it did not.

        output: Where the answers are.

        errors: Where the rows that failed are. None if there are none.
    """

    rows: int
    invalid: int
    already_done: int
    done: int
    failed: int
    not_sent: int
    retried: int
    refused: int
    input_tokens: int
    output_tokens: int
    seconds: float
    reasons: Mapping[str, int]
    stopped: str
    output: str
    errors: str | None

    @property
    def complete(self) -> bool:
        """Whether every row is answered."""
        return self.done + self.already_done == self.rows

    def as_json(self) -> dict[str, object]:
        """Return it as values for JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {
            "seconds": round(self.seconds, 3),
            "reasons": dict(self.reasons),
        }


@dataclass(slots=True)
class Tally:
    """What is counted on the way."""

    rows: int
    already_done: int
    start: float
    done: int = 0
    failed: int = 0
    in_flight: int = 0
    retried: int = 0
    refused: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    limits: tuple[LimitUse, ...] = ()
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def over(self) -> int:
        """Rows that this run is done with."""
        return self.done + self.failed

    def note(self, verdict: Verdict) -> None:
        """Count how an attempt ended."""
        if verdict.kind == "done":
            self.done += 1
            self.tokens.update(verdict.usage or {})
        elif verdict.kind == "failed":
            self.failed += 1
            self.reasons[(verdict.error or {}).get("code", "")] += 1
        else:
            self.retried += 1
        self.refused += verdict.cool_down > 0

    def progress(self, now: float) -> Progress:
        """Tell how far it is; *now* as that of the start."""
        self._seen.append((now, self.over))
        while len(self._seen) > 1 and now - self._seen[0][0] > _RATE_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        rate = (self.over - before) / (now - then) if now > then else 0.0
        left = self.rows - self.already_done - self.over
        return Progress(
            self.rows,
            self.already_done,
            self.done,
            self.failed,
            self.in_flight,
            self.retried,
            self.refused,
            rate,
            left / rate if rate else (None if left else 0.0),
            now - self.start,
            self.limits,
        )
