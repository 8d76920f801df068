"""Answers of the Responses API, whole and as a stream of events."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from .answers import SERVER_ERROR
from .output import Ending, Output, tokens_of
from .sse import Event, broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .request import ResponsesRequest


@dataclass(frozen=True, slots=True)
class ResponsesAnswer:
    """
    An answer of the Responses API.

    Attributes:
        asked: The request.

        output: What was produced.

        number: Tells this answer from all others.
    """

    asked: ResponsesRequest
    output: Output
    number: int

    @property
    def used(self) -> int:
        """Tokens used; of an answer that failed, those it got to."""
        return self.asked.prompt_tokens + self._tokens

    def body(self) -> dict[str, object]:
        """Answer at once."""
        return self._response(self._status)

    def events(self, size: int) -> Iterator[Event]:
        """Answer in pieces of *size* tokens; tell of all that begins or ends."""
        numbers = count()

        def event(kind: str, **fields: object) -> Event:
            data = {"type": kind, "sequence_number": next(numbers), **fields}
            return Event(data, kind)

        part: dict[str, object] = {
            "item_id": self._item_id,
            "output_index": 0,
            "content_index": 0,
        }
        begun = self._response("in_progress")
        yield event("response.created", response=begun)
        yield event("response.in_progress", response=begun)
        message = self._message("in_progress", [])
        yield event("response.output_item.added", output_index=0, item=message)
        yield event("response.content_part.added", **part, part=_text(""))
        for piece in self.output.pieces(size):
            delta = event(
                "response.output_text.delta", **part, delta=piece, logprobs=[]
            )
            yield replace(delta, tokens=tokens_of(piece))
        broken(self.output.ending)
        if self.output.ending is Ending.ERROR:
            yield event("error", code="server_error", message=SERVER_ERROR, param=None)
            return
        status = self._status
        if status != "failed":
            text = self.output.text()
            yield event("response.output_text.done", **part, text=text, logprobs=[])
            yield event("response.content_part.done", **part, part=_text(text))
            message = self._message(status, [_text(text)])
            yield event("response.output_item.done", output_index=0, item=message)
        yield event(f"response.{status}", response=self._response(status))

    @property
    def _status(self) -> str:
        if self.output.ending in (Ending.FAILED, Ending.ERROR):
            return "failed"
        cut = self.output.cut or self.output.ending is Ending.INCOMPLETE
        return "incomplete" if cut else "completed"

    @property
    def _tokens(self) -> int:
        failed = self.output.ending is Ending.FAILED
        return self.output.delivered if failed else self.output.tokens

    @property
    def _item_id(self) -> str:
        return f"msg_{self.number:08d}"

    def _message(self, status: str, content: list[object]) -> dict[str, object]:
        return {
            "id": self._item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def _response(self, status: str) -> dict[str, object]:
        ended = status in {"completed", "incomplete"}
        output = [self._message(status, [_text(self.output.text())])] if ended else []
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        failed = {"code": "server_error", "message": SERVER_ERROR}
        return {
            "id": f"resp_{self.number:08d}",
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "background": False,
            "error": failed if status == "failed" else None,
            "incomplete_details": reason,
            "instructions": None,
            "max_output_tokens": self.asked.max_tokens,
            "metadata": {},
            "model": self.asked.model,
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "service_tier": "default",
            "store": True,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None if status == "in_progress" else self._usage(),
        }

    def _usage(self) -> dict[str, object]:
        return {
            "input_tokens": self.asked.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": self._tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.used,
        }


def _text(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
