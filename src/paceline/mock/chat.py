"""Chat completions, whole and as a stream of chunks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .answers import SERVER_ERROR, error
from .output import Ending, Output, tokens_of
from .sse import DONE, Event, broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .request import ChatRequest

_FILTERED = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """
    An answer to a chat request.

    Attributes:
        asked: The request.

        output: What was produced.

        number: Tells this answer from all others.

        azure: Whether Azure answers, which adds what its content filter thought.
    """

    asked: ChatRequest
    output: Output
    number: int
    azure: bool = False

    @property
    def used(self) -> int:
        """Tokens used, of the prompt and of all choices."""
        return self.asked.prompt_tokens + self.output.tokens * self.asked.choices

    def body(self) -> dict[str, object]:
        """Answer at once."""
        text = self.output.text()
        message = {"role": "assistant", "content": text, "refusal": None}
        choices = [
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": self._reason,
            }
            for index in range(self.asked.choices)
        ]
        return {**self._head("chat.completion"), "choices": choices, **self._usage()}

    def events(self, size: int) -> Iterator[Event]:
        """Answer in chunks of *size* tokens."""
        if self.azure:
            yield Event(_prompt_filter())
        indexes = range(self.asked.choices)
        first = {"role": "assistant", "content": "", "refusal": None}
        for index in indexes:
            yield self._chunk(index, first)
        for piece in self.output.pieces(size):
            for index in indexes:
                yield self._chunk(index, {"content": piece}, tokens=tokens_of(piece))
        broken(self.output.ending)
        if self.output.ending in (Ending.ERROR, Ending.FAILED):
            yield Event(error(SERVER_ERROR, kind="server_error"))
            return
        for index in indexes:
            yield self._chunk(index, {}, self._reason)
        if self.asked.include_usage:
            head = self._head("chat.completion.chunk")
            yield Event({**head, "choices": [], **self._usage()})
        yield Event(DONE)

    @property
    def _reason(self) -> str:
        cut = self.output.cut or self.output.ending is Ending.INCOMPLETE
        return "length" if cut else "stop"

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": f"chatcmpl-{self.number:08d}",
            "object": kind,
            "created": int(time.time()),
            "model": self.asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
        }

    def _chunk(
        self,
        index: int,
        delta: dict[str, str | None],
        reason: str | None = None,
        tokens: int = 0,
    ) -> Event:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": reason,
        }
        data = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if self.asked.include_usage:
            data["usage"] = None
        return Event(data, tokens=tokens)

    def _usage(self) -> dict[str, object]:
        usage = {
            "prompt_tokens": self.asked.prompt_tokens,
            "completion_tokens": self.used - self.asked.prompt_tokens,
            "total_tokens": self.used,
        }
        return {"usage": usage}


def _prompt_filter() -> dict[str, object]:
    """Make Azure's first chunk: no choice in it, although it is not the last."""
    result = {"prompt_index": 0, "content_filter_results": _FILTERED}
    head = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    return {**head, "prompt_filter_results": [result]}
