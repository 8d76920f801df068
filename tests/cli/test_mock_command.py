"""``paceline mock`` as a process: its first line, its signals, its errors."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

MOCK = [sys.executable, "-m", "paceline", "mock", "--port", "0"]


@contextmanager
def running(*options, **streams):
    """Start it; it is gone after the block, whatever happens there."""
    process = subprocess.Popen(
        [*MOCK, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **streams,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as answer:
        return json.load(answer)


def test_the_first_line_is_the_base_url():
    """
    One line on stdout, which serves at once; all talk is on stderr.
    """
    with running() as process:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/v1")
        assert fetch(url.removesuffix("/v1") + "/stats")["accounts"] == []
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert out == ""
    assert "500 requests/min, 30k tokens/min" in err


def test_the_first_line_is_json_when_asked():
    """
    It has the base URL, the address of the counts and the process.
    """
    with running("--json", "--limits", "5/s") as process:
        first = json.loads(process.stdout.readline())
        assert fetch(first["stats_url"])["accounts"] == []
        assert first["base_url"].endswith("/v1")
        assert first["pid"] == process.pid


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)]
)
def test_a_signal_ends_it_cleanly(number, code):
    """
    SIGTERM is a stop as wished, SIGINT an interruption; neither leaves a traceback.
    """
    with running() as process:
        process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in err


def test_it_ends_with_whoever_started_it():
    """
    When stdin ends, so does the server: no orphans after a crash.
    """
    with running("--stop-with-stdin", stdin=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_taken_port_is_told():
    """
    An error of configuration, with where and what to do.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*MOCK[:-1], str(port)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"[P152] the mock cannot listen on 127.0.0.1 port {port}: "
    )
    assert "--port 0" in done.stderr


@pytest.mark.parametrize(
    ("limit", "code"),
    [("500/fortnight", "P103"), ("10k/day calendar", "P151"), ("5 images/min", "P151")],
)
def test_a_limit_it_cannot_enforce_is_told(limit, code):
    """
    An error of configuration, as JSON when asked.
    """
    done = subprocess.run(
        [*MOCK, "--json", "--limits", limit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--error", "oops"], "P156"),
        (["--error", "conflict wait=long"], "P156"),
        (["--completion-tokens", "many"], "P155"),
        (["--limits", "5 requests/min", "--enforce-per", "1s"], "P151"),
        (["--charge", "double"], "P510"),
    ],
)
def test_an_option_that_makes_no_sense_is_told(options, code):
    """
    Before it serves, with the code of the documentation.
    """
    done = subprocess.run(
        [*MOCK, "--json", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == (2 if code == "P510" else 3)
    assert json.loads(done.stdout)["error"]["code"] == code
