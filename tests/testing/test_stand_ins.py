"""Stand-ins for a limiter: their verbs, their refusals, and what they remember."""

import asyncio
import inspect

import pytest

from paceline import (
    Concurrency,
    ConfigError,
    CostError,
    CostTooLarge,
    Key,
    KeyTemplate,
    MisuseError,
    Permit,
    RateLimiter,
    RateLimitExceeded,
    SlidingWindow,
    current_permit,
)
from paceline.testing import (
    ClockedLimiter,
    InstantLimiter,
    Recorded,
    RecordingLimiter,
    RefusingLimiter,
    _recording,
)

LIMITS = ["5 requests/min", "100 tokens/min"]
KEY = Key(scope="team-a", model="m")
KINDS = [InstantLimiter, RefusingLimiter, ClockedLimiter]
# What is built from the verbs below it, through the engine that each kind brings.
BUILT = {"acquire", "acquire_async", "reserve", "limited", "close", "aclose"}


def verbs(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [*KINDS, RecordingLimiter])
def test_a_stand_in_is_a_rate_limiter(kind):
    """
    It passes wherever one is expected, and lacks none of its verbs.
    """
    limiter = kind() if kind is RecordingLimiter else kind(limits=LIMITS)
    assert isinstance(limiter, RateLimiter)
    assert verbs(RateLimiter) <= verbs(kind)
    assert kind.__module__ == "paceline.testing"


@pytest.mark.parametrize("kind", [InstantLimiter, RecordingLimiter])
def test_no_verb_is_left_to_a_store_that_is_not_there(kind):
    """
    A verb that RateLimiter gains must be one of the stand-ins' too.
    """
    for name in verbs(RateLimiter) - BUILT - {"from_config"}:
        assert getattr(kind, name) is not getattr(RateLimiter, name), name
    recorded = _recording._RecordedPermit
    for name in verbs(Permit):
        assert getattr(recorded, name) is not getattr(Permit, name), name


@pytest.mark.parametrize("kind", [RateLimiter, *KINDS])
def test_the_limits_of_a_key_are_those_that_apply_to_its_model(kind):
    """
    As objects, the shared ones last, in the order and by the names of peek.
    """
    limiter = kind(
        "memory://",
        limits={"m*": LIMITS, "o": "32 concurrent"},
        families={"mm": ["m", "mm"]},
        shared="9 requests/s",
    )
    limits = limiter.limits(KEY)
    assert limits == (
        SlidingWindow(5, 60),
        SlidingWindow(100, 60, unit="tokens"),
        SlidingWindow(9, 1),
    )
    assert [each.name for each in limiter.peek(KEY)] == [each.name for each in limits]
    assert limiter.limits(Key(scope="b", model="o"))[0] == Concurrency(32)
    assert RecordingLimiter(limiter).limits(KEY) == limits
    with pytest.raises(ConfigError, match="P104"):
        limiter.limits("no model")


def test_the_limits_of_a_key_are_known_while_the_store_is_not_there():
    """
    No store is asked: nobody listens at this address.
    """
    limiter = RateLimiter("unix:///nowhere/at/all.sock", limits=LIMITS)
    assert [each.capacity for each in limiter.limits(KEY)] == [5, 100]
    assert InstantLimiter().limits(KEY) == ()


def every_verb(limiter):
    """Call each blocking verb once."""
    limiter.try_acquire(KEY, {"tokens": 1})
    limiter.acquire(KEY, {"tokens": 2}, timeout=0).settle({"tokens": 1})
    limiter.acquire(KEY, {"tokens": 2}).cancel()
    with limiter.reserve(KEY, {"tokens": 3}) as reservation:
        reservation.settle({"tokens": 2})
    limiter.peek(KEY)
    limiter.cool_down(KEY, 0)
    limiter.reset(KEY)


async def every_twin(limiter):
    """Call each asyncio verb once."""
    await limiter.try_acquire_async(KEY, {"tokens": 1})
    permit = await limiter.acquire_async(KEY, {"tokens": 2}, timeout=0)
    await permit.settle_async({"tokens": 1})
    await (await limiter.acquire_async(KEY, {"tokens": 2})).cancel_async()
    async with limiter.reserve(KEY, {"tokens": 3}) as reservation:
        reservation.settle({"tokens": 2})
    await limiter.peek_async(KEY)
    await limiter.cool_down_async(KEY, 0)
    await limiter.reset_async(KEY)


