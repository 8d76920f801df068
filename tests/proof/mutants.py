"""
Mutants of the scripts: each breaks one fact on purpose, and a test must notice.

A mutant replaces a text that stands exactly once in one file of ``lua/``. Its killers
are tests that fail under it, the fastest ones known; ``mutate.py`` runs them, or with
``--suite`` everything that there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LUA = ROOT / "lua"


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One wrong script.

    Attributes:
        name: What is done wrong.

        fact: What then is not true any more.

        file: Of lua/, without .lua.

        old: The text that is replaced.

        new: The text that replaces it.

        killers: Tests that fail, as ``file::test`` below tests/.
    """

    name: str
    fact: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]

    def source(self, lua: Path = LUA) -> str:
        """
        Return the wrong file.

        Raises:
            ValueError: If the text to replace is not there exactly once.
        """
        text = (lua / f"{self.file}.lua").read_text("utf-8")
        found = text.count(self.old)
        if found != 1 or self.old == self.new:
            raise ValueError(f"{self.name}: found {found} times in {self.file}.lua")
        return text.replace(self.old, self.new)


def everyone() -> tuple[Mutant, ...]:
    """Return every mutant, of limits first."""
    from proof.mutants_clients import CLIENTS
    from proof.mutants_ghosts import GHOSTS
    from proof.mutants_limits import LIMITS
    from proof.mutants_quick import QUICK
    from proof.mutants_refusals import REFUSALS
    from proof.mutants_scope import SCOPE
    from proof.mutants_state import STATE

    return LIMITS + SCOPE + STATE + GHOSTS + QUICK + CLIENTS + REFUSALS
