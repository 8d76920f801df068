"""
Refusals that are trusted for a moment, so that a caller that hammers asks nobody.

Time alone frees what was refused at its hint, and nothing before; but somebody may give
units back, or forget the account. So a refusal is trusted only for as long as callers
have been refused without a break, a hundredth of a second at most, and never after this
process itself has given something back: the answer may be so old, as if it had been
asked for earlier. Who asks less often than that is always answered by the store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from ._decision import decided

if TYPE_CHECKING:
    from ._answer import Answer
    from ._calls import Request
    from ._decision import Decision, LimitStatus

# Seconds for which a refusal is trusted at most.
LONGEST = 0.01

_MOST_SCOPES = 10_000

# By account, of one scope. Nothing that a scope has given back since is in it.
Table: TypeAlias = "dict[str, Refusal]"


class Refusal:
    """
    What the store said last of an account that it refused.

    Args:
        before: What it said before, if it did.

        now: When this answer came, by the monotonic clock.

    Attributes:
        since: When it first refused somebody, without a break since.

        asked: When somebody asked last.

        until: When this is not trusted any more.
    """

    __slots__ = ("_answer", "_heard", "_request", "asked", "since", "until")

    def __init__(
        self, request: Request, answer: Answer, before: Refusal | None, now: float
    ) -> None:
        self._request = request
        self._answer = answer
        self._heard = self.since = self.asked = self.until = now
        if before is not None and now - before.asked <= LONGEST:
            self.since = before.since
            trust = min(LONGEST, now - self.since, answer.decision.retry_after)
            self.until = now + trust

    def again(self, request: Request, now: float) -> Decision | None:
        """Return the answer to another caller, if it is known to be the same."""
        mine = self._request
        self.asked = now
        if now >= self.until or request.policy is not mine.policy:
            return None
        if request is not mine and any(
            new < old for new, old in zip(request.charges, mine.charges, strict=True)
        ):
            return None  # a smaller cost may fit
        decision, age = self._answer.decision, now - self._heard

        def later() -> tuple[LimitStatus, ...]:
            return tuple(
                replace(status, reset_after=max(0.0, status.reset_after - age))
                for status in decision.statuses
            )

        retry = max(0.0, decision.retry_after - age)
        return decided(later, allowed=False, retry_after=retry, limit=decision.limit)


class Refusals:
    """Tables of refusals, by scope; used from any thread."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def of(self, scope: str) -> Table:
        """Return a scope's table; one that was got before a call takes its answer."""
        table = self._tables.get(scope)
        if table is None:
            if len(self._tables) >= _MOST_SCOPES:
                self._tables.clear()
            table = self._tables.setdefault(scope, {})
        return table

    def forget(self, scope: str) -> None:
        """Trust nothing that was heard of a scope: this process gave something back."""
        self._tables.pop(scope, None)


def note(table: Table, request: Request, answer: Answer, now: float) -> None:
    """Remember a refusal."""
    account = request.policy.account
    table[account] = Refusal(request, answer, table.get(account), now)
