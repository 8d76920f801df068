"""
What a person may have meant: the nearest known word, and small edits to a text.

An edited text is suggested only if it can be read, after a second edit if need be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# The search for a near word is quadratic in its length.
_LONGEST = 200

_LEAD = re.compile(r"\s*[0-9][0-9_,.]*(?:\s*[kKmMgGbB](?![A-Za-z0-9_]))?")
_SHORT = {
    f"{unit[0]}p{period[0]}": f"{unit}/{period}"
    for unit in ("requests", "tokens")
    for period in ("s", "min", "h", "day")
}
# What people write, and what they may have meant by it, the likeliest first.
_MEANT: dict[str, tuple[str, ...]] = {word: (new,) for word, new in _SHORT.items()}
_MEANT |= dict.fromkeys(("a", "an", "each", "every", "in"), ("per",))
_MEANT |= dict.fromkeys(("of", *"=,:/"), ("",)) | {"m": ("M", "/min", "min")}
_MEANT |= dict.fromkeys(("month", "months", "mo", "mth"), ("month calendar",))
_MEANT |= dict.fromkeys(("msec", "millisecond", "milliseconds"), ("ms",))
_MEANT |= {"mn": ("min",), "w": ("week",), "wk": ("week",)}
_NAMES = ("second", "sec", "minute", "min", "hour", "day", "week", "month")
_WORDS = (*_NAMES, *(f"{name}s" for name in _NAMES), "per", "burst", "calendar")


class Refused(Exception):  # noqa: N818 -- an answer of a reader, never shown as such
    """
    The part of a text from *start* to *end* makes no sense.

    Args:
        what: What is wrong with it.

        start: Index of its first character.

        end: Index after its last one.

        repairs: Whole texts that may have been meant. None if there is nothing to
            suggest, whatever small edits would yield.
    """

    def __init__(
        self, what: str, start: int, end: int, repairs: Iterable[str] | None = ()
    ) -> None:
        super().__init__(what)
        self.what, self.start, self.end, self.repairs = what, start, end, repairs


def closest(word: str, choices: Iterable[str]) -> str | None:
    """Find the choice that *word* was probably meant to be. None if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 -- slow; only errors need it

    if len(word) > _LONGEST:
        return None
    lowered = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), lowered, n=1)
    return lowered[near[0]] if near else None


def mend(text: str, refused: Refused, read: Callable[[str], object]) -> str:
    """
    Edit *text* where it was *refused* until *read* takes it. Empty if that fails.

    All single edits come before all double ones: the least change is the likeliest.
    """
    failures = [(text, refused)]
    for _ in range(2):
        failures, tried = [], failures
        for failed, problem in tried:
            for edited in _edits(failed, problem):
                candidate = " ".join(edited.split())
                try:
                    read(candidate)
                except Refused as error:
                    failures.append((candidate, error))
                else:
                    return candidate
    return ""


def _edits(text: str, refused: Refused) -> Iterator[str]:
    if refused.repairs is None:
        return
    yield from refused.repairs
    before, after = text[: refused.start], text[refused.end :]
    lead = _LEAD.match(text)
    for new in _replacements(text[refused.start : refused.end], before):
        yield before + new + after
    part = text[refused.start : refused.end]
    if not part:
        return
    for joint in ("/", "_"):  # "500 min", "500 input tokens/min"
        yield f"{before.rstrip()}{joint}{part}{after}"
    if lead and lead.end() < refused.start:  # "500/min tokens"
        yield f"{lead[0]} {part}{before[lead.end() :]}{after}"


def _replacements(part: str, before: str) -> Iterator[str]:
    lower = part.lower()
    if not part:  # the text ends too early
        yield from ("/min", "s") if before[-1:].isdigit() else ("/min", "min", " min")
    elif part[0].isdigit():
        yield re.sub(r"[,_](?=[0-9]{1,2}$)", ".", part)
        yield part.replace(",", "").replace("_", "")
    elif lower in _MEANT:
        yield from _MEANT[lower]
    elif before[-1:].isdigit():  # "30ktokens/min", "500requests/min"
        if lower[0] in "kgb" and lower[1:] in {"tokens", "tok", "requests", "req"}:
            yield f"{part[0]} {part[1:]}"
        yield f" {part}"
    elif len(part) > 2 and (near := closest(part, _WORDS)):  # noqa: PLR2004 -- "us" is not "s"
        yield near
