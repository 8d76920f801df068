"""What one process finds out of a provider's account, the others know."""

import asyncio
import logging
import time
import uuid

import openai
import pytest

from paceline import RateLimiter, RateLimitExceeded, StoreError, _facts, _wire
from paceline._policy import Policy
from paceline._script import load
from paceline.mock import serve
from paceline.openai import QuotaExhausted, _account, _epoch, learnt, limit
from paceline.openai._pace import Pace
from paceline.ops.accounts import Reader
from paceline.testing import (
    Clock,
    ClockedLimiter,
    InstantLimiter,
    RecordingLimiter,
    RefusingLimiter,
)
from scripts import SECOND, T0, Account

ASK = [{"role": "user", "content": "a text that has a few more words in it " * 9}]
LIMITS = ["600 requests/min", "60k tokens/min"]


@pytest.fixture
def fleet(clean_server, world, mock, api_key):
    """Return a function that makes the client of one more process."""
    limiters = []

    def join(provider=mock, limits=LIMITS, **options):
        limiters.append(RateLimiter(clean_server.url, limits=limits))
        client = world.open(provider.base_url, api_key, max_retries=0)
        return limit(client, limiters[-1], **options)

    yield join
    for limiter in limiters:
        world.call(limiter.aclose if world.is_async else limiter.close)


@pytest.fixture
def board(clean_server):
    """Return a function that tells facts at a moment, and returns what is kept."""
    account = Account(clean_server.client(), ["9/min"], model="m")

    def tell(*facts, at=0.0, model="m"):
        clock = _wire.Clock(7, T0, T0 + round(at * SECOND))
        policy = Policy(model, account.policy.own) if model != "m" else None
        policy = policy or account.policy
        call = _facts.encode_note(account.scope, policy, facts, clock)
        reply = account.client.eval(load("note").source, 1, call.key, *call.args)
        return dict(_facts.decode_note(reply))

    tell.account = account
    return tell


def ask(world, client, model, **more):
    return world.chat(client, model, ASK, **more)


def test_a_fact_holds_until_its_end_and_a_new_value_takes_its_place(board):
    """
    Read at 9.999999 s it is there, at 10 s it is not; 0 seconds withdraw one.
    """
    board(_facts.Fact("ratio", "1.5", 5.0))
    board(_facts.Fact("ratio", "2.5", 10.0), _facts.Fact("slow", "1", 20.0))
    assert board(at=9.999999)["ratio"] == ("2.5", pytest.approx(1e-6))
    assert board(at=10.0) == {"slow": ("1", 10.0)}
    assert board(_facts.Fact("slow", "", 0.0), at=11.0) == {}
    assert board(at=11.0) == {}


def test_a_fact_that_yields_takes_nobodys_place(board):
    """
    The first of its name stays, for as long as it holds; then the next is the first.
    """
    board(_facts.Fact("epoch:1", "mine", 5.0, yields=True))
    late = _facts.Fact("epoch:1", "yours", 9.0, yields=True)
    assert board(late, at=1.0) == {"epoch:1": ("mine", 4.0)}
    assert board(late, at=5.0) == {"epoch:1": ("yours", 9.0)}
    assert board(_facts.Fact("epoch:1", "hers", 9.0), at=6.0)["epoch:1"][0] == "hers"


def test_a_fact_is_of_one_model_or_of_the_scope(board):
    """
    Other models hear what holds everywhere, and nothing else.
    """
    board(
        _facts.Fact("ratio", "1.5", 5.0),
        _facts.Fact("pause", "é", 5.0, everywhere=True),
    )
    assert board(model="other") == {"pause": ("é", 5.0)}
    assert board() == {"pause": ("é", 5.0), "ratio": ("1.5", 5.0)}


def test_facts_are_read_without_a_script_as_with_it(board):
    """
    Those that hold, until their end, whatever their bytes; half a field is an error.
    """
    board(_facts.Fact("ratio", "1.5", 5.0), _facts.Fact("pause", "é", 9.0))
    field = board.account.client.hget(board.account.key, "f:m")
    for at in (0.0, 4.999999, 5.0, 8.999999, 9.0):
        known = {name: kept.value for name, kept in board(at=at).items()}
        assert _facts.read_facts(field, T0 + round(at * SECOND)) == known
    text = field if isinstance(field, str) else field.decode()
    assert _facts.read_facts(text, T0) == {"ratio": "1.5", "pause": "é"}
    with pytest.raises(ValueError, match="too soon"):
        _facts.read_facts(text[:-1], T0)


