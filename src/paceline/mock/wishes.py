"""What one request wishes of the mock, in headers of its own."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from paceline._errors import ConfigError

from .answers import STYLES
from .faults import Fault
from .fields import BadRequest
from .output import OutputLength

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .settings import Settings

OUTPUT = "x-mock-output-tokens"
PROMPT = "x-mock-prompt-tokens"
SERVICE_TIME = "x-mock-service-time"
CHUNK_DELAY = "x-mock-chunk-delay"
LIMIT_HEADERS = "x-mock-limit-headers"
ERROR = "x-mock-error"

_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    How one request is to be answered.

    Attributes:
        length: How long the answer is.

        prompt_tokens:
            How long the prompt turns out to be; None is as estimated. What is charged
            on arrival stays the estimate.

        service_time: Seconds from the accounting to the answer's first byte.

        chunk_delay: Seconds between two events of a stream.

        limit_headers: In which style limits are told.

        fault: The error to answer with, or None.
    """

    length: OutputLength
    prompt_tokens: int | None
    service_time: float
    chunk_delay: float
    limit_headers: str
    fault: Fault | None = None

    @classmethod
    def read(
        cls, headers: Mapping[str, str], settings: Settings, length: OutputLength
    ) -> Self:
        """
        Read the headers; what they leave open is as it was set at the start.

        Raises:
            BadRequest: If one of them makes no sense.
        """
        if wished := headers.get(OUTPUT):
            with _blaming(OUTPUT):
                length = OutputLength.read(wished)
        fault = None
        if wished := headers.get(ERROR):
            with _blaming(ERROR):
                fault = Fault.read(wished)
        return cls(
            length,
            _tokens(headers, PROMPT),
            _seconds(headers, SERVICE_TIME, settings.service_time),
            _seconds(headers, CHUNK_DELAY, settings.chunk_delay),
            _style(headers, settings.limit_headers),
            fault,
        )


def _tokens(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise BadRequest(f"{name}: expected a number of tokens, not {text[:40]!r}.")
    return int(text)


def _style(headers: Mapping[str, str], otherwise: str) -> str:
    style = headers.get(LIMIT_HEADERS, otherwise)
    if style not in STYLES:
        known = ", ".join(STYLES)
        raise BadRequest(
            f"{LIMIT_HEADERS}: expected one of {known}, not {style[:40]!r}."
        )
    return style


def _seconds(headers: Mapping[str, str], name: str, otherwise: float) -> float:
    text = headers.get(name)
    if text is None:
        return otherwise
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise BadRequest(f"{name}: expected a number of seconds, not {text[:40]!r}.")
    return seconds


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Name the header that makes no sense."""
    try:
        yield
    except ConfigError as error:
        raise BadRequest(f"{name}: {error.message}. {error.hint}") from None
