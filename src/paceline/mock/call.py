"""One request that is being served: what it asks, and who pays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .answers import ORGANIZATION, told_as
from .dialects import OpenAI, Target
from .ledger import Entry
from .request import ChatRequest, EmbeddingsRequest, ResponsesRequest

if TYPE_CHECKING:
    from aiohttp import web

    from .account import Account
    from .ledger import Ledger
    from .wishes import Wishes

AnyRequest: TypeAlias = ChatRequest | ResponsesRequest | EmbeddingsRequest
REQUESTS: dict[str, type[AnyRequest]] = {
    "chat": ChatRequest,
    "responses": ResponsesRequest,
    "embeddings": EmbeddingsRequest,
}

_ATTEMPT = "x-stainless-retry-count"


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request that is being served.

    Attributes:
        request: It, as the web server has it.

        dialect: Who is called.

        asked: What it asks for.

        wishes: How the mock is to answer it.

        account: Who pays.

        entry: Its line in the log.

        number: Tells it from all others.

        headers: What every answer to it carries.
    """

    request: web.Request
    dialect: OpenAI
    asked: AnyRequest
    wishes: Wishes
    account: Account
    entry: Entry
    number: int
    headers: dict[str, str]

    def answer_headers(self) -> dict[str, str]:
        """Return the headers, with limits told in the way that is wished."""
        return told_as(self.wishes.limit_headers, self.headers)

    @property
    def target(self) -> Target:
        """What it was sent to."""
        version = self.request.query.get("api-version", "v1")
        return Target(self.entry.endpoint, self.asked.model, version)


def open_call(
    ledger: Ledger,
    request: web.Request,
    dialect: OpenAI,
    endpoint: str,
    api_key: str,
    asked: AnyRequest,
    wishes: Wishes,
    arrival: int,
) -> Call:
    """Begin to serve a request that has arrived: its account, its line in the log."""
    label = ledger.label(api_key)
    attempt = request.headers.get(_ATTEMPT, "")
    entry = Entry(
        endpoint,
        label,
        asked.model,
        ledger.seconds(arrival),
        int(attempt) if re.fullmatch("[0-9]{1,9}", attempt) else None,
        stream=asked.stream,
        include_usage=isinstance(asked, ChatRequest) and asked.include_usage,
        prompt_tokens=asked.prompt_tokens,
        max_tokens=asked.max_tokens,
    )
    ledger.add(entry)
    number = ledger.number()
    headers = {
        "openai-organization": ORGANIZATION,
        "openai-version": "2020-10-01",
        "x-request-id": f"req_{number:08d}",
    }
    account = ledger.account(label, asked.model)
    return Call(request, dialect, asked, wishes, account, entry, number, headers)
