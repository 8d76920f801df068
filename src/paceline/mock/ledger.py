"""All that the pretend provider knows: its accounts, and the last requests."""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .account import Account
from .quota import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .quota import Quota

OPEN = "open"
ALL_KEYS = "all keys"
MOST_ENTRIES = 1_000


@dataclass(slots=True)
class Entry:
    """
    One request in the log. What it said and its key are not kept.

    Attributes:
        endpoint: ``"chat"``, ``"responses"`` or ``"embeddings"``.

        key: The key's label.

        model: The model, or Azure's deployment.

        at: Seconds from the start to its arrival.

        attempt: How often the SDK says that it has tried before. None if it is silent.

        stream: Whether a stream was asked for.

        include_usage: Whether the stream was asked to tell its usage.

        prompt_tokens: An estimate of the prompt.

        max_tokens: The longest answer allowed, or None.

        charged: Tokens taken on arrival; 0 if it was refused.

        used: Tokens used in the end, prompt included.

        status: The answer's status; 0 as long as there is none.

        error: The code or kind of an error, or None.

        events: Events sent of a stream.

        ended:
            ``"complete"``, ``"client left"`` or ``"hung up"``; ``"open"`` as long as
            it is going on.
    """

    endpoint: str
    key: str
    model: str
    at: float
    attempt: int | None
    stream: bool
    include_usage: bool
    prompt_tokens: int
    max_tokens: int | None
    charged: int = 0
    used: int = 0
    status: int = 0
    error: str | None = None
    events: int = 0
    ended: str = OPEN


class Ledger:
    """
    The accounts of all keys and models, and a log.

    Args:
        quotas: The limits of each account.

        since: The moment of its beginning, in nanoseconds.

        count_failed: Whether refused requests count towards limits on requests.

        share_keys: Whether all keys have one account for each model.
    """

    def __init__(
        self,
        quotas: Sequence[Quota],
        since: int,
        *,
        count_failed: bool = False,
        share_keys: bool = False,
    ) -> None:
        self._quotas = quotas
        self._since = since
        self._count_failed = count_failed
        self._share_keys = share_keys
        # Names are told apart by a hash that dies with the process: a key that was
        # sent here is kept nowhere.
        self._secret = secrets.token_bytes(16)
        self._labels: dict[bytes, str] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._log: deque[Entry] = deque(maxlen=MOST_ENTRIES)
        self._number = 0

    def label(self, api_key: str) -> str:
        """Name a key without telling it."""
        digest = hmac.digest(self._secret, api_key.encode(errors="replace"), "sha256")
        return self._labels.setdefault(digest, f"key-{len(self._labels) + 1}")

    def account(self, label: str, model: str) -> Account:
        """Find an account, or open it."""
        label = ALL_KEYS if self._share_keys else label
        if (label, model) not in self._accounts:
            account = Account(self._quotas, count_failed=self._count_failed)
            self._accounts[label, model] = account
        return self._accounts[label, model]

    def change(self, quotas: Sequence[Quota], now: int) -> None:
        """Give all accounts, those to come too, other limits."""
        self._quotas = quotas
        for account in self._accounts.values():
            account.change(quotas, now)

    def number(self) -> int:
        """Count one answer more."""
        self._number += 1
        return self._number

    def models(self) -> list[str]:
        """List the models that were asked for."""
        return sorted({model for _, model in self._accounts})

    def add(self, entry: Entry) -> None:
        """Put a request in the log, from which the oldest may drop."""
        self._log.append(entry)

    def seconds(self, now: int) -> float:
        """Tell the moment *now* as seconds after the beginning."""
        return (now - self._since) / SECOND_NS

    def report(self, now: int) -> dict[str, object]:
        """Tell the counts of each account."""
        accounts = [
            {"key": label, "model": model, **account.report(self._since)}
            for (label, model), account in self._accounts.items()
        ]
        return {"seconds": self.seconds(now), "accounts": accounts}

    def log(self) -> dict[str, object]:
        """Tell the last requests, the oldest first."""
        return {"requests": [asdict(entry) for entry in self._log]}
