"""
What paceline raises on purpose; nothing else reaches a caller.

* PacelineError
  + RateLimitExceeded   the limits say "later", and later is too late; has the Decision
  + CostError           a missing or unknown unit, or not a whole number (a ValueError)
    - CostTooLarge      no waiting would help
  + StoreError          the store answered with an error that will not pass by itself
    - StoreUnavailable  the store could not be reached; it may pass
  + ConfigError         limits, keys, URLs or options that make no sense (a ValueError)
  + MisuseError         the wrong twin, a closed limiter, braces in a Key

Each carries a stable ``code`` (P1xx config, P2xx store, P3xx limits and costs, P5xx
misuse, P6xx a missing extra, P7xx a batch) and a ``hint``: what to do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._decision import Decision


class PacelineError(Exception):
    """
    Base of everything this package raises on purpose.

    Attributes:
        message: What happened, and where.

        code: Stable, for programs: ``"P301"``.

        hint: What to do about it. May be empty.
    """

    code: str = "P000"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message: str = message
        self.code: str = code or type(self).code
        self.hint: str = hint

    def __str__(self) -> str:
        text = f"[{self.code}] {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        # The state is copied by pickle after a bare construction, so that
        # subclasses with other signatures survive a process boundary.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[PacelineError], args: tuple[Any, ...], state: dict[str, Any]
) -> PacelineError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RateLimitExceeded(PacelineError):  # noqa: N818 -- the name users search for
    """
    The turn of this call would come later than the caller is willing to wait.

    Attributes:
        decision: The last decision; ``decision.retry_after`` is in seconds.
    """

    code: str = "P301"

    def __init__(self, message: str, *, decision: Decision, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.decision: Decision = decision


class CostError(PacelineError, ValueError):
    """A cost that names a unit too few or too many, or is not a whole number."""

    code: str = "P302"


class CostTooLarge(CostError):  # noqa: N818 -- reads as what it says
    """A cost above what the limit could ever hold: no waiting would help."""

    code: str = "P303"


class StoreError(PacelineError):
    """The store refused; ``__cause__`` is the client's exception."""

    code: str = "P202"


class StoreUnavailable(StoreError):  # noqa: N818 -- reads as what it says
    """The store could not be reached, or did not answer in time. It may pass."""

    code: str = "P201"


class ConfigError(PacelineError, ValueError):
    """
    Limits, keys, URLs, options or a file that make no sense together or alone.

    Attributes:
        file: The configuration file that is to blame. None if there is none.

        line: Its line, from 1. None outside of a file.

        column: The character in that line, or in the text of a limit, from 1.

        caret: What is wrong, for people: the line, and a mark below the part that makes
            no sense. May be empty.

        suggestion: What may have been meant in place of that part, or of the limit.

        problems: If a file has several, an error for each.
    """

    code: str = "P101"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        caret: str = "",
        suggestion: str | None = None,
        problems: tuple[ConfigError, ...] = (),
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.file: str | None = file
        self.line: int | None = line
        self.column: int | None = column
        self.caret: str = caret
        self.suggestion: str | None = suggestion
        self.problems: tuple[ConfigError, ...] = problems

    def __str__(self) -> str:
        head = f"[{self.code}] {self.message}"
        if self.file and self.line:
            # As compilers do, so that editors find the place.
            head = f"{self.file}:{self.line}:{self.column or 1}: {head}"
        parts = [head, self.caret, self.hint and f"  {self.hint}"]
        parts += [str(problem) for problem in self.problems]
        return "\n".join(part for part in parts if part)


class MisuseError(PacelineError):
    """A correct call in the wrong place: the wrong twin, or a closed limiter."""

    code: str = "P501"