RECORDED = [
    Recorded("try_acquire", KEY, {"tokens": 1}),
    Recorded("acquire", KEY, {"tokens": 2}),
    Recorded("settle", KEY, {"tokens": 1}),
    Recorded("acquire", KEY, {"tokens": 2}),
    Recorded("cancel", KEY),
    Recorded("acquire", KEY, {"tokens": 3}),
    Recorded("settle", KEY, {"tokens": 2}),
    Recorded("peek", KEY),
    Recorded("cool_down", KEY, 0),
    Recorded("reset", KEY),
]


@pytest.mark.parametrize(
    "inner",
    [
        lambda: None,
        lambda: InstantLimiter(limits=LIMITS),
        lambda: ClockedLimiter(limits=LIMITS),
    ],
)
def test_a_recorder_remembers_each_verb_and_twin(inner):
    """
    Over one that grants everything, or over a real one in memory.
    """
    limiter = RecordingLimiter(inner())
    every_verb(limiter)
    assert limiter.calls == RECORDED
    limiter.calls.clear()
    asyncio.run(every_twin(limiter))
    assert limiter.calls == RECORDED


def test_a_recorder_remembers_refusals():
    """
    What was refused is noted as such, and refused.
    """
    limiter = RecordingLimiter(RefusingLimiter(limits=LIMITS))
    assert not limiter.try_acquire(KEY, {"tokens": 1})
    with pytest.raises(RateLimitExceeded):
        limiter.acquire(KEY, {"tokens": 2})
    with pytest.raises(RateLimitExceeded), limiter.reserve("team-a", {"tokens": 3}):
        pass

    async def twins():
        assert not await limiter.try_acquire_async(KEY, {"tokens": 1})
        with pytest.raises(RateLimitExceeded):
            await limiter.acquire_async(KEY, {"tokens": 2})

    asyncio.run(twins())
    assert [(each.verb, each.allowed) for each in limiter.calls] == [
        ("try_acquire", False),
        ("acquire", False),
        ("acquire", False),
        ("try_acquire", False),
        ("acquire", False),
    ]


def test_decorated_functions_of_all_kinds_are_granted_and_settled():
    """
    Functions, coroutines and both kinds of generators, with their permits.
    """
    limiter = RecordingLimiter()
    terms = {"cost": lambda n: {"tokens": n}, "settle": lambda n: {"tokens": n - 1}}
    decorate = limiter.limited(KeyTemplate(scope="{n}"), **terms)

    @decorate
    def plain(n):
        assert isinstance(current_permit(), Permit)
        return n

    @decorate
    async def coroutine(n):
        return n

    @decorate
    def stream(n):
        yield n

    @decorate
    async def async_stream(n):
        yield n

    async def twins():
        assert await coroutine(2) == 2
        assert [n async for n in async_stream(4)] == [4]

    assert plain(1) == 1
    asyncio.run(twins())
    assert list(stream(3)) == [3]
    assert [each.cost["tokens"] for each in limiter.calls] == [1, 0, 2, 1, 4, 3, 3, 2]
    assert [each.key.scope for each in limiter.calls] == list("11224433")


def test_one_that_grants_shows_its_limits_as_never_used():
    """
    However much was acquired.
    """
    limiter = InstantLimiter(limits=LIMITS)
    for _ in range(9):
        assert limiter.acquire(KEY, {"tokens": 90}, timeout=0).waited == 0.0
    decision = limiter.try_acquire(KEY, {"tokens": 90})
    assert (decision.allowed, decision.retry_after, decision.limit) == (True, 0, None)
    assert [status.remaining for status in limiter.peek(KEY)] == [5, 100]
    assert decision.statuses == limiter.peek(KEY)


def test_one_that_refuses_says_when_and_which():
    """
    Its answer is that of a used up limit; no timeout makes it wait.
    """
    limiter = RefusingLimiter(limits=LIMITS, retry_after=2.5)
    decision = limiter.try_acquire(KEY, {"tokens": 1})
    assert (decision.allowed, decision.retry_after) == (False, 2.5)
    assert decision.limit == "requests/min"
    assert [status.remaining for status in limiter.peek(KEY)] == [0, 0]
    with pytest.raises(RateLimitExceeded, match=r"in 2\.500 s") as caught:
        limiter.acquire(KEY, {"tokens": 1}, timeout=None)
    assert caught.value.decision == decision
    assert RefusingLimiter().try_acquire("anything").limit == "stand-in"


