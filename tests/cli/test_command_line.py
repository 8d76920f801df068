"""The command line's contract: what goes where, and which exit code."""

import json
import subprocess
import sys

import pytest

from paceline import (
    ConfigError,
    MisuseError,
    PacelineError,
    StoreError,
    StoreUnavailable,
)
from paceline._decision import Decision
from paceline._errors import RateLimitExceeded
from paceline.cli import app, failure, main

DENIED = Decision(allowed=False, retry_after=1.0, limit="rpm", statuses=())


def python(code, *args):
    """Run code in a fresh interpreter; return exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def failing(monkeypatch):
    """Make ``paceline mock`` fail in a way of the test's choice."""

    def fail_with(error):
        def callback(**_):
            raise error

        command = app.group.get_command(None, "mock")
        monkeypatch.setattr(command, "callback", callback)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no"), 3),
        (StoreError("no"), 4),
        (StoreUnavailable("no"), 4),
        (RateLimitExceeded("no", decision=DENIED), 5),
        (MisuseError("no"), 2),
        (PacelineError("no"), 1),
        (ConfigError("no", code="P601"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_code_tells_the_kind_of_error(failing, error, code):
    """
    Programs need not read the text.
    """
    failing(error)
    assert main(["mock"]) == code


def test_an_error_is_text_on_stderr(failing, capsys):
    """
    Code, what happened, and below it what to do; stdout stays empty.
    """
    failing(ConfigError("It is wrong.", code="P102", hint="Mend it."))
    main(["mock"])
    assert capsys.readouterr() == ("", "[P102] It is wrong.\n  Mend it.\n")


def test_an_error_is_one_json_document_on_stdout_when_asked(failing, capsys):
    """
    A program that reads JSON finds it where it looks; stderr stays empty.
    """
    failing(ConfigError("It is wrong.", code="P102", hint="Mend it."))
    assert main(["mock", "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "error": {"code": "P102", "message": "It is wrong.", "hint": "Mend it."}
    }
    assert err == ""


def test_the_problems_of_a_file_are_in_the_json(failing, capsys):
    """
    Each with its place, whichever command met them.
    """
    one = ConfigError("no", code="P123", file="p.toml", line=2, column=3, caret="^")
    failing(ConfigError("2 problems", code="P120", file="p.toml", problems=(one, one)))
    assert main(["mock", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)["error"]
    assert (told["file"], told["line"], len(told["problems"])) == ("p.toml", None, 2)
    assert told["problems"][0] == {
        "code": "P123",
        "message": "no",
        "hint": "",
        "file": "p.toml",
        "line": 2,
        "column": 3,
        "caret": "^",
        "suggestion": None,
    }


def test_a_defect_keeps_its_traceback(failing, capsys):
    """
    With --json there is a document too, and the traceback goes to stderr.
    """
    failing(ZeroDivisionError("oops"))
    with pytest.raises(ZeroDivisionError):
        main(["mock"])
    assert main(["mock", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["message"].endswith("ZeroDivisionError: oops")
    assert "Traceback" in err


@pytest.mark.parametrize(
    "args", [["nope"], ["mock", "--nope"], ["mock", "--port", "x"], ["--nope"], []]
)
def test_a_wrong_command_line_is_exit_code_2(args, capsys):
    """
    The usage is told on stderr.
    """
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: paceline" in err


def test_a_wrong_command_line_is_json_when_asked(capsys):
    """
    It has a code and the way to help.
    """
    assert main(["mock", "--port", "x", "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["code"], error["hint"]) == ("P510", "See `paceline mock --help`.")
    assert err == ""


def test_help_lists_every_command_and_loads_none():
    """
    One-line helps stand in the group; no command, server or client is imported.
    """
    code = (
        "import sys; from paceline.cli import main; code = main(['--help'])\n"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    code, out, err = python(code)
    assert code == 0
    assert all(name in out for name in app.COMMANDS)
    loaded = err.split()
    assert loaded[0] == "0"
    heavy = {"rich", "aiohttp", "httpx", "redis", "asyncio"}
    heavy |= {f"paceline.cli.{name}" for name in app.COMMANDS}
    assert heavy.isdisjoint(loaded)


def test_importing_the_command_line_does_not_need_click():
    """
    The console script can say what is missing because its module loads anyway.
    """
    code = "import sys, paceline.cli; print('click' in sys.modules)"
    assert python(code)[1] == "False\n"


@pytest.mark.parametrize("name", sorted(app.COMMANDS))
def test_each_command_has_help_of_its_own(name, capsys):
    """
    It loads without the extras that its work needs.
    """
    assert main([name, "--help"]) == 0
    assert f"Usage: paceline {name}" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    """
    Name and version, nothing else.
    """
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "paceline 0.1.0\n"


def test_the_module_is_the_console_script():
    """
    ``python -m paceline`` is there where scripts are not on the PATH.
    """
    done = subprocess.run(
        [sys.executable, "-m", "paceline", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "paceline 0.1.0\n"


@pytest.mark.parametrize(
    ("missing", "args", "extra"),
    [
        ("click", ["mock"], "cli"),
        ("aiohttp", ["mock"], "demo"),
        ("httpx", ["demo"], "demo"),
        ("httpx", ["batch", "in", "-o", "out", "--limits", "1/s"], "batch"),
        ("httpx", ["plan", "in", "--limits", "1/s"], "batch"),
    ],
)
def test_a_missing_extra_is_one_line_with_the_cure(missing, args, extra):
    """
    Exit code 2, and what to install; as JSON when asked.
    """
    code = (
        "import sys; sys.modules[sys.argv[1]] = None\n"
        "from paceline.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    status, out, err = python(code, missing, *args)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("[P601] ")
    assert f'pip install "paceline[{extra}]"' in err
    status, out, err = python(code, missing, *args, "--json")
    assert (status, err) == (2, "")
    assert json.loads(out)["error"]["code"] == "P601"


def test_a_module_that_no_extra_brings_is_a_defect():
    """
    It is not taken for a missing extra.
    """
    error = ModuleNotFoundError("No module named 'nowhere'", name="nowhere")
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        failure.missing_extra(error, "paceline")


def test_a_reader_who_leaves_causes_no_traceback():
    """
    ``paceline --help | true`` ends quietly.
    """
    code = (
        "import os, sys; read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from paceline.cli import main; sys.exit(main(['--help']))"
    )
    assert python(code) == (1, "", "")
