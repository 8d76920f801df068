"""
Run the pretend server as a process of its own, for as long as a block lasts.

A process, because a judge that shares an interpreter with those it judges is late when
they are busy.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from paceline._errors import PacelineError

from .faults import Faults
from .quota import Quota

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RunningMock:
    """
    A pretend server that runs.

    Attributes:
        base_url: What an OpenAI client is given, e.g. ``"http://127.0.0.1:8429/v1"``.
    """

    base_url: str

    @property
    def azure_endpoint(self) -> str:
        """What a client of Azure OpenAI is given, e.g. ``"http://127.0.0.1:8429"``."""
        return self.base_url.removesuffix("/v1")

    def log(self) -> list[dict[str, object]]:
        """Fetch the last requests, the oldest first."""
        return cast("list[dict[str, object]]", self._fetch("GET", "/log")["requests"])

    def stats(self) -> dict[str, object]:
        """Fetch the counts, per key and model."""
        return self._fetch("GET", "/stats")

    def reset(self) -> None:
        """Begin anew: full buckets, counts at 0, limits and errors of the start."""
        self._fetch("POST", "/reset")

    def limit(self, *limits: str) -> None:
        """
        Let it enforce other *limits* from now on, e.g. ``"400 requests/min"``.

        What is used stays used, where the period is the same.

        Raises:
            ConfigError: If one of them is none (P103), or cannot be enforced (P151).
        """
        for limit in limits:
            Quota.read(limit)  # says here what is wrong, and not by a status
        self._fetch("PUT", "/limits", json.dumps({"limits": limits}).encode())

    def fail(self, *errors: str) -> None:
        """
        Let it answer with *errors*, e.g. ``"slow_down_503 model=gpt-4o next=3"``.

        Raises:
            ConfigError: If one of them is none (P156). None is taken then.
        """
        Faults(errors, str)  # says here what is wrong, and not by a status
        self._fetch("POST", "/errors", json.dumps({"errors": errors}).encode())

    def recover(self) -> None:
        """Let it answer with no more errors."""
        self._fetch("DELETE", "/errors")

    def _fetch(
        self, method: str, path: str, body: bytes | None = None
    ) -> dict[str, object]:
        url = self.azure_endpoint + path
        request = urllib.request.Request(  # noqa: S310 -- our URL
            url, body, {"content-type": "application/json"}, method=method
        )
        # Without a proxy: one is of no use on the way to this machine itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_START_SECONDS) as answer:
            return cast("dict[str, object]", json.load(answer))


@contextmanager
def serve(
    *,
    limits: Sequence[str] = (),
    latency: float = 0.020,
    jitter: float = 0.010,
    service_time: float = 0.0,
    chunk_delay: float = 0.0,
    chunk_tokens: int = 1,
    split_events: bool = False,
    completion_tokens: int | str = 16,
    charge: Literal["reserve", "actual"] = "reserve",
    enforce_per: float | None = None,
    gzip: bool = True,
    count_failed: bool = False,
    share_keys: bool = False,
    limit_headers: Literal["all", "none", "unknown", "project"] = "all",
    errors: Sequence[str] = (),
    seed: int | None = None,
) -> Iterator[RunningMock]:
    """
    Run ``paceline mock`` on a free port of 127.0.0.1 while the block lasts.

    It also ends when this process does, however that happens.

    Args:
        limits: As ``--limits``, e.g. ``["500 requests/min"]``. Empty takes its default.

        latency: Mean of a request's journey, in seconds.

        jitter: The journey takes up to so many seconds more or less.

        service_time:
            Seconds from the accounting to the answer; of a stream, to its first byte.

        chunk_delay: Seconds between two events of a stream.

        chunk_tokens: Tokens in each event of a stream.

        split_events: Whether every event of a stream comes in two pieces.

        completion_tokens:
            How long answers are: a number of tokens, or a share of the most that the
            request allows, such as ``"50%"``.

        charge:
            ``"reserve"``: a request pays on arrival for the longest answer it allows,
            and is given nothing back. ``"actual"``: that is corrected after the answer
            to what it used.

        enforce_per: Seconds; limits are enforced in slices of so long.

        gzip: Whether answers are compressed for clients that accept it.

        count_failed: Whether refused requests count towards limits on requests.

        share_keys:
            Whether all keys are one project's and have one account for each model.

        limit_headers:
            How limits are told: ``"all"`` in order, ``"none"``, as ``"unknown"`` (-1),
            or those of the ``"project"`` too.

        errors: Errors to answer with from the start, as :meth:`RunningMock.fail`.

        seed: Makes the journeys repeatable. None draws them anew each time.

    Raises:
        PacelineError: If it does not start (P153); the text is what it said.
    """
    # -P: a folder of that name, where the caller happens to stand, is not meant.
    command = [sys.executable, "-P", "-m", "paceline", "mock", "--port=0", "--json"]
    command += [f"--limits={limit}" for limit in limits]
    command += [f"--latency={latency}", f"--jitter={jitter}"]
    command += [f"--service-time={service_time}", f"--chunk-delay={chunk_delay}"]
    command += [f"--chunk-tokens={chunk_tokens}"]
    command += ["--split-events"] if split_events else []
    command += [f"--completion-tokens={completion_tokens}", f"--charge={charge}"]
    command += [] if enforce_per is None else [f"--enforce-per={enforce_per}"]
    command += [] if gzip else ["--no-gzip"]
    command += ["--count-failed"] if count_failed else []
    command += ["--share-keys"] if share_keys else []
    command += [f"--limit-headers={limit_headers}"]
    command += [f"--error={error}" for error in errors]
    command += [] if seed is None else [f"--seed={seed}"]
    command += ["--stop-with-stdin"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 -- this program itself
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
        try:
            first = _first_line(process)
            if "base_url" not in first:
                said.seek(0)
                raise _not_started(first, said.read().decode(errors="replace"))
            yield RunningMock(str(first["base_url"]))
        finally:
            _stop(process)


def _first_line(process: subprocess.Popen[bytes]) -> dict[str, object]:
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline() if process.stdout else b""
    finally:
        timer.cancel()
    try:
        return cast("dict[str, object]", json.loads(line))
    except ValueError:
        return {}


def _not_started(first: dict[str, object], said: str) -> PacelineError:
    told = first.get("error")
    error = told if isinstance(told, dict) else {"message": said.strip()}
    return PacelineError(
        f"the pretend server did not start: {error['message']}",
        code="P153",
        hint=error.get("hint", ""),
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
