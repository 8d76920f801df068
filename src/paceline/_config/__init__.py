"""
``paceline.toml``: found, read, checked, and made into the parts of a limiter.

``files`` finds and reads, ``positions`` tells where things stand, ``secrets`` finds
what must not be in a file, ``sheet`` writes down what is wrong. ``read``, ``sections``
and ``checks`` make ``values`` of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .files import find
from .read import read
from .values import Config

if TYPE_CHECKING:
    import os

__all__ = ["Config", "load"]


def load(path: str | os.PathLike[str] | None = None) -> Config:
    """
    Find, read and check a file.

    Args:
        path: The file. None looks for it: in $PACELINE_CONFIG, then in the working
            directory and its parents.

    Raises:
        ConfigError: If there is none (P121), or something is wrong with it: all of its
            problems at once.
    """
    return read(find(path))
