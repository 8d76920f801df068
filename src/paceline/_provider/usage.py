"""
Find out what a call used, from its answer, without keeping or delaying the answer.

Chat completions say it in the body, or if ``include_usage`` was asked for in the last
event of a stream; responses in the event that ends it; Anthropic in its first and its
last. Fed the decoded bytes as they come, the reader keeps at most one unfinished line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_USED = re.compile(rb'"usage"\s*:\s*\{')
# What may follow the usage in a body, so that it is known to be the body's own: members
# with plain values, and the end. A quote in a text has a backslash before it.
_ENDS = re.compile(
    r'(?:\s*,\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+|\{\s*\}|\[\s*\]))*\s*\}\s*'
)
_DECODER = json.JSONDecoder()
_LONGEST_END = 4096
_NO_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*\]')
# The event that ends a response holds all of it. Beyond this the usage is not worth
# the memory, and the reservation stays.
_LONGEST_LINE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """
    Tokens that a call used.

    Attributes:
        input: Tokens read.

        output: Tokens written.

        total: Both, in the provider's count.
    """

    input: int
    output: int
    total: int


def from_body(body: bytes) -> Usage | None:
    """
    Return the usage that a JSON body tells, or None.

    Where it is near the body's end, as it mostly is, the rest is not parsed: it may be
    long, and the client parses it too.
    """
    at = body.rfind(b'"usage"')
    if at < 0:
        return None
    used = _at_the_end(body, at)
    if used is not None:
        return _counts(used)
    return _usage(body) if _USED.search(body) else None


def _at_the_end(body: bytes, at: int) -> dict[str, object] | None:
    """Return the usage that begins somewhere, if what follows shows whose it is."""
    begins = _USED.match(body, at)
    escaped = body[at - 1 : at] == b"\\"
    if begins is None or escaped or len(body) - at > _LONGEST_END or body[:1] != b"{":
        return None
    try:
        rest = body[begins.end() - 1 :].decode()
        used, end = _DECODER.raw_decode(rest)
    except (ValueError, RecursionError):
        return None
    return used if _ENDS.fullmatch(rest, end) else None


def from_event(data: bytes) -> Usage | None:
    """Return the usage that the data of one event tells, or None."""
    return _usage(data) if _USED.search(data) else None


class StreamReader:
    """
    Reads the usage off a stream of events.

    Args:
        hide: Keep the event back that has nothing but the usage: who did not ask for
            it would not expect an event without a choice.
    """

    def __init__(self, *, hide: bool = False) -> None:
        self.usage: Usage | None = None
        self._hide = hide
        self._line = bytearray()
        self._gave_up = False
        self._skip_blank = False

    def feed(self, chunk: bytes) -> bytes:
        """Take note of the next bytes; return those to hand on."""
        if self._hide:
            return self._feed_hiding(chunk)
        if not self._gave_up:
            self._watch(chunk)
        return chunk

    def rest(self) -> bytes:
        """Return what was kept back, at the end of the stream."""
        rest = bytes(self._line)
        self._line.clear()
        self._note(rest)
        return rest if self._hide else b""

    def _watch(self, chunk: bytes) -> None:
        *lines, last = chunk.split(b"\n")
        for line in lines:
            if self._line:
                self._line += line
                line = bytes(self._line)  # noqa: PLW2901 -- its beginning came before
                self._line.clear()
            self._note(line)
        self._line += last
        if len(self._line) > _LONGEST_LINE:
            self._gave_up = True
            self._line.clear()

    def _feed_hiding(self, chunk: bytes) -> bytes:
        self._line += chunk
        end = self._line.rfind(b"\n") + 1
        if not end:
            return b""
        whole = bytes(self._line[:end])
        del self._line[:end]
        return b"".join(
            line for line in whole.splitlines(keepends=True) if self._shown(line)
        )

    def _shown(self, line: bytes) -> bool:
        if self._skip_blank and not line.strip():
            self._skip_blank = False
            return False
        self._skip_blank = False
        if self._note(line) and _NO_CHOICE.search(line):
            self._skip_blank = True
            return False
        return True

    def _note(self, line: bytes) -> bool:
        if not line.startswith(b"data:") or not _USED.search(line):
            return False
        usage = from_event(line[len(b"data:") :])
        if usage is not None:
            # Anthropic tells the input first and the output last.
            before = self.usage or Usage(0, 0, 0)
            read, written = usage.input or before.input, usage.output or before.output
            self.usage = Usage(read, written, max(usage.total, read + written))
        return usage is not None


class BodyReader:
    """Collects a JSON body that is read as a stream, up to a size, for its usage."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._gave_up = False

    @property
    def usage(self) -> Usage | None:
        """What the body tells, as far as it came."""
        return from_body(bytes(self._body))

    def feed(self, chunk: bytes) -> bytes:
        """Take note of the next bytes; return those to hand on: all of them."""
        if not self._gave_up:
            self._body += chunk
            if len(self._body) > _LONGEST_LINE:
                self._gave_up = True
                self._body.clear()
        return chunk

    def rest(self) -> bytes:
        """Return what was kept back: nothing."""
        return b""


def _usage(text: bytes) -> Usage | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    for holder in (said, said.get("response"), said.get("message")):
        used = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(used, dict):
            return _counts(used)
    return None


def _counts(used: dict[str, object]) -> Usage | None:
    read = _count(used, "input_tokens", "prompt_tokens")
    # Anthropic counts what is written to the cache beside the input, and against the
    # limit; what is read from it is free. OpenAI's input holds its cached tokens.
    read = (read or 0) + (_count(used, "cache_creation_input_tokens") or 0)
    written = _count(used, "output_tokens", "completion_tokens") or 0
    total = _count(used, "total_tokens")
    if not read and not written and total is None:
        return None
    return Usage(read, written, read + written if total is None else total)


def _count(used: dict[str, object], *names: str) -> int | None:
    for name in names:
        value = used.get(name)
        if type(value) is int and value >= 0:
            return value
    return None
