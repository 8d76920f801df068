"""Ten thousand bad inputs: an error of ours or a right answer, never a traceback."""

import asyncio

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
from paceline.cli import main
from rig_hostile import Hostile

SHORT, LONG = 80, 4_000


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
    return verb, arguments, options


def call(verb, arguments, options):
    limiter = RateLimiter("memory://bad-inputs", limits=["5/s", "9 tokens/s"])

    def run():
        found = getattr(limiter, verb)(*arguments, **options)
        if verb == "reserve":
            with found:
                found.settle(arguments[1])
        if verb == "acquire":
            found.settle(arguments[1])

    ours(run)
    ours(lambda: limiter.try_acquire("sound", {"tokens": 1}))
    limiter.close()


COMMANDS = (
    "check", "plan", "status", "reset", "doctor", "batch",
)  # fmt: skip


@st.composite
def command(draw):
    words = [draw(st.sampled_from(COMMANDS))]
    flags = ["--json", "--store", "--limit", "--key", "--scope", "--nope", "--model"]
    words += draw(st.lists(st.one_of(st.sampled_from(flags), WORDS), max_size=4))
    return [word for word in words if word != "--yes"]


def invoke(words):
    code = main(words)
    assert code in (0, 2, 3, 4, 5, 6), (words, code)


@pytest.mark.parametrize("count", [SHORT, pytest.param(LONG, marks=pytest.mark.soak)])
def test_senseless_arguments_are_errors_of_ours(count):
    """
    Constructors and verbs: an error with a code and a text, or an answer.
    """

    @many(count)
    @given(construction())
    def constructors(drawn):
        construct(*drawn)

    @many(count)
    @given(use())
    def verbs(drawn):
        call(*drawn)

    constructors()
    verbs()


@pytest.mark.parametrize("count", [20, pytest.param(600, marks=pytest.mark.soak)])
def test_senseless_commands_are_told_so(count, tmp_path, monkeypatch):
    """
    Each command ends with a documented exit code and no traceback.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACELINE_STORE", "memory://commands")

    @many(count)
    @given(command())
    def commands(words):
        invoke(words)

    commands()


@pytest.mark.parametrize("count", [60, pytest.param(2_000, marks=pytest.mark.soak)])
def test_a_hostile_server_gets_nothing_but_errors_of_ours(count):
    """
    Wrong types, nested, huge, torn and mendacious replies, to every verb, both ways.
    """

    async def twins(limiter):
        for verb, arguments in ASKED:
            ask = getattr(limiter, f"{verb}_async")
            try:
                options = {"timeout": 0.2} if verb == "acquire" else {}
                permit = await asyncio.wait_for(ask(*arguments, **options), 20)
                if verb == "acquire":
                    await permit.settle_async(0)
            except PacelineError as error:
                assert error.code  # noqa: PT017

    for seed in range(max(1, count // 20)):
        with (
            Hostile(seed) as server,
            RateLimiter(
                server.url,
                limits=["5/s", "9/day calendar", "3 concurrent"][: 2 + seed % 2],
                call_timeout=0.05,
            ) as limiter,
        ):
            for verb, arguments in ASKED:

                def ask(verb=verb, arguments=arguments, limiter=limiter):
                    options = {"timeout": 0.2} if verb == "acquire" else {}
                    permit = getattr(limiter, verb)(*arguments, **options)
                    if verb == "acquire":
                        permit.settle(0)

                ours(ask)
            asyncio.run(twins(limiter))


ASKED = [
    ("peek", ("a",)), ("try_acquire", ("a",)), ("acquire", ("a", 1)),
    ("cool_down", ("a", 1)), ("reset", ("a",)), ("acquire", ("b", 2)),
    ("try_acquire", ("b",)), ("peek", ("b",)), ("peek", ("c",)), ("reset", ("c",)),
]  # fmt: skip
