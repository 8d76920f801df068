"""What one request wishes of the mock, in headers of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from paceline._errors import ConfigError

from .fields import BadRequest
from .output import Ending, OutputLength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Settings

OUTPUT = "x-mock-output-tokens"
SERVICE_TIME = "x-mock-service-time"
CHUNK_DELAY = "x-mock-chunk-delay"
ENDING = "x-mock-ending"


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    How one request is to be answered.

    Attributes:
        length: How long the answer is.

        service_time: Seconds from the accounting to the answer's first byte.

        chunk_delay: Seconds between two events of a stream.

        ending: How the answer ends.
    """

    length: OutputLength
    service_time: float
    chunk_delay: float
    ending: Ending = Ending.COMPLETE

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
            try:
                length = OutputLength.read(wished)
            except ConfigError as error:
                raise BadRequest(f"{OUTPUT}: {error.message}. {error.hint}") from None
        return cls(
            length,
            _seconds(headers, SERVICE_TIME, settings.service_time),
            _seconds(headers, CHUNK_DELAY, settings.chunk_delay),
            _ending(headers),
        )


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


def _ending(headers: Mapping[str, str]) -> Ending:
    text = headers.get(ENDING, Ending.COMPLETE)
    try:
        return Ending(text)
    except ValueError:
        known = ", ".join(Ending)
        raise BadRequest(
            f"{ENDING}: expected one of {known}, not {text[:40]!r}."
        ) from None