def test_facts_touch_no_limit_and_keep_the_hash_as_long_as_they_hold(board):
    """
    The accounts stay as they are; the hash expires later than both.
    """
    account = board.account
    account.acquire(4)
    before = account.peek()
    board(_facts.Fact("ratio", "1.5", 3600.0))
    assert account.peek() == before
    assert account.client.pttl(account.key) >= 3_600_000
    account.acquire(1)
    assert account.client.pttl(account.key) >= 3_599_000
    assert board()["ratio"].value == "1.5"


def test_looking_writes_nothing(board):
    """
    Who only reads leaves no key behind.
    """
    assert board() == {}
    assert not board.account.client.exists(board.account.key)


def test_old_facts_are_purged_from_a_hash_that_is_in_use(board):
    """
    Models that nobody calls any more leave nothing when their facts have ended.
    """
    account = board.account
    board(_facts.Fact("ratio", "1.5", 1.0), model="gone")
    board(_facts.Fact("ratio", "1.5", 3600.0))
    account.now = T0 + 2 * SECOND
    for _ in range(64):
        account.acquire(0)
        account.cool_down(0.001)
        account.now += SECOND
    assert "f:gone" not in account.state()
    assert "f:m" in account.state()


def test_a_reply_of_something_else_is_one_clear_error():
    """
    P209, as of every other script.
    """
    for reply in (None, 7, [1, 2, 1], [1, 2, "x"], [1, 2, 1, b"a", b"b", b"c"]):
        with pytest.raises(_facts.StoreError) as raised:
            _facts.decode_note(reply)
        assert raised.value.code == "P209"
    for reply in (None, 7, [1, 2], [1, 2, "x"], [1, 2, 3, "x"], [1, 2, 3, 1, b"a"]):
        with pytest.raises(_facts.StoreError) as raised:
            _facts.decode_clients(reply)
        assert raised.value.code == "P209"
    assert _facts.decode_clients([1, 2, 3, 0, 1, b"a", b"b", 10**6]) == (
        3,
        {"a": ("b", 1.0)},
    )


def test_a_new_process_starts_with_what_the_others_learnt(world, fleet, model):
    """
    The ratio of tokens to bytes, and that unused tokens come back: at its first call.
    """
    first, second = fleet(), fleet()
    ask(world, first, model)
    account = first._client.send.site.accounts.all()[0]
    account.refunds.shown = True
    account.told, account._meets = {}, 0.0
    ask(world, first, model)
    ask(world, second, model)
    (ours,), (theirs,) = learnt(first), learnt(second)
    told = account.told["ratio"].value
    assert ours.ratio != 1.0
    assert theirs.gives_back
    heard = second._client.send.site.accounts.all()[0].told
    assert heard["ratio"].value == told


def test_only_what_is_sure_to_be_charged_is_summed_up(world, fleet, model):
    """
    What is cut short by max_tokens, far above the prompt, and was answered: no
    estimate, no error; and nothing where the user says what comes back.
    """
    client = fleet()
    ask(world, client, model, max_tokens=400)
    (account,) = client._client.send.site.accounts.all()
    assert account.epochs._epoch.spent == 400
    ask(world, client, model, max_tokens=3)
    ask(world, client, model, max_tokens=None)
    header = {"x-mock-error": "server_error"}
    with pytest.raises(openai.InternalServerError):
        ask(world, client, model, max_tokens=400, extra_headers=header)
    world.call(client.embeddings.create, model=model, input="some words")
    assert account.epochs._epoch.spent == 400
    ask(world, client, model, max_tokens=400)
    assert account.epochs._epoch.spent == 800
    for refund in ("always", "never"):
        client = fleet(refund=refund)
        ask(world, client, f"{model}-{refund}", max_tokens=400)
        (account,) = client._client.send.site.accounts.all()
        assert account.epochs._epoch is None
        assert not [each for each in account.told if ":" in each]


def test_clients_whose_calls_overlap_find_out_that_tokens_come_back(
    api_key, model, monkeypatch
):
    """
    Two with ten calls at a time each; they look and believe sooner here than else.
    """
    monkeypatch.setattr(_account, "_MEET", 0.1)
    monkeypatch.setattr(_epoch, "_LAG", 0.1)
    limits, store = ["240k tokens/min"], f"memory://{uuid.uuid4().hex}"
    end = time.monotonic() + 30.0

    async def calls(base_url):
        limiters = [RateLimiter(store, limits=limits) for _ in range(2)]
        clients = [
            limit(openai.AsyncOpenAI(base_url=base_url, api_key=api_key), each)
            for each in limiters
        ]

        async def work(client):
            while time.monotonic() < end:
                await client.chat.completions.create(
                    model=model, messages=ASK, max_tokens=1_000
                )
                if all(each.gives_back for each in learnt(client)):
                    return True
            return False

        found = await asyncio.gather(*(work(each) for each in clients * 10))
        for client, limiter in zip(clients, limiters, strict=True):
            await client.close()
            await limiter.aclose()
        return found

    options = {"latency": 0.1, "charge": "actual", "seed": 1}
    with serve(limits=limits, completion_tokens=100, **options) as mock:
        assert all(asyncio.run(calls(mock.base_url)))
        assert mock.stats()["accounts"][0]["answers_429"] == 0


