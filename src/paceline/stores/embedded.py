"""
A real server without an installation, shared by all processes of this user.

The first process that needs it starts it, through ``_supervisor.py``, which explains
the locks. There is no owner: whoever is killed, the others go on, and the next one in
need starts what is missing. Linux and macOS.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import select
import subprocess
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import ConfigError, StoreUnavailable
from . import _machine

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

LOG_BYTES = 1_000_000
TAIL_BYTES = 2_000
# The server outlives its starter: it has no business with that one's secrets.
KEPT_VARIABLES = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EmbeddedServer:
    """
    Hold this process's share in the server of one directory.

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
            directory cannot be used or be kept private (P106).
    """

    def __init__(self, directory: str | None = None) -> None:
        if not _POSIX:
            raise ConfigError(
                f"there is no embedded server for {platform.system()}",
                code="P110",
                hint=_machine.ALTERNATIVES,
            )
        self.directory: Path = _machine.directory(directory)
        self._path = _machine.socket_path(self.directory)
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
            if not self._serving(end):
                with self._starting(end - time.monotonic()):
                    if not self._serving(end):
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
        _machine.private(self.directory)
        self._users = _supervisor.lock(path, fcntl.LOCK_SH, timeout)

    def _serving(self, end: float) -> bool:
        """Return whether a server answers and somebody watches over it."""
        patience = min(max(end - time.monotonic(), 0.01), 1.0)
        if _supervisor.state(self._path, patience) != "up":
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
        binary, python, idle = _machine.program(), _machine.python(), _machine.idle()
        data = self.directory / _machine.kind(binary)
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
    for server in list(_servers):
        server._after_fork()  # noqa: SLF001 -- the same module


_servers: weakref.WeakSet[EmbeddedServer] = weakref.WeakSet()
if _POSIX:
    os.register_at_fork(after_in_child=_after_fork)
