"""
A chat request as the provider reads it: what it asks for, and what it costs.

OpenAI charges a request, before it runs, the larger of the answer's longest allowed
length and an estimate of the request's own text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from .answers import ErrorBody, error

# OpenAI's own rule of thumb for English text.
CHARACTERS_PER_TOKEN = 4
# Beyond any model, and small enough for all arithmetic that follows.
MOST_TOKENS = 1_000_000_000


class BadRequest(Exception):  # noqa: N818 -- reads as the answer it becomes
    """
    A request that OpenAI would answer with status 400.

    Attributes:
        body: The answer.
    """

    def __init__(
        self, text: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(text)
        self.body: ErrorBody = error(text, param=param, code=code)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """
    What the provider needs to know of a request.

    Attributes:
        model: The model's name.

        prompt_tokens: An estimate of the request's text, in tokens.

        max_tokens: The longest answer allowed, in tokens. None if not said.
    """

    model: str
    prompt_tokens: int
    max_tokens: int | None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """
        Read the body of a request.

        Raises:
            BadRequest: If OpenAI would refuse it.
        """
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise BadRequest("We could not parse the JSON body of your request.")
        model = fields.get("model")
        if not model or not isinstance(model, str):
            raise BadRequest("you must provide a model parameter")
        messages = fields.get("messages")
        if messages is None:
            raise BadRequest(
                "Missing required parameter: 'messages'.",
                param="messages",
                code="missing_required_parameter",
            )
        if not isinstance(messages, list) or not messages:
            raise BadRequest(
                "Invalid 'messages': expected a non-empty array of objects.",
                param="messages",
                code="invalid_type",
            )
        if fields.get("stream"):
            raise BadRequest(
                "Unsupported value: 'stream' does not support true with this model. "
                "Only the default (false) value is supported.",
                param="stream",
                code="unsupported_value",
            )
        characters = sum(_characters(message) for message in messages)
        prompt_tokens = max(1, -(-characters // CHARACTERS_PER_TOKEN))
        return cls(model, prompt_tokens, _max_tokens(fields))

    @property
    def costs(self) -> dict[str, int]:
        """What the request is charged on arrival."""
        return {
            "requests": 1,
            "tokens": max(self.max_tokens or 0, self.prompt_tokens),
        }


def _characters(message: object) -> int:
    """Count a message's text, alone or as the text parts of a list."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return len(content)
    if not isinstance(content, list):
        return 0
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return sum(len(text) for text in texts if isinstance(text, str))


def _max_tokens(fields: dict[str, object]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadRequest(
                f"Invalid type for '{name}': expected an integer.",
                param=name,
                code="invalid_type",
            )
        if not 1 <= value <= MOST_TOKENS:
            above = value > MOST_TOKENS
            sign = f"<= {MOST_TOKENS}" if above else ">= 1"
            raise BadRequest(
                f"Invalid '{name}': expected an integer {sign}.",
                param=name,
                code=f"integer_{'above_max' if above else 'below_min'}_value",
            )
        return value
    return None