def test_an_unpaid_bill_stops_the_calls_of_all_processes(
    world, mock, fleet, model, caplog
):
    """
    Of all models of the scope; nothing of the provider's text is in the store.
    """
    first, second = fleet(), fleet()
    header = {"x-mock-error": "insufficient_quota"}
    with pytest.raises(QuotaExhausted) as told:
        ask(world, first, model, extra_headers=header)
    with pytest.raises(QuotaExhausted) as heard:
        ask(world, second, f"{model}-mini")
    assert heard.value.code == told.value.code
    accounts = [each["model"] for each in mock.stats()["accounts"]]
    assert f"{model}-mini" not in accounts


def test_slow_down_slows_all_processes_and_wears_off(world, fleet, model):
    """
    A process that was told nothing goes at half of its rate after its next look.
    """
    first, second = fleet(), fleet()
    with pytest.raises(openai.RateLimitError):
        ask(world, first, model, extra_headers={"x-mock-error": "slow_down_429"})
    ask(world, second, model)
    (share,) = (account.share for account in learnt(second))
    assert 0.4 < share < 0.7


def test_following_never_speeds_up():
    """
    Whoever is slower already stays so; who follows recovers with the others.
    """
    pace = Pace()
    for at in range(10):
        pace.started(float(at))
    pace.slow_down(10.0)
    pace.slow_down(12.0)
    slow = pace.share(12.0)
    pace.follow(12.0, 15.0)
    assert pace.share(12.0) == slow
    other = Pace()
    other.follow(12.0, pace.recovery(12.0))
    assert other.share(20.0) == pytest.approx(pace.share(20.0))
    assert other.share(100.0) == 1.0
    assert other.recovery(100.0) == 0.0


def test_a_store_that_does_not_answer_is_left_alone(
    world, mock, api_key, model, caplog
):
    """
    Facts are no reason to fail: the next look is half a minute later.
    """
    name = f"memory://{uuid.uuid4().hex}"
    with RateLimiter(name, limits=LIMITS) as limiter:
        client = limit(world.open(mock.base_url, api_key, max_retries=0), limiter)
        site = client._client.send.site
        looks = []

        class Engine:
            def __getattr__(self, attribute):
                return getattr(engine, attribute)

            def run(self, plan):
                if getattr(plan, "__name__", "") == "_exchange":
                    looks.append(plan)
                    raise _facts.StoreError("gone", code="P209")
                return engine.run(plan)

            async def run_async(self, plan):
                if getattr(plan, "__name__", "") == "_exchange":
                    looks.append(plan)
                    raise _facts.StoreError("gone", code="P209")
                return await engine.run_async(plan)

        engine, limiter._engine = limiter._engine, Engine()
        with caplog.at_level(logging.DEBUG, logger="paceline"):
            ask(world, client, model)
            ask(world, client, model)
        limiter._engine = engine
        (account,) = site.accounts.all()
        assert len(looks) == 1
        assert not account.may_meet(account._meets - 1.0)
        assert "facts were not shared" in caplog.text


