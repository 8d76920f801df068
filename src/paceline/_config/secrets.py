"""
Secrets that were written into a file: found, so that nothing ever shows them.

A file is copied, committed and printed. So it holds the names of environment variables,
and what looks like a secret is refused unseen.
"""

from __future__ import annotations

import re

_PROVIDERS = r"(?<![A-Za-z0-9])(?:sk-|sk_|gsk_|xai-|AIza|pplx-)[A-Za-z0-9_-]{12,}"
_KEY = re.compile(_PROVIDERS)
# No name of a model, a variable or a limit has so many letters and digits in a row.
_LONG = re.compile(r"(?=[A-Za-z+=]*\d)(?=[\d+=]*[A-Za-z])[A-Za-z0-9+=]{32,}")
_MIXED = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[A-Za-z0-9_+/=.-]{20,}")
_USER = re.compile(r"(?<=://)[^\s\"']*(?=@)")
_TELLING = re.compile(
    r"(?:^|[_.-])(?:api_?key|key|secret|password|passwd|pwd|token|credentials?)$"
)
_ASSIGNED = re.compile(r"^\s*[\"']?([A-Za-z_.-]+)[\"']?\s*[=:]\s*(.+)$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def is_secret(text: str) -> bool:
    """Tell whether a text looks like an API key, or has one in it."""
    return bool(_KEY.search(text) or _LONG.search(text))


def is_provider_key(text: str) -> bool:
    """Tell whether a text has the API key of a well-known provider in it."""
    return bool(_KEY.search(text))


def is_variable(text: str) -> bool:
    """Tell whether a text can be the name of an environment variable."""
    return bool(_VARIABLE.fullmatch(text)) and not is_secret(text)


def is_telling(name: str) -> bool:
    """Tell whether an option's name says that its value is a secret."""
    return bool(_TELLING.search(name.lower().replace("-", "_")))


def masked(line: str, *, careful: bool = False) -> str:
    """
    Put asterisks in place of what may be a secret; each character keeps its column.

    Args:
        line: A line of a file.

        careful: Whether nothing is known of the line: then more of it is hidden.
    """
    for pattern in (_USER, _KEY, _LONG, *([_MIXED] if careful else [])):
        line = pattern.sub(lambda found: "*" * len(found[0]), line)
    assigned = _ASSIGNED.match(line)
    if assigned and is_telling(assigned[1]):
        start, end = assigned.span(2)
        line = line[:start] + "*" * (end - start) + line[end:]
    return line
