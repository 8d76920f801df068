"""Limits that nobody configured: the first answers tell them, to all processes."""

import asyncio
import time
import uuid

import openai
import pytest

from paceline import ConfigError, CostError, MisuseError, RateLimiter, SlidingWindow
from paceline._concurrency import LEARNING
from paceline._format import format_limit
from paceline._parse import parse_limit
from paceline._provider.feedback import Reading
from paceline.mock import serve
from paceline.openai import limit, observe
from paceline.openai._learn import Limits
from rig import run_processes, servers

ASK = [{"role": "user", "content": "a text"}]
RATE = 60
ONE_SERVER = pytest.mark.parametrize(
    "server", servers()[:1], ids=lambda each: each[0], indirect=True
)


@pytest.fixture
def fleet(clean_server, world, mock, api_key):
    """Return a function that makes the client of one more process."""
    limiters = []

    def join(provider=mock, **options):
        limiters.append(RateLimiter(clean_server.url, limits="learnt"))
        client = world.open(provider.base_url, api_key, max_retries=0)
        return limit(client, limiters[-1], **options)

    yield join
    for limiter in limiters:
        world.call(limiter.aclose if world.is_async else limiter.close)


def ask(world, client, model, **more):
    return world.chat(client, model, ASK, **more)


def limits(client):
    site = client._client.send.site
    (account,) = site.accounts.all()
    return site.limiter.limits(account.key)


def test_two_answers_teach_all_processes_what_nobody_configured(world, fleet, model):
    """
    Until then calls go one at a time; a process that comes later starts with it.
    """
    first, second = fleet(), fleet()
    ask(world, first, model)
    assert limits(first) == (LEARNING,)
    ask(world, first, model)
    learnt = (
        SlidingWindow(600, 60.0),
        SlidingWindow(60_000, 60.0, unit="tokens"),
    )
    assert limits(first) == learnt
    assert [each.configured for each in limits(first)] == [0, 0]
    ask(world, second, model)
    assert limits(second) == learnt


def test_a_stream_lets_the_others_go_when_its_headers_have_told(world, fleet, model):
    """
    Not when it ends.
    """
    client = fleet(timeout=1.0)
    ask(world, client, model)
    stream = ask(world, client, model, stream=True)
    assert ask(world, client, model).usage
    world.each(stream)


def test_learnt_limits_go_down_at_once_and_up_without_a_bound(
    world, clean_server, model
):
    """
    There is nothing configured that they must not exceed.
    """
    with RateLimiter(clean_server.url, limits="learnt") as limiter:
        key = f"scope-{model}"

        def answer(units):
            headers = {
                "x-ratelimit-limit-requests": str(units),
                "x-ratelimit-remaining-requests": str(units - 1),
                "x-ratelimit-reset-requests": f"{60 / units}s",
            }
            observe(limiter, key, headers)
            (known,) = limiter.limits(key)
            return known.limit

        assert [answer(100), answer(100)] == [1, 100]
        assert answer(60) == 60
        assert [answer(500) for _ in range(10)] == [60] * 9 + [500]


def process(url, base_url, key, seconds):
    """Return when answers came, and what was refused."""

    async def main():
        answered, refused = [], []
        until = time.monotonic() + seconds
        async with RateLimiter(url, limits="learnt") as limiter:
            client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
            limit(client, limiter, timeout=until - time.monotonic())

            async def calls():
                while time.monotonic() < until:
                    try:
                        await client.chat.completions.create(
                            model="m", messages=ASK, max_tokens=5
                        )
                    except openai.RateLimitError as error:
                        refused.append(type(error).__name__)
                        return
                    answered.append(time.monotonic())

            await asyncio.gather(*(calls() for _ in range(6)))
            await client.close()
        return answered, refused

    return asyncio.run(main())


def fleet_of_two(server, seconds):
    """Return what the provider saw of two processes, and when answers came."""
    with serve(limits=[f"{RATE} requests/min"], latency=0.01, jitter=0) as provider:
        job = (server.url, provider.base_url, f"sk-{uuid.uuid4().hex}", seconds)
        parts = run_processes(process, [job, job], timeout=60 + 2 * seconds)
        assert {each for part in parts for each in part[1]} <= {"LimitExceeded"}
        (account,) = provider.stats()["accounts"]
        assert account["answers_429"] == 0
        moments = sorted(each for part in parts for each in part[0])
        return account, moments


