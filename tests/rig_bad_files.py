"""Files that nobody wrote, and what each of them must come to."""

import re

from hypothesis import strategies as st

from paceline import ConfigError
from paceline._config.files import parse
from paceline._config.read import OPTIONS, read

GOOD = """
store = "memory://fuzz"
guard = 0.05
shared = ["10k requests/day"]

[limits]
"gpt-4o" = ["500 requests/min", { limit = "30k tokens/min", name = "tpm" }]
"*" = "60/min burst 5"

[families]
"gpt-4o" = ["gpt-4o", "gpt-4o-2024-*"]

[scopes.team-a]
key_env = "FUZZ_TEAM_A_KEY"
limits = ["5/s", "1M tokens/month calendar Europe/Paris"]

[scopes.team-b]
"""

REST = "abcdefghijklmnop"
SECRET = f'"sk-live-{REST}"'
PIECES = [
    *('"', "'", '"""', "[", "]", "[[", "{", "}", "=", ",", ".", "#", "\n", " ", "\\"),
    *("store", "limits", "scopes", "shared", "families", "key_env", "guard", "limit"),
    *("team-a", '"*"', '"5/s"', '"5/mn"', '"500 rpm"', "0.05", "-1", "1e999", "nan"),
    *("true", "1979-05-27", "0x" + "f" * 50, "9" * 5000, "é", "模型", "\x00", "\ud800"),
    *('"redis://h:x"', '"redis://u:p@h"', '"embedded://x"', '"unix://"', '"{x}"'),
    *(SECRET, "api_key", "store_env", "name", "slots", "\r\n"),
    *("\u2028", "\t", "\x0b", "_env", '"x" = ', "[limits]\n", "[scopes.x]\n"),
]


TOKENS = re.findall(r'"[^"]*"|[\w-]+|\s+|.', GOOD)


@st.composite
def damaged(draw):
    """Take a good file and cut, double, swap and insert in a few places."""
    text = GOOD
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 20)))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)))
        again = text[start:end] if draw(st.booleans()) else ""
        text = text[:start] + again + piece + text[end:]
    return text


@st.composite
def mistaken(draw):
    """Take a good file and put other words of it, or misspelt ones, in some places."""
    words = [i for i, token in enumerate(TOKENS) if token.strip(' "\n[]={},.')]
    tokens = list(TOKENS)
    for place in draw(st.lists(st.sampled_from(words), min_size=1, max_size=4)):
        quotes = '"' if tokens[place].startswith('"') else ""
        new = draw(st.sampled_from([TOKENS[i] for i in words])).strip('"')
        cut = draw(st.integers(0, len(new)))
        new = draw(st.sampled_from([new, new[:cut] + new[cut + 1 :], new[:cut] + "x"]))
        tokens[place] = quotes + new + quotes
    return "".join(tokens)


NAMES = st.one_of(
    st.sampled_from(
        [*OPTIONS, "key_env", "limit", "name", "slots", "gpt-4o", "*", "a"]
    ),
    st.text(max_size=4),
)
LEAVES = st.one_of(
    st.sampled_from(["5/s", "5/mn", "6/s", "5/s burst 2", "1 token/min", "gpt-4o", ""]),
    st.text(max_size=6),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.datetimes(),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)


def or_not(strategy):
    """Mostly what is wanted, at times anything."""
    return st.one_of(strategy, strategy, strategy, ANYTHING)


SOME_LIMITS = st.lists(
    or_not(
        st.one_of(
            st.sampled_from(["5/s", "6/s", "60/min", "5/min burst 2", "1 token/s"]),
            st.fixed_dictionaries(
                {"limit": st.just("5/s")},
                optional={
                    "name": or_not(st.just("x")),
                    "slots": or_not(st.integers(0, 9)),
                },
            ),
        )
    ),
    max_size=3,
)
MODELS = st.sampled_from(["gpt-4o", "gpt-4?", "gpt-*", "*", "a"])
SECTION = {
    "limits": or_not(
        st.one_of(SOME_LIMITS, st.dictionaries(MODELS, or_not(SOME_LIMITS)))
    ),
    "shared": or_not(SOME_LIMITS),
    "families": or_not(st.dictionaries(MODELS, or_not(st.lists(or_not(MODELS))))),
}
TREES = st.fixed_dictionaries(
    {},
    optional={
        **SECTION,
        **{name: or_not(st.just("A_NAME")) for name in ("store_env", "secret_env")},
        **{name: or_not(st.floats(0.1, 60)) for name in ("guard", "call_timeout")},
        "store": or_not(st.just("memory://")),
        "scopes": or_not(
            st.dictionaries(
                or_not(st.sampled_from(["team-a", "b"])).filter(
                    lambda name: isinstance(name, str)
                ),
                or_not(
                    st.fixed_dictionaries(
                        {},
                        optional={**SECTION, "key_env": or_not(st.just("A_NAME"))},
                    )
                ),
                max_size=3,
            )
        ),
    },
)


def written(value):
    """Write a value as TOML."""
    if isinstance(value, dict):
        pairs = (f"{written(name)} = {written(each)}" for name, each in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def as_text(tree):
    """Write tables as a file."""
    return "\n".join(
        f"{written(name)} = {written(value)}" for name, value in tree.items()
    )


def check_told(error, text):
    """Each problem has a code, a place that exists, and no secret."""
    lines = text.replace("\r\n", "\n").split("\n")
    for each in error.problems or (error,):
        assert each.code in str(error)
        assert each.file == "f.toml"
        assert 1 <= each.line <= len(lines)
        assert 1 <= each.column <= len(lines[each.line - 1]) + 1
        assert not each.caret or each.caret.count("\n") == 1
        assert "\x1b" not in str(each)
    # A key that lost its beginning looks like any word, and is none to anybody.
    if text.count(REST) == text.count(SECRET) > 0:
        assert REST not in str(error)


def check_usable(section):
    """There are limits for each model, or an error that says for which there are."""
    for model in (None, "gpt-4o", "a"):
        try:
            limits = section.rules.policy(model).limits
        except ConfigError as error:
            limits = error.code in ("P104", "P109")
        assert limits


def check(text):
    """Read a text: a clear error with a place in it, or limits that can be used."""
    try:
        config = read(parse(text, "f.toml"))
    except ConfigError as error:
        check_told(error, text)
        return
    sections = [config.section, *(scope.section for scope in config.scopes.values())]
    used = [section for section in sections if section is not None]
    assert used
    for section in used:
        check_usable(section)
