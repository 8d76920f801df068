"""
Bad inputs: an error of ours or a right answer, never a traceback.

Ten thousand and more, counted, with
``python -m pytest -m soak -s tests/processes/test_bad_inputs.py``
"""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import click
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import (
    CalendarWindow,
    Concurrency,
    Key,
    PacelineError,
    RateLimiter,
    SlidingWindow,
    TokenBucket,
)
from paceline.cli import main, top
from paceline.cli.app import COMMANDS, group
from rig_bad_files import TREES, as_text, check, damaged, mistaken
from rig_hostile import Hostile


def many(count):
    return settings(
        deadline=None,
        max_examples=count,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


WORDS = st.sampled_from(
    [
        *("500/min", "5 rpm", "30k tokens/min", "2 per 200ms", "10/day calendar"),
        *("1M tokens/month calendar Europe/Paris", "5/min burst 2", "3 concurrent"),
        *("day", "week", "UTC", "Mars/Phobos", "requests", "tokens", "", "*", "a{b}"),
        *("\ud800", "\x00", "模型", "9" * 400, "-1/s", "1e9/min", "redis://", "nan"),
        *("memory://x", "embedded://\x00", "redis://h:99999", "unix://", "http://x"),
    ]
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-2, 1000),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=4),
        WORDS,
        st.just(object()),
        st.builds(SlidingWindow, st.just(5), st.just(60.0)),
        st.builds(Concurrency, st.just(2)),
        st.just(10**400),
        st.just(lambda *_, **__: 1),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(st.one_of(WORDS, st.integers()), inner, max_size=3),
    ),
    max_leaves=4,
)
NAMES = {
    SlidingWindow: ("limit", "per", "slots", "unit", "name"),
    TokenBucket: ("rate", "per", "burst", "unit", "name"),
    CalendarWindow: ("limit", "period", "tz", "unit", "name"),
    Concurrency: ("limit", "lease", "name"),
    Key: ("api_key", "scope", "model"),
    RateLimiter: ("store", "limits", "families", "shared", "guard", "secret"),
}
OURS = (PacelineError,)


def ours(run):
    """Run; let only errors of ours pass."""
    try:
        return run()
    except OURS as error:
        assert str(error)  # noqa: PT017
        assert error.code  # noqa: PT017
        return None


@st.composite
def construction(draw):
    kind = draw(st.sampled_from(list(NAMES)))
    names = draw(st.lists(st.sampled_from(NAMES[kind]), unique=True, max_size=5))
    return kind, {name: draw(VALUES) for name in names}


def construct(kind, arguments):
    if kind is RateLimiter and not str(arguments.get("store")).startswith("memory://"):
        arguments["store"] = "memory://bad-inputs"
    try:
        made = ours(lambda: kind(**arguments))
    except TypeError as error:
        # Python's own word for an argument that was left out.
        assert "missing" in str(error), error  # noqa: PT017
        return
    if isinstance(made, RateLimiter):
        made.close()


CALLS = (
    "try_acquire", "acquire", "peek", "reset", "cool_down", "reserve", "limited",
)  # fmt: skip


@st.composite
def use(draw):
    verb = draw(st.sampled_from(CALLS))
    arguments = [draw(st.one_of(VALUES, WORDS))]
    if verb not in ("peek", "reset"):
        arguments.append(draw(VALUES))
    options = {}
    if verb in ("acquire", "reserve"):
        options["timeout"] = draw(st.sampled_from([0, 0.0, -1, "x", float("nan")]))
        options["priority"] = draw(st.sampled_from(["normal", "batch", "x", None, []]))
    return verb, arguments, options, draw(st.booleans())


def call(verb, arguments, options, on_loop):
    limiter = RateLimiter("memory://bad-inputs", limits=["5/s", "9 tokens/s"])

    def run():
        found = getattr(limiter, verb)(*arguments, **options)
        if verb == "reserve":
            with found:
                found.settle(arguments[1])
        if verb == "acquire":
            found.settle(arguments[1])
        if verb == "limited":
            found(lambda x: x)(1)

    async def run_on_loop():
        name = verb if verb in ("reserve", "limited") else f"{verb}_async"
        found = getattr(limiter, name)(*arguments, **options)
        if verb == "reserve":
            async with found:
                await found.settle_async(arguments[1])
        elif verb == "limited":

            async def limited(x):
                return x

            await found(limited)(1)
        elif verb == "acquire":
            await (await found).settle_async(arguments[1])
        else:
            await found

    ours((lambda: asyncio.run(run_on_loop())) if on_loop else run)
    ours(lambda: limiter.try_acquire("sound", {"tokens": 1}))
    limiter.close()


def options_of(name):
    """Return the options of a command, with some values that each takes."""
    found = {}
    for each in group.get_command(None, name).params:
        values = ["1", "0", "-1", "2s", "9" * 30, "a", ""]
        if isinstance(each.type, click.Choice):
            values += each.type.choices
        for word in each.opts if isinstance(each, click.Option) else ():
            found[word] = None if each.is_flag else values
    return found


OPTIONS = {name: options_of(name) for name in COMMANDS}


