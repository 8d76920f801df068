"""
What the pretend model produces: so many tokens of text, the same each time.

Lengths are exact and never drawn, so that a test can say what an answer will use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from typing import TYPE_CHECKING, Self

from paceline._errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Beyond any model, and small enough for all arithmetic that follows.
MOST_TOKENS = 1_000_000_000
# What a request that names no bound is taken to allow, when a share of it is wanted.
UNSAID_BOUND = 16
# An answer may claim more; its text ends here, so that memory stays bounded.
MOST_TEXT_TOKENS = 4_096
# Four characters each, as OpenAI's rule of thumb has it.
_WORDS = ("the ", "fox ", "ran ", "far ", "and ", "saw ", "one ", "owl ")
_LENGTH = re.compile(r"([0-9]{1,10})|([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")


class Ending(StrEnum):
    """How an answer ends."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    ERROR = "error"
    DROPPED = "dropped"


class Dropped(Exception):  # noqa: N818 -- what happens, and no mistake of anybody's
    """The server hangs up in the middle of its answer."""


@dataclass(frozen=True, slots=True)
class Output:
    """
    What was produced for one request.

    Attributes:
        tokens: Its length, for each choice.

        cut: Whether it would have been longer, had the request allowed it.

        ending: How it ends.
    """

    tokens: int
    cut: bool = False
    ending: Ending = Ending.COMPLETE

    @property
    def delivered(self) -> int:
        """Tokens that are sent: an answer that fails does so half way."""
        broken = (Ending.FAILED, Ending.ERROR, Ending.DROPPED)
        return self.tokens // 2 if self.ending in broken else self.tokens

    def text(self) -> str:
        """Return what is sent as one text."""
        return "".join(self.pieces(MOST_TEXT_TOKENS))

    def pieces(self, size: int) -> Iterator[str]:
        """Yield what is sent, *size* tokens at a time."""
        words = islice(cycle(_WORDS), min(self.delivered, MOST_TEXT_TOKENS))
        while piece := "".join(islice(words, size)):
            yield piece


@dataclass(frozen=True, slots=True)
class OutputLength:
    """
    How long answers are.

    Attributes:
        tokens: A fixed number of tokens, if *share* is None.

        share: Millionths of a percent of the longest answer allowed, or None.
    """

    tokens: int
    share: int | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Read ``"16"`` or ``"50%"``.

        Raises:
            ConfigError: If it is neither (P155).
        """
        match = _LENGTH.fullmatch(text.strip())
        if match and match[1] and int(match[1]) <= MOST_TOKENS:
            return cls(int(match[1]))
        if match and match[2]:
            whole, _, part = match[2].partition(".")
            return cls(0, int(whole + part.ljust(6, "0")))
        raise ConfigError(
            f"{text[:40]!r} is no length of an answer",
            code="P155",
            hint='Write a number of tokens ("16") or a share of the longest answer '
            'that the request allows ("50%").',
        )

    def output(self, bound: int | None, ending: Ending = Ending.COMPLETE) -> Output:
        """Produce for a request that allows *bound* tokens; None is no bound."""
        wanted = self.tokens
        if self.share is not None:
            wanted = (bound or UNSAID_BOUND) * self.share // 100_000_000
        tokens = wanted if bound is None else min(wanted, bound)
        return Output(tokens, tokens < wanted, ending)


def tokens_of(piece: str) -> int:
    """Count the tokens of what was produced."""
    return len(piece) // len(_WORDS[0])
