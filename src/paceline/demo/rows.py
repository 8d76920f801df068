"""The demo's three rows, from the mock's own counts."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from paceline._key import Key

from .clients import make_limiter
from .fleet import Order, run_fleet
from .work import MODEL, REQUESTS_PER_SECOND, TOKENS_PER_SECOND, Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline.mock import RunningMock

LIMITS = (f"{REQUESTS_PER_SECOND} requests/s", f"{TOKENS_PER_SECOND} tokens/s")
KINDS = ("retries", "static", "paceline")


@dataclass(frozen=True, slots=True)
class Row:
    """
    What the mock counted of one way to call.

    Attributes:
        client: Which way.

        succeeded: Calls that were answered.

        failed: Calls that never were.

        upstream_429s: Refusals on the wire.

        seconds: From the first call's arrival to the last admission.

        quota_used: What was admitted beyond the initial burst, as a share of what the
            binding limit refilled meanwhile.
    """

    client: str
    succeeded: int
    failed: int
    upstream_429s: int
    seconds: float
    quota_used: float

    def as_json(self) -> dict[str, Any]:
        """Return the row as values for JSON."""
        return asdict(self)


class Watcher(Protocol):
    """Is told how the rows go."""

    def begin(self, client: str, calls: int) -> None:
        """A way of calling begins."""

    def look(self, succeeded: int, refused: int) -> None:
        """So much has happened so far."""

    def end(self, row: Row) -> None:
        """It is over."""


def run_rows(
    mock: RunningMock, store: str, work: Work, watcher: Watcher
) -> Iterator[Row]:
    """Let the fleet do the same work in three ways; yield what the mock counted."""
    processes = len(work.costs)
    scope = f"demo-{uuid.uuid4().hex[:12]}"
    for kind in KINDS:
        mock.reset()
        watcher.begin(kind, work.calls)
        order = Order(kind, mock.base_url, store, scope, processes)

        def look() -> None:
            account = _account(mock)
            watcher.look(account.get("succeeded", 0), account.get("answers_429", 0))

        if kind == "paceline":
            with make_limiter(store) as limiter:
                key = Key(scope=scope, model=MODEL)
                limiter.peek(key)  # starts an embedded server before the clock runs
                try:
                    run_fleet(order, work, look)
                finally:
                    limiter.reset(key)
        else:
            run_fleet(order, work, look)
        row = _row(kind, work, _account(mock))
        watcher.end(row)
        yield row


def _account(mock: RunningMock) -> dict[str, Any]:
    stats: Any = mock.stats()
    accounts = stats["accounts"]
    return dict(accounts[0]) if accounts else {}


def _row(kind: str, work: Work, account: dict[str, Any]) -> Row:
    succeeded = account.get("succeeded", 0)
    first, last = account.get("first_arrival"), account.get("last_admission")
    used = [limit["used"] for limit in account.get("limits", ())]
    return Row(
        client=kind,
        succeeded=succeeded,
        failed=work.calls - succeeded,
        upstream_429s=account.get("answers_429", 0),
        seconds=round((last or 0.0) - (first or 0.0), 2),
        quota_used=round(max(used, default=0.0), 4),
    )