@st.composite
def command(draw):
    name = draw(st.sampled_from([*COMMANDS, "nope"]))
    words = [name] if draw(st.integers(0, 20)) else []
    known = OPTIONS.get(name, {"--nope": None})
    for option in draw(st.lists(st.sampled_from(list(known)), max_size=4)):
        words.append(option)
        if known[option] and draw(st.integers(0, 9)):
            words.append(draw(st.one_of(st.sampled_from(known[option]), WORDS)))
    words += draw(st.lists(st.sampled_from(["rows.jsonl", "a", "", "--"]), max_size=2))
    return words


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    """Interrupt each command that has read its options where its work would begin."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"custom_id": 1}\n[]\nx\n', "utf-8")
    monkeypatch.setenv("PACELINE_STORE", "memory://commands")
    monkeypatch.setattr("paceline.mock.serve", interrupt)
    monkeypatch.setattr("paceline.mock.listen.serve_until_stopped", interrupt)
    # Two looks, whatever was asked for.
    print_some = top._print
    monkeypatch.setattr(top, "_sleep", lambda _: False)
    monkeypatch.setattr(
        top, "_print", lambda *args, once, **kw: print_some(*args, once=True, **kw)
    )


def invoke(words):
    code = main(words)
    assert code in (0, 2, 3, 4, 5, 6, 130), (words, code)


async def ask_on_a_loop(limiter):
    for verb, arguments in ASKED:
        options = {"timeout": 0.2} if verb == "acquire" else {}
        with contextlib.suppress(PacelineError):
            ask = getattr(limiter, f"{verb}_async")
            permit = await asyncio.wait_for(ask(*arguments, **options), 20)
            if verb == "acquire":
                await permit.settle_async(0)


def url_of(server, seed):
    """Return the URL of what may be a server, a cluster's node or a Sentinel."""
    forms = ["redis://{}", "redis://{}", "redis+cluster://{}", "redis+sentinel://{}/a"]
    return forms[seed % 4].format(server.url.removeprefix("redis://"))


def ask_a_liar(seed):
    """Return how many replies a hostile server gave to all verbs, both ways."""
    limits = ["5/s", "9/day calendar", "3 concurrent"][: 2 + seed % 2]
    with (
        Hostile(seed) as server,
        RateLimiter(url_of(server, seed), limits=limits, call_timeout=0.05) as limiter,
    ):
        for verb, arguments in ASKED:

            def ask(verb=verb, arguments=arguments):
                options = {"timeout": 0.2} if verb == "acquire" else {}
                permit = getattr(limiter, verb)(*arguments, **options)
                if verb == "acquire":
                    permit.settle(0)

            ours(ask)
        asyncio.run(ask_on_a_loop(limiter))
    return server.answers


def operate_a_liar(seed):
    """Return how many replies a hostile server gave to the operator's commands."""
    with Hostile(seed) as server:
        for words in ("status", "doctor --json", "top --once", "reset a --yes"):
            invoke([*words.split(), "--store", url_of(server, seed)])
    return server.answers


def operated(count):
    return sum(map(operate_a_liar, range(count)))


def drawn(strategy, work):
    """Return what gives so many inputs to a function, and how many there were."""

    def run(count):
        given_so_far = 0

        @many(count)
        @given(strategy)
        def each(value):
            nonlocal given_so_far
            given_so_far += 1
            work(value)

        each()
        return given_so_far

    return run


def lied_to(count):
    """Ask several servers at a time: most of it is waiting for what does not come."""
    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(ask_a_liar, range(count)))


# What gives inputs, and how many in the short form and in the long one; of a hostile
# server it is the servers, with some 25 replies each.
PARTS = {
    "constructors": (drawn(construction(), lambda some: construct(*some)), 80, 3_000),
    "verbs": (drawn(use(), lambda some: call(*some)), 80, 2_000),
    "commands": (drawn(command(), invoke), 60, 2_000),
    "files": (drawn(st.one_of(damaged(), mistaken()), check), 0, 2_000),
    "tables": (drawn(TREES, lambda tree: check(as_text(tree))), 0, 1_500),
    "replies": (lied_to, 4, 160),
    "replies to operators": (operated, 4, 160),
}


@pytest.mark.parametrize("part", [name for name, (_, some, _) in PARTS.items() if some])
def test_bad_inputs_are_errors_of_ours(part, nothing_runs):
    """
    An error with a code and a text or an answer; a documented exit code.
    """
    run, some, _ = PARTS[part]
    assert run(some) >= some


@pytest.mark.soak
def test_ten_thousand_bad_inputs(nothing_runs, capsys):
    """
    All parts in one run, and each input counted.
    """
    told = {}
    for part, (run, _, many_more) in PARTS.items():
        start = time.monotonic()
        told[part] = run(many_more)
        capsys.readouterr()  # what the commands said
        with capsys.disabled():
            print(f"\n{part}: {told[part]:,} in {time.monotonic() - start:.0f} s")
    with capsys.disabled():
        print(f"all: {sum(told.values()):,}")
    assert sum(told.values()) >= 10_000


ASKED = [
    ("peek", ("a",)), ("try_acquire", ("a",)), ("acquire", ("a", 1)),
    ("cool_down", ("a", 1)), ("reset", ("a",)), ("acquire", ("b", 2)),
    ("try_acquire", ("b",)), ("peek", ("b",)), ("peek", ("c",)), ("reset", ("c",)),
]  # fmt: skip
