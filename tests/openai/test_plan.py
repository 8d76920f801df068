"""The plan of a call, step by step. Nothing is sent, nobody sleeps."""

import uuid
from types import SimpleNamespace

import openai
import pytest

from paceline import Key, RateLimiter, StoreUnavailable
from paceline.openai._call import call
from paceline.openai._effects import Close, Enter, Now, Post, Send, Sleep, Verb
from paceline.openai._limit import limit

PERMIT = SimpleNamespace(waited=0.0, policy=SimpleNamespace(limits=(), leases=False))
NOTHING = {"requests": 0, "tokens": 0}


class Driver:
    """Answers a plan's effects, and keeps those that matter."""

    def __init__(self, site, request):
        self.now, self.effects = 100.0, []
        self.plan = call(site, request, {})
        self.effect = next(self.plan)
        self.settle_in()

    def settle_in(self):
        while isinstance(self.effect, Now):
            self.effect = self.plan.send(self.now)
        self.effects.append(self.effect)

    def answer(self, value):
        self.effect = self.plan.send(value)
        self.settle_in()
        return self.effect

    def fail(self, error):
        self.effect = self.plan.throw(error)
        self.settle_in()
        return self.effect


@pytest.fixture
def world_of(api_key):
    """Return the site, the account and a request of a limited client."""
    limits = ["600 requests/min", "60k tokens/min"]
    with (
        RateLimiter(f"memory://{uuid.uuid4().hex}", limits=limits) as limiter,
        openai.OpenAI(api_key=api_key) as client,
    ):
        limit(client, limiter)
        site = client._client.send.site
        body = {"model": "m", "messages": [], "max_tokens": 50}
        headers = {"authorization": f"Bearer {api_key}"}
        url = "http://127.0.0.1/v1/chat/completions"
        request = client._client.build_request("POST", url, json=body, headers=headers)
        account = site.accounts.get(limiter, Key(api_key, "m"))
        account.meet_later(float("inf"))  # what others know was just heard
        yield site, account, request


def test_a_call_waits_sends_and_posts(world_of):
    """
    In this order, and nothing is asked of the store in between.
    """
    site, _, request = world_of
    driver = Driver(site, request)
    assert isinstance(driver.effect, Enter)
    assert driver.answer(PERMIT) == Send(request, {})
    library = type(request).__module__.split(".")[0]
    response = __import__(library).Response(200, request=request, json={})
    assert driver.answer(response) == Post(PERMIT, {})
    with pytest.raises(StopIteration) as end:
        driver.answer(None)
    assert end.value.value is response


def test_who_was_let_go_during_a_refusal_queues_behind_it(world_of):
    """
    The permit goes back, the cool-down is waited for, and then calls go one by one.
    """
    site, account, request = world_of
    first, second = Driver(site, request), Driver(site, request)
    account.pace.refused(100.0, seconds=3.0, refill=0.5)
    for driver, pause in ((first, 3.0), (second, 3.5)):
        assert driver.answer(PERMIT) == Post(PERMIT, NOTHING)
        assert driver.answer(None) == Sleep(pause)
        driver.now += pause
        assert isinstance(driver.answer(None), Enter)
        assert driver.answer(PERMIT) == Send(request, {})


@pytest.mark.parametrize(
    ("name", "cost"),
    [("ConnectError", NOTHING), ("ReadTimeout", {}), ("ReadError", {})],
)
def test_only_what_never_left_is_given_back(world_of, name, cost):
    """
    A request whose answer was lost may have been charged.
    """
    site, _, request = world_of
    driver = Driver(site, request)
    driver.answer(PERMIT)
    library = __import__(type(request).__module__.split(".")[0])
    error = getattr(library, name)("gone", request=request)
    assert driver.fail(error) == Post(PERMIT, cost)
    with pytest.raises(type(error)):
        driver.answer(None)


def test_a_posting_that_fails_costs_nobody_his_answer(world_of, caplog):
    """
    It is logged, and the estimate stays.
    """
    site, _, request = world_of
    driver = Driver(site, request)
    driver.answer(PERMIT)
    library = __import__(type(request).__module__.split(".")[0])
    response = library.Response(200, request=request, json={})
    driver.answer(response)
    with pytest.raises(StopIteration) as end:
        driver.fail(StoreUnavailable("away"))
    assert end.value.value is response
    assert "not posted" in caplog.text


def test_who_is_interrupted_while_comparing_accounts_holds_nothing(world_of):
    """
    The permit is posted and the answer's connection is free.
    """
    site, _, request = world_of
    driver = Driver(site, request)
    driver.answer(PERMIT)
    library = __import__(type(request).__module__.split(".")[0])
    headers = {"x-ratelimit-limit-tokens": "60000", "x-ratelimit-remaining-tokens": "5"}
    response = library.Response(200, request=request, headers=headers, json={})
    effect = driver.answer(response)
    assert isinstance(effect, Verb)
    assert effect.name == "peek"
    assert driver.fail(KeyboardInterrupt()) == Post(PERMIT, {})
    assert driver.answer(None) == Close(response)
    with pytest.raises(KeyboardInterrupt):
        driver.answer(None)
