"""``paceline batch`` as a process: exit codes, signals, kills, what goes where."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import rig
from paceline import Key, RateLimiter
from paceline.mock import serve
from rig_batch import KEY, answered, read, row, rows, write

PACE = 100  # requests a second
LIMITS = [f"--limits={PACE}/s", "--limits=10M tokens/min"]
LONGEST = 60  # seconds, after which something hangs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return the URL of a real server."""
    (_, binary), *_ = rig.servers()
    server = rig.Server(binary, tmp_path_factory.mktemp("batch")).start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def _provider():
    with serve(limits=[f"{PACE}/s"], latency=0.005, jitter=0.0) as mock:
        yield mock


@pytest.fixture
def provider(_provider):
    """Return a provider with full buckets, no counts and no errors."""
    _provider.reset()
    return _provider


class Command:
    """The command line of one batch, with a quota of its own."""

    def __init__(self, directory, provider, store):
        self.source, self.output = directory / "in.jsonl", directory / "out.jsonl"
        self.errors = directory / "out.errors.jsonl"
        self.words = [sys.executable, "-m", "paceline", "batch", str(self.source)]
        self.words += ["-o", str(self.output), *LIMITS, "--store", store]
        self.words += ["--base-url", provider.base_url]
        self.environment = os.environ | {"OPENAI_API_KEY": f"{KEY}{time.time_ns()}"}

    def start(self, *options):
        return subprocess.Popen(
            [*self.words, *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options):
        """Run it to its end; return exit code, stdout and stderr."""
        with self.start(*options) as process:
            out, err = process.communicate(timeout=LONGEST)
        assert KEY not in out + err
        assert "Traceback" not in err
        return process.returncode, out, err

    def wait_for(self, count, process):
        """Wait until so many rows are answered."""
        end = time.monotonic() + LONGEST
        while sum(1 for _ in _lines(self.output)) < count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.005)


def _lines(path):
    return path.read_bytes().splitlines() if path.exists() else []


@pytest.fixture
def command(tmp_path, provider, store):
    """Return a command with nothing to do yet."""
    return Command(tmp_path, provider, store)


def test_all_rows_answered_is_0_and_json_tells(command, provider):
    """
    One document on stdout; talk on stderr; nothing refused on the wire.
    """
    write(command.source, rows(120))
    code, out, err = command.run("--json")
    assert code == 0
    told = json.loads(out)
    assert (told["rows"], told["done"], told["failed"]) == (120, 120, 0)
    assert answered(command.output) == {f"r{i}": 1 for i in range(120)}
    assert "120 of 120 rows answered" in err
    (account,) = provider.stats()["accounts"]
    assert (account["requests"], account["answers_429"]) == (120, 0)


def test_killed_half_way_it_goes_on_and_answers_every_row_once(command, provider):
    """
    kill -9 at half of the rows: no row twice in the output, and the provider saw no
    more than all rows and those that were under way.
    """
    count, tasks = 200, 8
    names = {f"r{i}": 1 for i in range(count)}
    write(command.source, rows(count))
    with command.start("--tasks", str(tasks)) as process:
        command.wait_for(count // 2, process)
        process.send_signal(signal.SIGKILL)
    before = len(answered(command.output))
    assert count // 2 <= before < count
    code, out, _ = command.run("--json", "--tasks", str(tasks))
    assert code == 0
    assert answered(command.output) == names
    assert json.loads(out)["already_done"] == before
    (account,) = provider.stats()["accounts"]
    assert count <= account["requests"] <= count + tasks
    spent = sum(
        line["response"]["body"]["usage"]["total_tokens"]
        for line in read(command.output)
    )
    assert account["tokens_used"] - spent <= tasks * 17
    left = sorted(os.listdir(command.output.parent))
    assert left == ["in.jsonl", "out.jsonl"]


def test_failed_rows_are_6_and_their_file_can_be_retried(command, provider):
    """
    The command says where they are.
    """
    write(command.source, rows(20))
    provider.fail("model_not_found next=2")
    code, out, err = command.run()
    assert (code, out) == (6, "")
    assert f"are in {command.errors}" in err
    assert "2 x model_not_found" in err
    command.errors.rename(command.source)
    assert command.run()[0] == 0
    assert answered(command.output) == {f"r{i}": 1 for i in range(20)}


def test_no_money_is_6_and_nothing_more_is_sent(command, provider):
    """
    The provider's words tell why.
    """
    write(command.source, rows(20))
    provider.fail("insufficient_quota")
    code, _, err = command.run("--tasks", "1")
    assert code == 6
    assert "no row would fare better: You exceeded your current quota" in err
    assert "19 not sent" in err
    assert len(provider.log()) == 1


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (["--store", "redis://127.0.0.1:1/0"], 4, "P201"),
        (["--limits", "oops"], 3, "P103"),
        (["--key-env", "NOT_SET_ANYWHERE"], 3, "P706"),
        (["--timeout", "0.05", "--limits", "1/h"], 5, "P301"),
        (["--tasks", "0"], 2, "P510"),
        (["--timeout", "soon"], 2, "P510"),
    ],
)
def test_the_exit_code_tells_what_went_wrong(command, options, code, error):
    """
    With the code of the documentation.
    """
    write(command.source, rows(3))
    got, out, _ = command.run("--json", *options)
    assert got == code
    assert json.loads(out)["error"]["code"] == error


