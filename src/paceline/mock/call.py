"""One request that is being served: what it asks, and who pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .answers import told_as
from .dialects import OpenAI, Target
from .request import ChatRequest, EmbeddingsRequest, ResponsesRequest

if TYPE_CHECKING:
    from aiohttp import web

    from .account import Account
    from .ledger import Entry
    from .wishes import Wishes

AnyRequest: TypeAlias = ChatRequest | ResponsesRequest | EmbeddingsRequest
REQUESTS: dict[str, type[AnyRequest]] = {
    "chat": ChatRequest,
    "responses": ResponsesRequest,
    "embeddings": EmbeddingsRequest,
}


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
