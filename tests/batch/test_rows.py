"""The input: every line is checked, and told by file and line."""

import json

import pytest

from paceline import ConfigError
from paceline._key import Key
from paceline._rules import Rules
from paceline.batch._rows import read_rows, refuse_problems
from rig_batch import CHAT, row, write

RULES = Rules({"gpt-*": ["500 requests/min", "1k tokens/min"]})


def key_of(model):
    return Key(scope="team", model=model)


def check(path):
    return read_rows(path, key_of, lambda key: RULES.policy(key.model))


def without(name, **changes):
    fields = row("b") | changes
    del fields[name]
    return fields


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"custom_id": ', "no JSON: Expecting value at column 14. Write one object"),
        ("[1]", "list is no row. Write an object."),
        ('{"custom_id": "b", "x": NaN}', "no JSON: NaN is no number in JSON"),
        ("[" * 100_000, "no JSON: "),
        (without("custom_id"), "custom_id is missing, or no text. Give each row"),
        (row(7), "custom_id is missing, or no text"),
        (row("a"), 'custom_id "a" is that of line 1 too. Give each row its own.'),
        (row("b") | {"method": "GET"}, 'method is "GET". Only POST is known.'),
        (
            row("b", "/v1/chat/completion"),
            f'url is "/v1/chat/completion", which is unknown. Did you mean "{CHAT}"?',
        ),
        (without("url"), 'url is "None", which is unknown. Known are '),
        (without("body"), "body is missing, or no object."),
        (row("b", model=""), "body has no model. Limits go by the model."),
        (row("b", messages=[]), f"body has no messages, which {CHAT} needs."),
        (row("b", stream=True), "body asks for a stream. A batch takes whole answers."),
        (row("b", model="o9"), '[P104] no limits apply to the model "o9"'),
        (row("b", max_tokens=1_001), "[P303] the cost in tokens is 1,001, but "),
        (row("b", model="{m}"), "[P502] "),
    ],
)
def test_a_line_that_is_no_request_is_told_with_its_place(tmp_path, line, told):
    """
    File and line, what is wrong and what to do; the others are read all the same.
    """
    path = write(tmp_path / "in.jsonl", [row("a"), line, row("c")])
    rows = check(path)
    assert [each.custom_id for each in rows.rows] == ["a", "c"]
    (problem,) = rows.problems
    assert problem.startswith(f"{path}:2: {told}")


def test_text_that_is_not_utf_8_is_told(tmp_path):
    """
    It is not sent as something else.
    """
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"custom_id": "\xff"}\n')
    assert "the text is not UTF-8" in check(path).problems[0]


def test_what_editors_do_to_a_file_does_no_harm(tmp_path):
    """
    A mark of byte order, ends of lines as on Windows, blank lines, no end of the last.
    """
    path = tmp_path / "in.jsonl"
    texts = [json.dumps(row(name, user="\u00fc")) for name in "ab"]
    text = f"\ufeff{texts[0]}\r\n\r\n \n{texts[1]}"
    path.write_bytes(text.encode())
    rows = check(path)
    assert rows.problems == ()
    assert [each.line for each in rows.rows] == [1, 4]
    with rows.open() as fields:
        assert [fields(each) for each in rows.rows] == [json.loads(t) for t in texts]


def test_the_first_problems_are_told_and_the_others_counted(tmp_path):
    """
    Nothing is sent, and a long list does not bury what to do.
    """
    path = write(tmp_path / "in.jsonl", [row("a"), *["{}"] * 25])
    with pytest.raises(ConfigError) as caught:
        refuse_problems(check(path))
    assert caught.value.code == "P701"
    assert caught.value.message.startswith("25 of 26 rows are no requests; nothing was")
    assert caught.value.message.count(f"{path}:") == 10
    assert "... and 15 more" in caught.value.message
    assert "--skip-invalid" in caught.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path):
    """
    An error of configuration, with the system's words.
    """
    with pytest.raises(ConfigError, match="cannot be read: No such file") as caught:
        check(tmp_path / "nothing.jsonl")
    assert caught.value.code == "P702"


def test_a_file_that_changes_under_way_is_told(tmp_path):
    """
    What is sent is what was checked, or nothing.
    """
    path = write(tmp_path / "in.jsonl", [row("a"), row("b")])
    rows = check(path)
    write(path, [row("b"), row("a")])
    with rows.open() as fields, pytest.raises(ConfigError) as caught:
        fields(rows.rows[1])
    assert caught.value.code == "P702"
