"""A limiter for LangChain's chat models, with LangChain and with a stand-in for it."""

import abc
import asyncio
import sys
import types
import uuid

import pytest

from paceline import ConfigError, CostError, Key, RateLimiter, RateLimitExceeded
from paceline.langchain import ChatRateLimiter

KEY = Key(scope="team-a", model="gpt-4o")


@pytest.fixture
def limiter():
    """Return a limiter of two calls and a thousand tokens a minute."""
    limits = ["2 requests/min", "1k tokens/min"]
    with RateLimiter(f"memory://{uuid.uuid4().hex}", limits=limits) as made:
        yield made


@pytest.fixture
def base():
    """Return LangChain's class, or one with its two abstract methods."""
    try:
        from langchain_core.rate_limiters import BaseRateLimiter
    except ModuleNotFoundError:

        class BaseRateLimiter(abc.ABC):
            @abc.abstractmethod
            def acquire(self, *, blocking=True): ...

            @abc.abstractmethod
            async def aacquire(self, *, blocking=True): ...

        package = types.ModuleType("langchain_core")
        module = types.ModuleType("langchain_core.rate_limiters")
        module.BaseRateLimiter = BaseRateLimiter
        names = {"langchain_core": package, "langchain_core.rate_limiters": module}
        with pytest.MonkeyPatch.context() as patch:
            for name, each in names.items():
                patch.setitem(sys.modules, name, each)
            yield BaseRateLimiter
    else:
        yield BaseRateLimiter


def test_it_is_what_langchain_looks_for(limiter, base):
    """
    It passes the test on its type, and has every method that is asked for.
    """
    made = ChatRateLimiter(limiter, KEY, cost={"tokens": 400})
    assert isinstance(made, base)
    for name in base.__abstractmethods__:
        assert callable(getattr(made, name))


def test_a_chat_model_waits_for_it(limiter):
    """
    LangChain's own model, which calls nobody, spends a call of the quota.
    """
    models = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    made = ChatRateLimiter(limiter, KEY, cost={"tokens": 400}, timeout=0.1)
    model = models.FakeListChatModel(responses=["yes"], rate_limiter=made)
    assert model.invoke("Is there room?").content == "yes"
    assert asyncio.run(model.ainvoke("And now?")).content == "yes"
    with pytest.raises(RateLimitExceeded):
        model.invoke("And now?")


def test_each_call_has_its_cost(limiter):
    """
    It is charged to the quota that everybody shares, waiting or not.
    """
    made = ChatRateLimiter(limiter, KEY, cost={"tokens": 300})
    assert made.acquire() is True
    assert asyncio.run(made.aacquire(blocking=False)) is True
    assert made.acquire(blocking=False) is False
    tokens = limiter.peek(KEY)[1]
    assert tokens.remaining == 400


def test_past_the_timeout_it_raises(limiter):
    """
    At once; a model that went on would be refused by the provider.
    """
    made = ChatRateLimiter(limiter, KEY, cost={"tokens": 900}, timeout=0.1)
    made.acquire()
    with pytest.raises(RateLimitExceeded):
        made.acquire()
    with pytest.raises(RateLimitExceeded):
        asyncio.run(made.aacquire())


def test_what_makes_no_sense_is_refused(limiter):
    """
    A timeout when it is made, a cost without a counted unit when it is used.
    """
    with pytest.raises(ConfigError, match="P111"):
        ChatRateLimiter(limiter, KEY, timeout=-1)
    with pytest.raises(CostError, match="tokens"):
        ChatRateLimiter(limiter, KEY).acquire()