def test_invalid_rows_are_3_and_nothing_is_sent(command, provider):
    """
    File, line and what to do; --skip-invalid leaves them out.
    """
    write(command.source, [row("a"), row("a"), "{"])
    code, _, err = command.run()
    assert code == 3
    assert f'{command.source}:2: custom_id "a" is that of line 1 too.' in err
    assert f"{command.source}:3: no JSON: " in err
    assert provider.log() == []
    code, _, err = command.run("--skip-invalid")
    assert code == 0
    assert "2 lines left out that are no requests" in err


def test_ctrl_c_waits_for_what_was_sent(command, provider):
    """
    130, and the same command goes on; what was sent is sent once.
    """
    write(command.source, rows(300))
    with command.start() as process:
        command.wait_for(20, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 130
    assert "Stopping: waiting for what was sent." in err
    assert "The same command goes on from here." in err
    done = len(answered(command.output))
    assert 20 <= done < 300
    assert len(provider.log()) == done


def test_a_second_ctrl_c_ends_at_once(command, provider):
    """
    It does not wait for an answer that may take minutes.
    """
    write(command.source, rows(20))
    provider.fail("hang after=5")
    with command.start() as process:
        command.wait_for(5, process)
        process.send_signal(signal.SIGINT)
        assert "Stopping" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 130
    assert "5 answers of this run are safe in" in err
    assert "Traceback" not in err


def test_a_terminal_sees_a_bar_and_the_use_of_each_limit(command):
    """
    Everything else sees lines.
    """
    pty = pytest.importorskip("pty")
    write(command.source, rows(30))
    ours, theirs = pty.openpty()
    environment = command.environment | {"COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(
        command.words, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "\u2501" in text
    assert re.search(rf"gpt-4o  requests/s: \d+ of {PACE} used \(\d+%\)", text)
    assert "30 of 30 rows (0 failed)" in text


def _read(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""  # the other end is closed


def test_limits_store_and_key_may_stand_in_a_file(command, provider, store, tmp_path):
    """
    --scope picks one; its key is sent, and its account is charged.
    """
    config = tmp_path / "paceline.toml"
    config.write_text(
        f'store = "{store}"\n[scopes.team-a]\nkey_env = "KEY_OF_A"\n'
        'limits = ["1k/day"]\n',
        "utf-8",
    )
    write(command.source, rows(5))
    key = command.environment.pop("OPENAI_API_KEY")
    command.environment["KEY_OF_A"] = key
    keep = {f"--limits={PACE}/s", "--limits=10M tokens/min", "--store", store}
    command.words = [word for word in command.words if word not in keep]
    code, out, _ = command.run("--config", str(config), "--scope=team-a", "--json")
    assert (code, json.loads(out)["done"]) == (0, 5)
    with RateLimiter(store, limits=["1k/day"]) as limiter:
        assert limiter.peek(Key(key, "gpt-4o"))[0].remaining == 995
    code, out, _ = command.run("--config", str(config), "--limits=1/s", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "P510")
