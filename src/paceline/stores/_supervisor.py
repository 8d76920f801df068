"""
Keep one server alive for as long as anybody uses it. A script of its own.

``embedded.py`` runs it as ``python -I -S _supervisor.py``: it imports nothing but the
standard library, and outlives whoever started it. Everything rests on locks that the
kernel drops when their holder dies, however it dies (``flock``, in the directory):

* ``users.lock``       shared, by every process that uses the server, for its life
* ``start.lock``       exclusive, by the one process that starts a supervisor
* ``supervisor.lock``  exclusive, by the supervisor
* ``server.lock``      exclusive, by the server, which inherits it: never two on one
  directory

The server is stopped *while* ``users.lock`` is held exclusively. So a newcomer, who
asks for it shared, waits until the server is gone, and never joins one that is leaving.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

START_SECONDS = 60.0  # to begin answering at all; loading its data may take longer
TURN_SECONDS = 10.0  # for a predecessor to leave; it needs a tenth of a second
LINGER_SECONDS = (
    1.0  # for a server to follow its supervisor, where the kernel sees to it
)
POLL_SECONDS = 0.005
TICK_SECONDS = 0.5

PR_SET_PDEATHSIG = 1  # from linux/prctl.h

SETTINGS = (
    *("--port", "0", "--unixsocketperm", "700", "--daemonize", "no"),
    # Written before the reply is sent, so kill -9 loses nothing; a power cut loses
    # up to a second.
    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
    *("--auto-aof-rewrite-min-size", "16mb"),
    # A full store must be an error. Evicting would silently forget what was spent.
    *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
    *("--databases", "1", "--loglevel", "notice"),
)

State = Literal["up", "loading", "down"]


class StartError(Exception):
    """The server cannot be started; the text says why."""


def lock(path: Path, mode: int, timeout: float) -> int:
    """
    Lock the file at *path* and return its descriptor, which holds the lock.

    Raises:
        TimeoutError: If others held it for *timeout* seconds. 0 means: ask once.
    """
    end = time.monotonic() + timeout
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(fd)
                raise TimeoutError(f"{path} stays locked") from None
            time.sleep(POLL_SECONDS)
        else:
            return fd


def send(path: Path, words: bytes, timeout: float) -> bytes:
    """Send one command without arguments to the socket at *path*; return the reply."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(words + b"\r\n")
        return connection.recv(64)


def state(path: Path, timeout: float = 1.0) -> State:
    """Ask whoever answers at the socket *path*."""
    try:
        reply = send(path, b"PING", timeout)
    except OSError:
        return "down"
    if reply.startswith(b"+PONG"):
        return "up"
    return "loading" if reply.startswith(b"-LOADING") else "down"