@pytest.mark.parametrize("kind", KINDS)
def test_keys_costs_and_numbers_are_checked_as_in_production(kind):
    """
    A test that passes a wrong one fails, as the program would.
    """
    limiter = kind(limits={"m": LIMITS})
    with pytest.raises(CostError):
        limiter.acquire(KEY, 1)
    with pytest.raises(CostTooLarge):
        limiter.try_acquire(KEY, {"tokens": 101})
    with pytest.raises(ConfigError, match="no limits apply"):
        limiter.peek(Key(scope="team-a", model="other"))
    with pytest.raises(MisuseError):
        limiter.reset(5)
    with pytest.raises(ConfigError, match="cool-down is -1"):
        limiter.cool_down(KEY, -1)
    with pytest.raises(ConfigError, match="timeout is -1"):
        limiter.acquire(KEY, {"tokens": 1}, timeout=-1)


def test_without_limits_any_unit_will_do_but_a_wrong_number_will_not():
    """
    So that a program whose limits are elsewhere can be tested without them.
    """
    limiter = InstantLimiter()
    permit = limiter.acquire("x", {"tokens": 10**6, "images": 3})
    permit.settle({"tokens": 5, "gpu_seconds": 1})
    assert limiter.peek("x") == ()
    for wrong in (-1, {"tokens": 1.5}, {"tokens": "1"}):
        with pytest.raises(CostError):
            limiter.acquire("x", wrong)
        with pytest.raises(CostError):
            permit.settle(wrong)


@pytest.mark.parametrize("kind", [InstantLimiter, ClockedLimiter])
def test_blocking_verbs_are_refused_on_an_event_loop(kind):
    """
    As in production: a test must not pass that would block there.
    """
    limiter = kind(limits="5/min")

    async def main():
        with pytest.raises(MisuseError, match="would block"):
            limiter.acquire("x")
        with pytest.raises(MisuseError, match="would block"), limiter.reserve("x"):
            pass
        with pytest.warns(RuntimeWarning, match="stops the running event loop"):
            limiter.try_acquire("x")

    asyncio.run(main())


@pytest.mark.parametrize(
    "make",
    [
        lambda: InstantLimiter(limits="5/min"),
        lambda: ClockedLimiter(limits="5/min"),
        RecordingLimiter,
    ],
)
def test_a_closed_one_takes_no_calls(make):
    """
    Closed by either verb, or by leaving either kind of block.
    """

    async def twins(limiter):
        async with limiter:
            await limiter.acquire_async("x")

    for close in (lambda one: one.close(), lambda one: asyncio.run(twins(one))):
        limiter = make()
        with limiter if close is None else limiter.reserve("x"):
            pass
        close(limiter)
        with pytest.raises(MisuseError, match="closed"):
            limiter.try_acquire("x")
        with pytest.raises(MisuseError, match="closed"):
            limiter.acquire("x")


@pytest.mark.parametrize("kind", [*KINDS, RecordingLimiter])
def test_each_can_be_made_from_a_file(kind, tmp_path, monkeypatch):
    """
    The program's own limits, and no store but one in memory.
    """
    monkeypatch.setenv("TEAM_A_KEY", "hunter2")
    monkeypatch.delenv("PACELINE_STORE", raising=False)
    file = tmp_path / "paceline.toml"
    file.write_text(
        "store='redis://127.0.0.1:1'\nguard=0.01\ncall_timeout=1\n"
        "[scopes.team-a]\nkey_env='TEAM_A_KEY'\nlimits=['5/min', '100 tokens/min']\n",
        "utf-8",
    )
    limiter = kind.from_config(file)
    assert type(limiter) is kind
    assert len(limiter.peek("team-a")) == 2
    with pytest.raises(CostError):
        limiter.try_acquire("team-a", {"toekns": 1})
    with pytest.raises(ConfigError, match="team-b"):
        limiter.acquire("team-b")


def test_the_signatures_are_those_of_the_real_one():
    """
    A stand-in takes every argument that RateLimiter takes.
    """
    options = set(inspect.signature(RateLimiter).parameters)
    for kind in KINDS:
        assert options <= set(inspect.signature(kind).parameters)
