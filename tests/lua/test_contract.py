"""The header of a script, its body and its encoder say the same thing."""

import re

import pytest

from paceline import _facts, _script, _sight, _wire

NAMES = [
    "acquire", "birth", "clients", "cool_down", "heal", "note", "peek", "renew",
    "reset", "settle",
]  # fmt: skip
SECTIONS = ["KEYS", "ARGV", "Returns", "Writes", "Cost"]
LAYOUT = {
    "acquire": [_wire.HEAD, _wire.FIELD, _wire.LIMIT, _wire.REQUEST, _wire.CHARGE],
    "settle": [_wire.HEAD[:5], _wire.FIELD, _wire.LIMIT, _wire.SETTLEMENT],
    "renew": [_wire.HEAD[:5], _wire.FIELD, _wire.LIMIT, _wire.RENEWAL],
    "clients": [(_wire.HEAD[3], *_facts.LIFE), _wire.FIELD],
    "peek": [_wire.HEAD[3:4], _wire.FIELD, _wire.LIMIT],
    "cool_down": [_wire.HEAD[3:6], _wire.FIELD, _wire.COOL],
    "reset": [_wire.HEAD[3:5], _wire.FIELD, _sight.CLOSED],
    "birth": [_wire.HEAD[3:4]],
    "note": [_wire.HEAD[3:4], _wire.FIELD, _facts.FACT],
    "heal": [
        _wire.HEAD[3:5],
        _wire.FIELD,
        _wire.LIMIT,
        _sight.LIFE,
        _sight.GHOST,
    ],
}


def split(name):
    source = _script.load(name).source
    header, body = source.removeprefix("--[[").split("]]\n", 1)
    return header, body


def argv(header):
    """Return the argument names of the header's ARGV section, in order."""
    section = header.split("\nARGV")[1].split("\nReturns")[0]
    names = []
    for line in section.splitlines():
        if match := re.match(r"  ((?:[a-z_][a-z_0-9]*[ ]?)+?)\s{2,}\S", line):
            names += match[1].split()
    return names


def test_every_script_is_known_here():
    """
    A new script gets a row in this test's layout.
    """
    assert NAMES == _script.names() == sorted(LAYOUT)


@pytest.mark.parametrize("name", NAMES)
def test_header_has_every_section_in_order(name):
    """
    Summary, then KEYS, ARGV, Returns, Writes and Cost.
    """
    header, _ = split(name)
    found = re.findall(r"^(KEYS|ARGV|Returns|Writes|Cost)\b", header, re.MULTILINE)
    assert header.startswith(f"\n{name} -- ")
    assert list(dict.fromkeys(found)) == SECTIONS


@pytest.mark.parametrize("name", NAMES)
def test_header_names_the_encoders_arguments_in_order(name):
    """
    The header lists exactly the names of the encoder's layout.
    """
    header, _ = split(name)
    assert [arg for row in LAYOUT[name] for arg in row] == argv(header)


@pytest.mark.parametrize("name", NAMES)
def test_body_reads_the_encoders_arguments(name):
    """
    Every row that a body reads is a row of the encoder's layout, and all are read.
    """
    _, body = split(name)
    rows = re.findall(r'args_(?:read|rows|rows_of)\([^{}]*\{\s+("[^}]*)\}', body)
    read = [tuple(re.findall(r'"(\w+)"', row)) for row in rows]
    if name in ("cool_down", "reset"):
        read.remove(_wire.LIMIT)  # included, never called: it has no limits
    assert sorted(LAYOUT[name]) == sorted(read)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_one_key_and_sets_no_global(name):
    """
    Scripts touch KEYS[1] only, build no key and scan nothing: Cluster-safe.
    """
    _, body = split(name)
    commands = re.findall(r"redis\.p?call\(([^,)]*),?\s*([^,)]*)", body)
    assert commands
    for command, key in commands:
        assert command.strip('"') == "TIME" or key == "KEYS[1]", command
    assert "SCAN" not in body
    assert '"KEYS"' not in body
