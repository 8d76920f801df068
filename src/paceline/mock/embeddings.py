"""Embeddings: vectors of length 1 that say nothing."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .request import EmbeddingsRequest


@dataclass(frozen=True, slots=True)
class EmbeddingsAnswer:
    """
    An answer to a request for embeddings.

    Attributes:
        asked: The request.
    """

    asked: EmbeddingsRequest

    @property
    def used(self) -> int:
        """Tokens used."""
        return self.asked.prompt_tokens

    def body(self) -> dict[str, object]:
        """Answer at once."""
        vector = self._vector()
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index in range(self.asked.inputs)
        ]
        usage = {"prompt_tokens": self.used, "total_tokens": self.used}
        return {
            "object": "list",
            "data": data,
            "model": self.asked.model,
            "usage": usage,
        }

    def _vector(self) -> list[float] | str:
        numbers = [1.0] + [0.0] * (self.asked.dimensions - 1)
        if not self.asked.base64:
            return numbers
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
        return base64.b64encode(packed).decode()