@pytest.mark.parametrize(
    ("stand_in", "answered"),
    [
        (InstantLimiter(limits=LIMITS), True),
        (RecordingLimiter(InstantLimiter(limits=LIMITS)), True),
        (RefusingLimiter(limits=LIMITS), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_stand_in_without_a_store_does_for_the_adapter(
    world, mock, api_key, stand_in, answered
):
    """
    Our users' tests wrap their clients too: there is nobody to share anything with.
    """
    client = world.open(mock.base_url, api_key, max_retries=0)
    limit(client, stand_in, scope="a", timeout=0.1)
    try:
        assert ask(world, client, "gpt-4o").usage.total_tokens
    except openai.RateLimitError:
        assert not answered
    else:
        assert answered


@pytest.fixture
def elsewhere():
    """Start a provider that allows less than is configured, and return its place."""
    with serve(limits=["30 requests/min"], latency=0.001, jitter=0, seed=1) as running:
        yield running


def figures(client):
    limiter = client._client.send.site.limiter
    (account,) = client._client.send.site.accounts.all()
    return {each.name: each.capacity for each in limiter.limits(account.key)}


def test_a_lower_limit_of_the_provider_is_obeyed_by_all_processes(
    world, fleet, elsewhere, model, caplog
):
    """
    From the first answer on in the process that had it, and at the first call of
    others: together they make no call more than the provider allows.
    """
    first, second = (fleet(elsewhere, ["60/min"], timeout=0) for _ in range(2))
    ask(world, first, model)
    assert figures(first) == {"requests/min": 30}
    ask(world, second, model)
    assert figures(second) == {"requests/min": 30}
    answered = 2
    with pytest.raises(openai.RateLimitError) as refused:
        for _ in range(60):
            ask(world, (first, second)[answered % 2], model)
            answered += 1
    assert "paceline" in type(refused.value).__module__
    assert answered == 30
    (account,) = elsewhere.stats()["accounts"]
    assert (account["succeeded"], account["answers_429"]) == (30, 0)
    assert "disagree" not in caplog.text


def test_a_limit_is_never_raised_above_what_was_configured(world, fleet, model):
    """
    Who gave a part of a quota to a scope meant it; a correction is taken back when the
    provider says so ten times.
    """
    client = fleet()
    ask(world, client, model)
    site = client._client.send.site
    (account,) = site.accounts.all()
    before = figures(client)
    world.call(
        site.limiter.correct_async if world.is_async else site.limiter.correct,
        account.key,
        "requests/min",
        300,
    )
    seen = []
    for _ in range(11):
        ask(world, client, model)
        seen.append(figures(client)["requests/min"])
    assert seen[:9] == [300] * 9
    assert figures(client) == before


def test_a_refusal_of_one_process_slows_down_a_call_of_another_that_waits(
    world, fleet, model
):
    """
    It hears of the cool-down while it waits, asks what that means, and queues anew.
    """
    first, second = fleet(), fleet()
    ask(world, second, model)
    refused = {"x-mock-error": "rate_limit_requests wait=0.2s"}
    with pytest.raises(openai.RateLimitError):
        ask(world, first, model, extra_headers=refused)
    (account,) = second._client.send.site.accounts.all()
    assert account.gait.share == 1.0
    before = account.pace.alarms
    ask(world, second, model)
    assert account.gait.share == 0.5
    assert account.pace.alarms == before + 1


def test_the_calls_of_all_processes_go_one_by_one():
    """
    A quarter of a second's at once, then each as long after the last as it was told;
    a turn that comes too late is refused, and no limit is charged.
    """
    clock, store = Clock(), f"memory://{uuid.uuid4().hex}"
    first, second = (
        ClockedLimiter(store, limits=LIMITS, clock=clock) for _ in range(2)
    )
    for _ in range(10):
        first.space("a", 0.1, None)
        second.space("a", 0.1, 5.0)
    assert clock.elapsed == pytest.approx(20 * 0.1 - 0.25, abs=0.01)
    with pytest.raises(RateLimitExceeded):
        second.space("a", 0.1, 0.0)
    # One that is longer than four seconds is four seconds long.
    first.space("b", 60.0, None)
    began = clock.elapsed
    first.space("b", 60.0, None)
    assert clock.elapsed - began == pytest.approx(4.0, abs=0.01)
    assert all(each.remaining == each.capacity for each in first.peek("a"))


def test_calls_of_different_lengths_are_no_disagreement(caplog):
    """
    Short ones and long ones are spaced apart, and nobody is warned.
    """
    store = f"memory://{uuid.uuid4().hex}"
    first, second = (ClockedLimiter(store, limits=LIMITS) for _ in range(2))
    for length in (0.1, 0.9, 0.1, 0.9, 3.0, 0.1):
        first.space("a", length, None)
        second.space("a", length, None)
    assert "disagree" not in caplog.text


def test_status_shows_limits_and_not_how_calls_are_spaced(clean_server):
    """
    That is no account of anybody's.
    """
    with RateLimiter(clean_server.url, limits=LIMITS) as limiter:
        limiter.space("team", 0.001, 5.0)
        limiter.acquire("team", {"tokens": 5})
        reader = Reader(clean_server.url)
        (scope,) = reader.look().scopes
        reader.close()
    assert [each.model for each in scope.accounts] == [None]


def test_a_store_that_is_gone_spaces_nothing(world, mock, api_key, model, caplog):
    """
    The call goes by the pace of its own process.
    """
    with RateLimiter(f"memory://{api_key}", limits=LIMITS) as limiter:
        client = limit(world.open(mock.base_url, api_key), limiter)
        ask(world, client, model)
        (account,) = client._client.send.site.accounts.all()
        account.gait.refused(time.monotonic(), 0.0)
        account.meet_later(time.monotonic() + 60.0)

        def gone(*_):
            raise StoreError("gone", code="P209")

        async def gone_async(*_):
            raise StoreError("gone", code="P209")

        limiter.space, limiter.space_async = gone, gone_async
        with caplog.at_level(logging.DEBUG, logger="paceline"):
            assert ask(world, client, model).usage
    assert "calls are not spaced" in caplog.text
