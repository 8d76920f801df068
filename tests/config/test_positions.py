"""Where things stand in a file, against what tomllib reads."""

import tomllib

import pytest
from hypothesis import given, settings, strategies as st

from paceline._config.positions import positions

NAMES = st.one_of(
    st.sampled_from(["a", "b", "limits", "x-1", "gpt-4o", "1", "a.b", "", "é", "# no"]),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
BARE = set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def escaped(text):
    """Write a text between quotes, every strange character as an escape."""
    return "".join(
        char
        if char.isalnum() and char.isascii()
        else f"\\U{ord(char):08x}"
        if ord(char) > 0xFFFF or not char.isprintable()
        else f"\\u{ord(char):04x}"
        for char in text
    )


@st.composite
def names(draw):
    """Write a name, bare or in quotes of either kind."""
    name = draw(NAMES)
    if name and set(name) <= BARE and draw(st.booleans()):
        return name, name
    if name.isprintable() and "'" not in name and draw(st.booleans()):
        return name, f"'{name}'"
    return name, f'"{escaped(name)}"'


LINES = st.sampled_from(['""" x\n"" y"""""', "'''\n[a]\n# '' '''''", '"""\\\n  q"""'])
SCALARS = st.one_of(
    st.sampled_from(
        ["1", "-0.5", "1_000", "true", "inf", "1979-05-27 07:32:00Z", "07:32:00", "''"]
    ),
    TEXTS.map(lambda text: f'"{escaped(text)}"'),
    LINES,
)
GAPS = st.sampled_from(["", " ", "\n", " # ], }\n", "\t"])


@st.composite
def values(draw, depth=0):
    """Write a value: a scalar, a list or an inline table."""
    kind = draw(st.integers(0, 3 if depth < 2 else 1))
    if kind == 2:
        parts = draw(st.lists(values(depth + 1), max_size=3))
        gap = draw(GAPS)
        end = "," if parts and draw(st.booleans()) else ""
        return f"[{gap}" + f"{gap},{gap}".join(parts) + f"{end}{gap}]"
    if kind == 3:
        parts = draw(
            st.lists(
                st.tuples(names(), values(depth + 1)),
                max_size=3,
                unique_by=lambda pair: pair[0][0],
            )
        )
        return "{ " + " , ".join(f"{n[1]} = {v}" for n, v in parts) + " }"
    return draw(SCALARS)


@st.composite
def documents(draw):
    """Write tables and lists of tables, some of which are no valid TOML together."""
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        head = ".".join(n[1] for n in draw(st.lists(names(), min_size=1, max_size=3)))
        many = draw(st.booleans())
        lines.append(f"[[ {head} ]] # x" if many else f"[{head}]")
        for _ in range(draw(st.integers(0, 3))):
            key = " . ".join(
                n[1] for n in draw(st.lists(names(), min_size=1, max_size=2))
            )
            lines.append(f"{key}={draw(values())}{draw(st.sampled_from(['', ' #c']))}")
    return "\n".join(lines)


def paths(tree, path=()):
    """Yield the path and value of everything in a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for name, value in items:
        yield (*path, name), value
        if isinstance(value, dict | list):
            yield from paths(value, (*path, name))


def check(text):
    """Compare what stands where with what tomllib reads."""
    tree = tomllib.loads(text)
    spans = positions(text)
    expected = dict(paths(tree))
    assert set(spans) == set(expected)
    for path, (key, value) in spans.items():
        if isinstance(path[-1], str):
            name = text[slice(*key)]
            assert path[-1] in (name, *tomllib.loads(f"{name} = 1"))
        if key != value or isinstance(path[-1], int):
            # A list of tables has no text of its own, and nor has a dotted table.
            written = text[slice(*value)]
            whole = not isinstance(expected[path], dict | list)
            if whole or written[:1] in "[{":
                read = tomllib.loads(f"x = {written}")["x"]
                assert repr(read) == repr(expected[path])


@settings(deadline=None, max_examples=300)
@given(documents())
def test_everything_that_tomllib_reads_has_its_place(text):
    """
    The paths are those of tomllib, and the text at each place reads as its value.
    """
    try:
        tomllib.loads(text)
    except ValueError:
        return
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# only a comment",
        "a.b = 1\na.c = 2\n",
        'a = """\n[not.a.table]\nb = 1\n"""\nc = 2',
        "[[a]]\nn = 1\n[a.sub]\nk = 2\n[[a.m]]\n[[a]]\n[[a.m]]\nz = 3\n[[a.m]]",
        "[a.b.c]\n[a]\nx = 1\n[a.b]\ny = { z.w = [{}, [], {q = 1}] }",
        "[ a . 'b c' . \"d\\u0041\" ]\n 'x' . y = +1.5e3 # = 2",
        "t = 1979-05-27 07:32:00\nl = ['''a'b''', \"\"\"a\"b\"\"\",]",
    ],
)
def test_the_shapes_of_toml(text):
    """
    Dotted names, texts of many lines, lists of tables, tables that come back.
    """
    check(text)


def test_a_place_is_that_of_the_name_and_of_the_value():
    """
    Offsets point at the very characters.
    """
    text = '# first\nstore = "redis://h"\n[scopes."team a"]\nlimits = ["5/s", "6/s"]\n'
    spans = positions(text)
    shown = {
        path: (text[slice(*span.key)], text[slice(*span.value)])
        for path, span in spans.items()
    }
    assert shown["store",] == ("store", '"redis://h"')
    assert shown["scopes", "team a"][0] == '"team a"'
    assert shown["scopes", "team a", "limits", 1][1] == '"6/s"'
