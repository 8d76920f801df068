"""What a wrong file is told: all of it, where it stands, and what was meant."""

import pickle

import pytest

from paceline import ConfigError, PacelineError
from paceline._config.files import find, parse
from paceline._config.read import read

KEY = "sk-live-abcdefghijklmnop"


def refusal(text, root=()):
    """Return the error for a text."""
    with pytest.raises(ConfigError) as caught:
        read(parse(text, "paceline.toml", root))
    return caught.value


def told(error):
    """Return code, line, column, marked part and suggestion of each problem."""
    rows = []
    for each in error.problems or (error,):
        _, line, mark = f"\n{each.caret}".split("\n")
        part = line[mark.index("^") : mark.rindex("^") + 1]
        rows.append((each.code, each.line, each.column, part, each.suggestion))
    return rows


@pytest.mark.parametrize(
    ("text", "row"),
    [
        # Names.
        ("gaurd = 1\nlimits='5/s'", ("P123", 1, 1, "gaurd", "guard")),
        ("models = '5/s'", ("P123", 1, 1, "models", "limits")),
        ("zzz = '5/s'", ("P123", 1, 1, "zzz", None)),
        ("[scope.a]\nlimits='5/s'", ("P123", 1, 2, "scope", "scopes")),
        ("[scopes.a]\nlimit='5/s'\nlimits='5/s'", ("P123", 2, 1, "limit", "limits")),
        # Kinds of values.
        ("store = 5\nlimits='5/s'", ("P124", 1, 9, "5", None)),
        ("store='redi://h'\nlimits='5/s'", ("P106", 1, 7, "'redi://h'", None)),
        ("guard = '1s'\nlimits='5/s'", ("P124", 1, 9, "'1s'", None)),
        ("guard = true\nlimits='5/s'", ("P111", 1, 9, "true", None)),
        ("guard = 61\nlimits='5/s'", ("P111", 1, 9, "61", None)),
        ("guard = nan\nlimits='5/s'", ("P111", 1, 9, "nan", None)),
        ("call_timeout = 0\nlimits='5/s'", ("P111", 1, 16, "0", None)),
        (
            "call_timeout = 1979-05-27\nlimits='5/s'",
            ("P111", 1, 16, "1979-05-27", None),
        ),
        ("scopes = 5\nlimits='5/s'", ("P124", 1, 10, "5", None)),
        ("[scopes]\na = 5\nlimits='5/s'", None),
        # Limits.
        ("limits = ['500/mn']", ("P103", 1, 16, "mn", "500/min")),
        ('limits = ["5/s", "500 rpm"]', ("P103", 1, 23, "rpm", "500 requests/min")),
        ('limits = "5\\u002fmn"', ("P103", 1, 10, '"5\\u002fmn"', "5/min")),
        ('limits = """5/mn"""', ("P103", 1, 10, '"""5/mn"""', "5/min")),
        ("limits = 5", ("P124", 1, 10, "5", None)),
        ("limits = [[]]", ("P124", 1, 11, "[]", None)),
        ("limits = []", ("P101", 1, 1, "limits", None)),
        ("limits = ['5/s', '6/s']", ("P105", 1, 1, "limits", None)),
        ("[limits]\n'a' = '5/s'\n'b' = ['5/s', '6/s']", ("P105", 3, 1, "'b'", None)),
        ("[limits]\n'a' = []", ("P101", 2, 1, "'a'", None)),
        ("[limits]\n'' = '5/s'", ("P124", 2, 1, "''", None)),
        ("limits = [{limit='5/s', nam='x'}]", ("P123", 1, 25, "nam", "name")),
        ("limits = [{limit='5/s', name=1}]", ("P124", 1, 30, "1", None)),
        ("limits = [{limit='5/s', slots=1}]", ("P102", 1, 31, "1", None)),
        (
            "limits = [{limit='5/s burst 5', slots=9}]",
            ("P124", 1, 33, "slots", None),
        ),
        ("limits = [{name='x'}]", ("P124", 1, 11, "{name='x'}", None)),
        ("shared = ['5/s', '6/s']", ("P105", 1, 1, "shared", None)),
        # Families.
        ("limits='5/s'\nfamilies = 1", ("P124", 2, 12, "1", None)),
        ("limits='5/s'\nfamilies.a = 1", ("P124", 2, 14, "1", None)),
        ("limits='5/s'\nfamilies.a = [1]", ("P124", 2, 15, "1", None)),
        (
            "limits='5/s'\n[families]\na = ['x']\nb = ['x']\nc = ['x']",
            ("P104", 4, 1, "b", None),
        ),
        ("limits.a='5/s'\nfamilies.b = ['c']", ("P104", 2, 15, "'c'", None)),
        # Scopes.
        ("[scopes.a]\nkey_env='A'", ("P101", 1, 9, "a", None)),
        ("[scopes.'{a}']\nlimits='5/s'", ("P502", 1, 9, "'{a}'", None)),
        ("[scopes.'']\nlimits='5/s'", ("P109", 1, 9, "''", None)),
        (
            "limits='5/s'\n[scopes]\na.key_env='A'\nb.key_env='A'",
            ("P105", 4, 11, "'A'", None),
        ),
        # Nothing, and both.
        ("", None),
        (
            "store='memory://'\nstore_env='A'\nlimits='5/s'",
            ("P124", 1, 1, "store", None),
        ),
        # No TOML.
        ("limits = 5/s", ("P122", 1, 11, "/", None)),
        ("limits = '5/s'\n[limits", ("P122", 2, 8, "", None)),
        ("a b = 1", ("P122", 1, 3, "b", None)),
    ],
)
def test_each_problem_has_its_place(text, row):
    """
    Code, line, column, the marked part, and what may have been meant.
    """
    error = refusal(text)
    if row is None:
        assert error.code in ("P101", "P120")
    elif row[3]:
        assert told(error) == [row]
    else:
        assert (error.code, error.line) == row[:2]
    assert error.file == "paceline.toml"


