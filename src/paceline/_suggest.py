"""
What a person may have meant: the nearest known word, or a text with small edits.

An edited text is suggested only if it can be read, after a second edit if need be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Far above what a person writes, far below what costs time: the search for a near
# word is quadratic in its length.
LONGEST_TEXT = 200
_LONGEST_NAME = 80
_MOST_LISTED = 20

_SCALES = ("k", "m", "g", "b")
_SHORT = {
    f"{unit[0]}p{period[0]}": f"{unit}/{period}"
    for unit in ("requests", "tokens")
    for period in ("s", "min", "h", "day")
}
# What people write, and what they may have meant by it, the likeliest first.
_MEANT: dict[str, tuple[str, ...]] = {word: (new,) for word, new in _SHORT.items()}
_MEANT |= dict.fromkeys(("a", "an", "each", "every", "in"), ("per",))
_MEANT |= dict.fromkeys(("of", *"=,:/"), (" ",)) | {"m": ("M", "/min", "min")}
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

    if len(word) > LONGEST_TEXT:
        return None
    lowered = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), lowered, n=1)
    return lowered[near[0]] if near else None


def shown(name: object) -> str:
    """Put a name in quotes, cut short, with nothing that a terminal would obey."""
    text = str(name)
    text = text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."
    clean = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text)
    return f'"{clean}"'


def marked(line: str, start: int, end: int) -> str:
    """
    Show *line* with a mark below its characters from *start* to *end*.

    One column per character: nothing is shown that a terminal would obey.
    """
    from unicodedata import east_asian_width  # noqa: PLC0415 -- only errors need it

    clean = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in line)
    # A wide character takes two columns of a terminal.
    before, part = (
        len(some) + sum(east_asian_width(char) in "WF" for char in some)
        for some in (clean[:start], clean[start:end])
    )
    return f"    {clean}\n    {' ' * before}{'^' * max(1, part)}"


def listed(names: Iterable[object]) -> str:
    """Put *names* in quotes and in a row, at most 20 of them."""
    quoted = [shown(name) for name in names]
    more = len(quoted) - _MOST_LISTED
    return ", ".join(quoted[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


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
                if len(candidate) > LONGEST_TEXT:
                    continue
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
    before, after = text[: refused.start], text[refused.end :]
    part = text[refused.start : refused.end]
    for new in _replacements(part, before, after):
        yield before + new + after
    if part:
        yield f"{before.rstrip()}/{part}{after}"  # "500 min"
    yield from refused.repairs


def _replacements(part: str, before: str, after: str) -> Iterator[str]:
    lower = part.lower()
    if not part:  # the text ends too early
        yield "/min"
        yield {"/": "min"}.get(before[-1:], "s" if before[-1:].isdigit() else " min")
    elif part[0].isdigit():
        if after[:1].lower() in _SCALES:  # "10,5k" has a decimal comma, "10,00" not
            yield part.replace(",", ".")
        yield part.replace(",", "").replace("_", "")
    elif lower in _MEANT:
        yield from _MEANT[lower]
    elif before[-1:].isdigit():  # "30ktokens/min", "500requests/min"
        if lower[0] in _SCALES and lower[1:] in {"tokens", "tok", "requests", "req"}:
            yield f"{part[0]} {part[1:]}"
        yield f" {part}"
    elif len(part) > 2 and (near := closest(part, _WORDS)):  # noqa: PLR2004 -- "us" is not "s"
        yield near
