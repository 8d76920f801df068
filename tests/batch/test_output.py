"""The output: whole lines or none, whatever kills the writer."""

import asyncio
import json
import os

import pytest

from paceline import ConfigError
from paceline.batch._output import Errors, Output
from rig_batch import answered

RESPONSE = {"status_code": 200, "request_id": "r", "body": {"text": "\u00e9\n"}}


def filled(path, *names):
    with Output(path) as output:
        for name in names:
            output.add(name, RESPONSE)
    return path.read_bytes()


def test_a_line_has_the_format_of_the_batch_api(tmp_path):
    """
    id, custom_id, response and error.
    """
    line = json.loads(filled(tmp_path / "out", "a"))
    assert line.pop("id").startswith("batch_req_")
    assert line == {"custom_id": "a", "response": RESPONSE, "error": None}


def test_wherever_the_last_line_was_torn_it_is_cut_off(tmp_path):
    """
    At any byte: the lines before stay, and the next one stands on a line of its own.
    """
    path = tmp_path / "out"
    first = filled(path, "a")
    last = filled(path, "b")[len(first) :]
    for end in range(len(last) - 1):
        path.write_bytes(first + last[:end])
        with Output(path) as output:
            assert output.answered == {"a"}
            output.add("c", RESPONSE)
        assert answered(path) == {"a": 1, "c": 1}


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path):
    """
    Its answer was paid for.
    """
    path = tmp_path / "out"
    path.write_bytes(filled(path, "a", "b")[:-1])
    with Output(path) as output:
        assert output.answered == {"a", "b"}
        output.add("c", RESPONSE)
    assert answered(path) == {"a": 1, "b": 1, "c": 1}


def test_zeros_that_a_power_cut_left_are_cut_off(tmp_path):
    """
    Some file systems grow a file before they fill it.
    """
    path = tmp_path / "out"
    path.write_bytes(filled(path, "a") + bytes(100))
    assert json.loads(filled(path).decode())["custom_id"] == "a"


@pytest.mark.parametrize(
    "text", ["hello", "hello\n", '{"custom_id": "a"}\n', "[]\n", '{"a": 1', "\n[1"]
)
def test_a_file_of_something_else_is_left_as_it_is(tmp_path, text):
    """
    An answer is never added to it, and nothing is cut off, its last line neither.
    """
    path = tmp_path / "out"
    path.write_text(text)
    with pytest.raises(ConfigError, match="no answer of a batch") as caught:
        Output(path)
    assert caught.value.code == "P704"
    assert path.read_text() == text


def test_two_runs_cannot_write_one_file(tmp_path):
    """
    The second is told so; when the first is gone, it may.
    """
    pytest.importorskip("fcntl")
    path = tmp_path / "out"
    with Output(path), pytest.raises(ConfigError) as caught:
        Output(path)
    assert caught.value.code == "P705"
    filled(path, "a")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """
    With the system's words.
    """
    for make in (Output, Errors):
        with pytest.raises(ConfigError, match="cannot be written: No such") as caught:
            make(tmp_path / "nowhere" / "out")
        assert caught.value.code == "P703"


def test_lines_reach_the_disk_in_batches(tmp_path, monkeypatch):
    """
    300 rows are not 300 waits for the disk; a pause brings the rest there.
    """
    synced = []

    async def main(output):
        keeping = asyncio.create_task(output.keep_synced())
        for i in range(300):
            output.add(f"r{i}", RESPONSE)
            await asyncio.sleep(0)
        while output._unsynced:  # noqa: ASYNC110 -- nothing tells
            await asyncio.sleep(0.01)
        keeping.cancel()

    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), real(fd)))
    with Output(tmp_path / "out") as output:
        asyncio.run(main(output))
        assert 1 <= len(synced) <= 5
    assert len(answered(tmp_path / "out")) == 300


def test_rows_that_failed_are_put_in_place_at_the_end(tmp_path):
    """
    Until then, the file of an earlier run is as it was.
    """
    path = tmp_path / "errors"
    path.write_text("before")
    errors = Errors(path)
    fields = {"custom_id": "a", "body": {}, "error": "of an earlier run"}
    errors.add(fields, response=None, error={"code": "c", "message": "m"})
    assert path.read_text() == "before"
    assert errors.finish() == path
    row = {"custom_id": "a", "body": {}, "response": None}
    assert json.loads(path.read_text()) == row | {
        "error": {"code": "c", "message": "m"}
    }
    assert os.listdir(tmp_path) == ["errors"]


def test_no_failed_row_leaves_no_file(tmp_path):
    """
    That of an earlier run is gone too: its rows are answered now.
    """
    path = tmp_path / "errors"
    path.write_text("before")
    assert Errors(path).finish() is None
    assert os.listdir(tmp_path) == []