def test_the_whole_text_of_a_file_with_several_problems():
    """
    They come in the order of the file, each as a compiler tells it.
    """
    text = 'limits = ["500/mn", "5/s"]\ngaurd = 0.05\n'
    assert str(refusal(text)) == (
        "[P120] 2 problems in paceline.toml\n"
        "paceline.toml:1:16: [P103] cannot read a limit: "
        "no such period; there are ms, s, min, h, day, week\n"
        '    limits = ["500/mn", "5/s"]\n'
        "                   ^^\n"
        '  Did you mean "500/min"?\n'
        '  Write it like "500/min", "30k tokens/min", "1 per 200ms", '
        '"500/min burst 50", "10k/day calendar" or "32 concurrent".\n'
        'paceline.toml:2:1: [P123] there is no option "gaurd"\n'
        "    gaurd = 0.05\n"
        "    ^^^^^\n"
        '  Did you mean "guard"?'
    )


def test_all_problems_are_told_at_once():
    """
    One run is enough to mend a file, whatever parts of it are wrong.
    """
    text = """
store = "redi://h"
guard = "x"
zzzz = 1
[scopes.a]
key_env = "not a name"
limits = ["5/mn", 6, {limit = "5/mn"}]
shared = ["x"]
families.f = [1]
[scopes.b]
limits.m = ["5/s", "6/s"]
limits.n = "y"
"""
    error = refusal(text)
    assert [each.line for each in error.problems] == [2, 3, 4, 6, 7, 7, 7, 8, 9, 11, 12]
    assert {each.file for each in error.problems} == {"paceline.toml"}


def test_a_problem_of_the_shared_limits_is_told_once():
    """
    It is not repeated for each model.
    """
    text = "shared = ['x']\n[limits]\na = '5/s'\nb = '5/s'\n"
    assert [row[:2] for row in told(refusal(text))] == [("P103", 1)]


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = '{KEY}'",
        f"[scopes.a]\nkey_env = '{KEY}'",
        f"[scopes.a]\nkey = '{KEY}' # {KEY}",
        f"[scopes.'{KEY}']\nlimits='5/s'",
        f"[limits]\n'{KEY}' = '5/mn'",
        f"limits = ['5/s', '{KEY}']",
        f"limits = ['5/s {KEY}']",
        f"gaurd = '{KEY}'",
        f"families.a = ['{KEY}']\nlimits='5/mn'",
        f'x = """\n\n{KEY}"""',
        f'limits = """\\\n{KEY}"""',
        f"key_env = {KEY}",
        f"{KEY} = 1\n{KEY} = 2",
        f"[{KEY}]\n[{KEY}]",
        f"x = {{'{KEY}'=1, '{KEY}'=2}}",
        f"store = 'redis://:{KEY}@h'",
        f"store = 'redis://:{KEY}@[h'",
        f"store = 'redis://h?password={KEY}'",
        f"store = redis://:{KEY}@h",
        f"store = 'redi://u:{KEY}@h",
        f"store_env = '{KEY}'",
        f"[[{KEY}]]\nx=",
    ],
)
def test_a_secret_is_refused_unseen(text):
    """
    No part of it is in any text of the error, nor in its pickle.
    """
    error = refusal(text)
    shown = str(error) + repr(error) + str(vars(error)) + repr(pickle.dumps(error))
    assert all(KEY[i : i + 6] not in shown for i in range(3, len(KEY) - 6))
    assert "***" in shown or error.code == "P122"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("api_key", "hunter2"),
        ("password", "hunter2"),
        ("key_env", "hunter2 "),
        ("secret", "hunter2"),
        ("OPENAI_API_KEY", "hunter2"),
        ("limits", "hunter2" * 2 + "abcdef0123456789abcdef01"),
    ],
)
def test_a_secret_of_any_form_is_refused_where_its_name_tells(option, value):
    """
    The name of an option, or a length that no other text has, gives it away.
    """
    error = refusal(f"[scopes.a]\n{option} = '{value}'\n")
    rows = [(each.code, each.line) for each in error.problems or (error,)]
    assert ("P125", 2) in rows
    assert "hunter" not in str(error) + str(vars(error))