class Supervisor:
    """
    One server, from its start to its end.

    Args:
        arguments: The directory with the locks; the server's socket and its program;
            the directory for data that such a server can read; the seconds without
            users after which it is stopped; and a descriptor to tell the starter on,
            in lines: ``aside <path>`` when data had to be set aside, and at last
            ``ready`` or ``failed <why>``.
    """

    def __init__(self, arguments: list[str]) -> None:
        base, path, self.binary, data, idle, report = arguments
        self.base, self.path, self.data = Path(base), Path(path), Path(data)
        self.idle, self.report = float(idle), int(report)
        self.asked_to_stop = False
        self.wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> None:
        """Start the server, tell the starter, and see the server to its end."""
        if not self._take_turn():  # another supervisor did all that meanwhile
            self.tell("ready")
            return
        own = self._take_directory()
        server = self._start(own)
        os.close(own)  # the server has it
        inode = self.path.stat().st_ino
        self.tell("ready")
        os.close(self.report)
        self._watch(server, inode)
        if self._holds(inode):
            self.path.unlink()

    def tell(self, line: str) -> None:
        """Write one line to the starter, if it still lives."""
        with suppress(OSError):
            os.write(self.report, f"{line}\n".encode())

    def _ask_to_stop(self, *_: object) -> None:
        self.asked_to_stop = True

    def _take_turn(self) -> bool:
        """Become the supervisor; False as soon as another one's server answers."""
        end = time.monotonic() + TURN_SECONDS
        while time.monotonic() < end:
            with suppress(TimeoutError):
                lock(self.base / "supervisor.lock", fcntl.LOCK_EX, 0)  # for life
                return True
            if state(self.path) == "up":
                return False
            time.sleep(POLL_SECONDS)
        raise self._taken()

    def _take_directory(self) -> int:
        """Return the lock for the server; one that others left behind is replaced."""
        path = self.base / "server.lock"
        with suppress(TimeoutError):
            return lock(path, fcntl.LOCK_EX, LINGER_SECONDS)
        # Where a child's life cannot be tied to its parent's (macOS), a supervisor
        # that was killed leaves a server that nobody would ever stop. Its data stay.
        with suppress(OSError):
            send(self.path, b"SHUTDOWN", TURN_SECONDS)
        with suppress(TimeoutError):
            return lock(path, fcntl.LOCK_EX, TURN_SECONDS)
        raise self._taken()

    def _taken(self) -> StartError:
        return StartError(
            f"a process of this or another host holds {self.base / 'server.lock'} but "
            f"does not answer at {self.path}: end it, or use another directory"
        )

    def _start(self, own: int) -> subprocess.Popen[bytes]:
        """Start the server, with an empty directory if it cannot read its data."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        server = self._launch(own)
        if server is None and any(self.data.iterdir()):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            aside = self.data.with_name(f"{self.data.name}.bad-{stamp}")
            self.data.rename(aside)
            self.data.mkdir(mode=0o700)
            server = self._launch(own)
            if server is None:  # so it was not the data
                shutil.rmtree(self.data)
                aside.rename(self.data)
            else:
                self.tell(f"aside {aside}")
        if server is None:
            raise StartError(f"{self.binary} ended before it answered")
        return server

    def _launch(self, own: int) -> subprocess.Popen[bytes] | None:
        """Run the server until it answers; None if it gave up by itself."""
        arguments = [self.binary, *SETTINGS]
        arguments += ["--dir", str(self.data), "--unixsocket", str(self.path)]
        server = subprocess.Popen(  # noqa: S603 -- the program that embedded.py found
            arguments,
            stdin=subprocess.DEVNULL,
            pass_fds=(own,),
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 -- there are no threads here
        )
        end = time.monotonic() + START_SECONDS
        while server.poll() is None:
            now = state(self.path)
            if now == "up":
                return server
            if self.asked_to_stop or (now == "down" and time.monotonic() > end):
                server.kill()
                raise StartError(f"{self.binary} did not answer at {self.path}")
            time.sleep(POLL_SECONDS)
        if server.returncode < 0:  # not its own decision, so not the data's fault
            raise StartError(f"{self.binary} died of signal {-server.returncode}")
        return None

    def _watch(self, server: subprocess.Popen[bytes], inode: int) -> None:
        """Stop the server when nobody has used it for a while, or when told to."""
        users = os.open(self.base / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        tick = max(min(TICK_SECONDS, self.idle / 4), POLL_SECONDS)
        since: float | None = None
        while server.poll() is None:
            if select.select([self.wake], [], [], tick)[0]:
                os.read(self.wake, 64)
            if not self._holds(inode) or os.fstat(users).st_nlink == 0:
                # Somebody deleted our files. A polite stop would make the server
                # delete its successor's socket.
                server.kill()
                return
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                since = None
            else:
                now = time.monotonic()
                since = now if since is None else since
            if self.asked_to_stop or (since is not None and now - since >= self.idle):
                _end(server)  # holding users.lock, unless told to stop
                return
            if since is not None:
                fcntl.flock(users, fcntl.LOCK_UN)

    def _holds(self, inode: int) -> bool:
        """Return whether the socket file is still the one of our server."""
        with suppress(FileNotFoundError):
            return self.path.stat().st_ino == inode
        return False


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask *server* to stop, and if it does not, kill it: no answered write is lost."""
    server.terminate()
    try:
        server.wait(TURN_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child has to run for the kernel to end it with its parent."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def run() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return run


def main() -> None:
    """Run as a daemon: nobody's child, so that nobody has to wait for its end."""
    os.umask(0o077)
    if os.fork():
        os._exit(0)
    supervisor = Supervisor(sys.argv[1:])
    try:
        supervisor.run()
    except (StartError, OSError) as error:
        supervisor.tell(f"failed {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
