"""``paceline check``: what it prints, where to, and its exit code."""

import json
import re
from pathlib import Path

import pytest

from paceline.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/config.md").read_text("utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
PRINTED = re.search(r"```\n(paceline\.toml: ok\n.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Be in an empty directory, without variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in ("PACELINE_CONFIG", "PACELINE_STORE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(text, name="paceline.toml"):
    Path(name).write_text(text, "utf-8")


def test_a_good_file_is_told_as_it_was_understood(capsys):
    """
    The example of the reference prints what the reference shows.
    """
    write(EXAMPLE)
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert out == PRINTED
    assert err == "note: $OPENAI_API_KEY is not set here\n"


def test_problems_are_told_as_of_a_compiler(capsys):
    """
    Each on stdout with its place, the line, a caret and a suggestion; exit code 3.
    """
    write('limits = ["500/mn"]\ngaurd = 1\n', "other.toml")
    assert main(["check", "other.toml"]) == 3
    out, err = capsys.readouterr()
    first, second = out.split("other.toml:2:1: ")
    assert first.startswith("other.toml:1:16: [P103] cannot read a limit: ")
    assert '    limits = ["500/mn"]\n                   ^^\n  Did you mean' in first
    assert second == (
        '[P123] there is no option "gaurd"\n    gaurd = 1\n    ^^^^^\n'
        '  Did you mean "guard"?\n'
    )
    assert err == "2 problems. Nothing was loaded.\n"


def test_a_single_problem_is_told_alike(capsys):
    """
    Also a file that is not there.
    """
    assert main(["check", "nowhere.toml"]) == 3
    out, err = capsys.readouterr()
    assert out == "[P121] 'nowhere.toml' cannot be read: there is no such file\n"
    assert err == "1 problem. Nothing was loaded.\n"


def test_json_has_all_that_was_understood(capsys, monkeypatch):
    """
    One document, with each limit's text, name, unit and capacity.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    write(EXAMPLE)
    assert main(["check", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["ok"], told["others"], err) == (True, None, "")
    assert told["variables"] == {"OPENAI_API_KEY": True}
    assert told["options"] == {"guard": 0.05}
    team = told["scopes"]["team-a"]
    assert team["key_env"] == "OPENAI_API_KEY"
    assert team["families"] == {"gpt-4o": ["gpt-4o", "gpt-4o-2024-*"]}
    assert team["limits"]["gpt-4o-mini*"][1] == {
        "limit": "2M tokens/min",
        "name": "tpm",
        "unit": "tokens",
        "capacity": 2_000_000,
    }
    assert [each["capacity"] for each in team["shared"]] == [10_000]
    assert "hunter2" not in out


@pytest.mark.parametrize("text", ["limits = ['5/mn', '6/mn']", "limits = ", "x = 1"])
def test_json_has_all_problems(capsys, text):
    """
    Of one problem, several, or a file that is no TOML: the same form.
    """
    write(text)
    assert main(["check", "--json"]) == 3
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["ok"], told["file"], err) == (False, "paceline.toml", "")
    for each in told["problems"]:
        assert each["code"].startswith("P1")
        assert (each["file"], each["line"]) == ("paceline.toml", 1)
        assert each["column"] >= 1
        assert "^" in each["caret"]


def test_the_file_of_a_project_is_found(capsys):
    """
    A table of pyproject.toml does, and all of its kinds of rows are printed.
    """
    write(
        "[tool.paceline]\nstore_env='AT'\nsecret_env='PEPPER'\ncall_timeout=2\n"
        "limits='5/s'\n[tool.paceline.scopes.a]\nkey_env='A'\n",
        "pyproject.toml",
    )
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "pyproject.toml: ok\nstore: $AT\nsecret: $PEPPER\ncall_timeout: 2 s\n"
        '\nscope "a", the API key in $A\n  each model  5 requests/s\n'
        "\nevery key that is in no scope\n  each model  5 requests/s\n"
    )
    assert err.count("is not set here") == 3


def test_two_scopes_with_one_api_key_are_noted(capsys, monkeypatch):
    """
    Their variables differ, so only where they are set can it be seen.
    """
    write("limits='5/s'\n[scopes]\na.key_env='A'\nb.key_env='B'\nc.key_env='C'\n")
    for name, key in (("A", "hunter2"), ("B", "hunter3"), ("C", "hunter2")):
        monkeypatch.setenv(name, key)
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert "warning: a and c hold the same API key" in err
    assert "hunter" not in out + err


def test_a_secret_is_not_printed(capsys):
    """
    Neither as text nor as JSON.
    """
    write("api_key = 'sk-live-abcdefghijklmnop'\nlimits = '5/mn'\n")
    assert main(["check"]) == main(["check", "--json"]) == 3
    out, err = capsys.readouterr()
    assert "P125" in out
    assert "abcdef" not in out + err