@pytest.mark.parametrize(
    "text",
    [
        "[scopes.a]\nkey_env = 'AZURE_OPENAI_API_KEY_OF_PRODUCTION_EU2'\nlimits='5/s'",
        "limits.'accounts/fireworks/models/llama-v3p1-405b-instruct' = '5/s'",
        "limits='5/s'\nfamilies.a = ['anthropic.claude-3-5-sonnet-20241022-v2:0']",
        "limits='5/s'\nstore='redis://risk-1.abc123.use1.cache.amazonaws.com:6379/0'",
        "limits='5/s'\nstore='unix:///run/redis/redis-server-number-1.sock'",
        "limits.token = '5/s'\nlimits.api_key = '5/s'",
        "limits='5/s'\n[scopes.password]",
    ],
)
def test_long_names_are_no_secrets(text):
    """
    Variables, models, hosts and paths may be long, and models may have any name.
    """
    assert read(parse(text, "paceline.toml")).file == "paceline.toml"


def test_a_password_in_the_url_of_the_store_is_refused():
    """
    There is a place for it: a variable.
    """
    error = refusal("store = 'redis://u:hunter2@h/0'\nlimits = '5/s'")
    assert error.code == "P125"
    assert "store_env" in error.hint
    assert "hunter2" not in str(error)


def test_a_long_line_is_shown_around_its_mark():
    """
    The caret stays under the part; the line is cut on both sides.
    """
    text = "limits = [" + "'5/min', " * 40 + "'7/mn'" + ", '5/min'" * 40 + "]"
    (row,) = told(refusal(text))
    assert row[3] == "mn"
    line, _ = refusal(text).caret.split("\n")
    assert len(line) < 120
    assert line.strip().startswith("...")
    assert line.endswith("...")


def test_wide_and_control_characters_keep_the_mark_in_place():
    """
    A wide character takes two columns; a control code is not obeyed.
    """
    text = "[scopes.'模型\x7f'] # \t\x1b[31m\n".replace("\x7f", "").replace("\x1b", "")
    error = refusal(text)
    line, mark = error.caret.split("\n")
    assert mark == "    " + " " * 8 + "^" * 6
    assert "\t" not in line


def test_windows_files_have_the_same_places():
    """
    Carriage returns and a byte order mark shift nothing.
    """
    error = refusal("guard = 1\r\n\r\nlimits = ['5/mn']\r\n")
    assert (error.line, error.column) == (3, 14)


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 9000, "x = " + "9" * 9000, "\x00", "\ud800"]
)
def test_what_the_reader_chokes_on_is_no_toml(text):
    """
    Nesting, digits and characters that Python refuses are told as what they are.
    """
    assert refusal(text).code == "P122"


def test_pyproject_problems_are_those_of_our_table():
    """
    Other tools' tables are left alone, secrets too.
    """
    text = f"[tool.other]\nkey = '{KEY}'\n[tool.paceline]\ngaurd = 1\nlimits='5/s'\n"
    assert told(refusal(text, ("tool", "paceline"))) == [
        ("P123", 4, 1, "gaurd", "guard")
    ]
    error = refusal("tool.paceline = 5", ("tool", "paceline"))
    assert told(error) == [("P124", 1, 17, "5", None)]


@pytest.mark.parametrize("make", ["missing", "directory", "binary", "huge"])
def test_files_that_cannot_be_read(tmp_path, make):
    """
    The error says why, and is no traceback of an operating system.
    """
    file = tmp_path / "paceline.toml"
    if make == "directory":
        file.mkdir()
    elif make == "binary":
        file.write_bytes(b"limits = '\xff'")
    elif make == "huge":
        file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(
        PacelineError, match=r"paceline\.toml' cannot be read"
    ) as caught:
        find(file)
    assert (caught.value.code, caught.value.file) == ("P121", str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        find("no\0path")


def test_errors_of_a_file_survive_a_process_boundary():
    """
    A worker can tell its parent what is wrong, and where.
    """
    error = refusal("limits = '5/mn'\ngaurd = 1")
    arrived = pickle.loads(pickle.dumps(error))
    assert str(error) == str(arrived)
    assert arrived.problems[0].suggestion == "5/min"