@ONE_SERVER
def test_two_processes_without_limits_meet_no_429_and_use_the_quota(clean_server):
    """
    Nine tenths of what the provider grants: a minute's calls, and the refill since.
    """
    account, _ = fleet_of_two(clean_server, 4.0)
    spent = account["last_admission"] - account["first_admission"]
    assert account["succeeded"] >= 0.9 * RATE * (1 + spent / 60)


@pytest.mark.soak
@ONE_SERVER
def test_two_processes_without_limits_use_the_quota_for_minutes(clean_server):
    """
    Nine tenths of the refill, too.
    """
    # What is begun after the second minute's calls ends with a part of the third's.
    _, moments = fleet_of_two(clean_server, 65.0)
    counted = [each for each in moments if each < moments[0] + 90.0]
    used = (len(counted) - RATE) / (RATE * (counted[-1] - counted[0]) / 60)
    print(f"{len(counted)} answers, {used:.3f} of the refill used")
    assert used >= 0.9


def test_windows_are_learnt_when_two_answers_agree():
    """
    One that four do not tell is a minute; whoever contradicts begins anew.
    """
    limits, day = Limits(), 86_400.0

    def told(*readings):
        return limits.first([Reading(*each[:2], per=each[2]) for each in readings])

    assert told(("requests", 9, day), ("tokens", 90, None)) == {}
    assert told(("requests", 9, day), ("tokens", 90, None)) == {}
    assert told(("requests", 9, None), ("tokens", 90, None)) == {}
    assert told(("requests", 9, day), ("tokens", 90, None)) == {
        ("requests", day): 9,
        ("tokens", 60.0): 90,
    }
    assert told(("requests", 8, day)) == {}
    assert told(("requests", 8, 60.0)) == {}
    assert told(("requests", 8, 60.0)) == {("requests", 60.0): 8}
    assert told() == {}


def test_answers_without_limits_leave_calls_one_at_a_time_and_say_so(
    clean_server, caplog
):
    """
    Once.
    """
    with RateLimiter(clean_server.url, limits="learnt") as limiter:
        for _ in range(9):
            observe(limiter, "a", {})
        assert limiter.limits("a") == (LEARNING,)
        texts = [each.getMessage() for each in caplog.records]
        assert sum("one at a time" in text for text in texts) == 1


def test_learnt_limits_are_told_by_hand_too(clean_server):
    """
    By the names that they will have; they count whatever is given until then.
    """
    with RateLimiter(
        clean_server.url, limits={"*": "learnt", "m": ["9/min"]}
    ) as limiter:
        limiter.acquire("a", {"tokens": 5, "anything": 1}).settle({"tokens": 3})
        with pytest.raises(MisuseError):
            limiter.try_acquire("a")
        with pytest.raises(ConfigError) as refused:
            limiter.correct("a", "first calls", 5)
        assert refused.value.code == "P114"
        limiter.correct("a", "tokens/min", 90)
        limiter.correct("a", "requests/min", 2)
        with pytest.raises(CostError):
            limiter.try_acquire("a")
        assert [
            bool(limiter.try_acquire("a", {"tokens": 1, "x": 1})) for _ in range(3)
        ] == [True, True, False]
        limiter.correct("a", "tokens/min", None)
        assert [each.name for each in limiter.limits("a")] == ["requests/min"]


def test_learnt_is_written_as_a_limit():
    """
    In lists, mappings and files; it stands beside others.
    """
    assert parse_limit(" learnt ") == LEARNING
    assert format_limit(parse_limit("learnt")) == "learnt"
    with RateLimiter("memory://a", limits=["learnt", "9 tokens/day"]) as limiter:
        limiter.correct("a", "requests/min", 5)
        assert [each.name for each in limiter.limits("a")] == [
            "requests/min",
            "tokens/day",
        ]


def test_a_file_may_leave_limits_to_be_learnt(tmp_path):
    """
    Those of a model, not those over all models.
    """
    file = tmp_path / "paceline.toml"
    file.write_text('store = "memory://a"\n[limits]\n"*" = "learnt"\nm = "9/min"\n')
    with RateLimiter.from_config(file) as limiter:
        assert limiter.limits("a") == (LEARNING,)
    file.write_text('store = "memory://a"\nlimits = "9/min"\nshared = "learnt"\n')
    with pytest.raises(ConfigError, match="cannot be"):
        RateLimiter.from_config(file)
