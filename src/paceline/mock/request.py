"""
Requests as the provider reads them: what they ask for, and what they cost.

OpenAI charges a request, before it runs, the larger of the answer's longest allowed
length and an estimate of the request's own text. Azure charges their sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeGuard

from .fields import (
    BadRequest,
    bound,
    characters,
    choices,
    estimate,
    options,
    parse,
    required,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# A real vector has 1,536 numbers or more, and nobody reads them here.
FEW_DIMENSIONS = 8
MOST_DIMENSIONS = 4_096
_MESSAGES = "Invalid 'messages': expected a non-empty array of objects."


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """
    What the provider needs to know of a request.

    Attributes:
        model: The model's name; at Azure, the deployment's.

        prompt_tokens: An estimate of the request's text, in tokens.

        max_tokens: The longest answer allowed, in tokens. None if not said.

        stream: Whether the answer is to come in events.

        choices: How many answers are asked for.
    """

    model: str
    prompt_tokens: int
    max_tokens: int | None = None
    stream: bool = False
    choices: int = 1

    @property
    def costs(self) -> dict[str, int]:
        """What the request is charged on arrival."""
        tokens = max(self.max_tokens or 0, self.prompt_tokens)
        return {"requests": 1, "tokens": tokens}

    @property
    def azure_costs(self) -> dict[str, int]:
        """What Azure charges it on arrival."""
        return {"requests": 1, "tokens": self.prompt_tokens + (self.max_tokens or 0)}


@dataclass(frozen=True, slots=True)
class ChatRequest(ModelRequest):
    """
    A request for a chat completion.

    Attributes:
        include_usage: Whether a stream is to tell its usage at its end.
    """

    include_usage: bool = False

    @classmethod
    def read(cls, body: bytes, deployment: str | None = None) -> Self:
        """
        Read the body of a request, sent to Azure's *deployment* or to OpenAI.

        Raises:
            BadRequest: If it would be refused with status 400.
        """
        fields, model = parse(body, deployment)
        messages = required(fields, "messages")
        if not isinstance(messages, list) or not messages:
            raise BadRequest(_MESSAGES, param="messages", code="invalid_type")
        stream = bool(fields.get("stream"))
        told = options(fields, "stream_options")
        if told is not None and not stream:
            raise BadRequest(
                "The 'stream_options' parameter is only allowed when 'stream' is "
                "enabled.",
                param="stream_options",
            )
        return cls(
            model,
            estimate(sum(characters(message) for message in messages)),
            bound(fields, "max_completion_tokens", "max_tokens"),
            stream,
            choices(fields),
            bool(told and told.get("include_usage")),
        )


@dataclass(frozen=True, slots=True)
class ResponsesRequest(ModelRequest):
    """A request to the Responses API."""

    @classmethod
    def read(cls, body: bytes, deployment: str | None = None) -> Self:
        """
        Read the body of a request.

        Raises:
            BadRequest: If it would be refused with status 400.
        """
        fields, model = parse(body, deployment)
        asked = required(fields, "input")
        if not isinstance(asked, str | list) or not asked:
            raise BadRequest(
                "Invalid 'input': expected a non-empty string or array of items.",
                param="input",
                code="invalid_type",
            )
        items = [{"content": asked}] if isinstance(asked, str) else asked
        length = sum(characters(item) for item in items)
        length += characters({"content": fields.get("instructions")})
        return cls(
            model,
            estimate(length),
            bound(fields, "max_output_tokens"),
            bool(fields.get("stream")),
        )


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest(ModelRequest):
    """
    A request for embeddings.

    Attributes:
        inputs: How many vectors are asked for.

        dimensions: Numbers in each.

        base64: Whether vectors are to come as text, which is what the SDK asks for.
    """

    inputs: int = 1
    dimensions: int = FEW_DIMENSIONS
    base64: bool = False

    @classmethod
    def read(cls, body: bytes, deployment: str | None = None) -> Self:
        """
        Read the body of a request. Inputs that are numbers are tokens already.

        Raises:
            BadRequest: If it would be refused with status 400.
        """
        fields, model = parse(body, deployment)
        asked = required(fields, "input")
        texts = _inputs(asked)
        if texts is None:
            raise BadRequest(
                "Invalid 'input': expected a non-empty string, array of strings, or "
                "array of token ids.",
                param="input",
                code="invalid_type",
            )
        tokens = sum(
            estimate(len(text)) if isinstance(text, str) else len(text)
            for text in texts
        )
        dimensions = bound(fields, "dimensions", most=MOST_DIMENSIONS)
        return cls(
            model,
            tokens,
            inputs=len(texts),
            dimensions=dimensions or FEW_DIMENSIONS,
            base64=fields.get("encoding_format") == "base64",
        )


def _inputs(asked: object) -> Sequence[str | list[int]] | None:
    """List the texts and lists of token ids that *asked* holds, if nothing else."""
    if isinstance(asked, str):
        return [asked] if asked else None
    if _tokens(asked):
        return [asked]
    if not isinstance(asked, list) or not asked:
        return None
    texts = [item for item in asked if isinstance(item, str) and item]
    tokens = [item for item in asked if _tokens(item)]
    return next((kind for kind in (texts, tokens) if len(kind) == len(asked)), None)


def _tokens(value: object) -> TypeGuard[list[int]]:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, int) and not isinstance(item, bool) for item in value)
