"""What a user of a limited client meets when the store goes, by policy."""

import time

import pytest

from paceline import Key, RateLimiter, StoreUnavailable
from paceline.openai import limit

LIMITS = ["60 requests/min", "60k tokens/min"]
TIMEOUT = 1.0


def chat(model):
    messages = [{"role": "user", "content": "Say hi, please."}]
    return {"model": model, "messages": messages, "max_tokens": 16}


@pytest.fixture
def opened(world, mock, api_key, clean_server):
    """Return a function: a client that has called twice, then lost its store."""
    limiters = []

    def open_(policy, limits=LIMITS):
        limiter = RateLimiter(clean_server.url, limits=limits, on_outage=policy)
        limiters.append(limiter)
        client = limit(world.open(mock.base_url, api_key), limiter, timeout=TIMEOUT)
        for _ in range(2):
            world.call(client.chat.completions.create, **chat("m"))
        clean_server.kill()
        return client

    yield open_
    if clean_server.process.poll() is not None:
        clean_server.start()
    for limiter in limiters:
        limiter.close()


def sent(mock, model="m"):
    return sum(entry["model"] == model for entry in mock.log())


def test_calls_go_on_with_the_share_of_this_process(world, opened):
    """
    By default the caller sees answers only, each in the turn that the share gives it.
    """
    client = opened("local", ["4 per 500ms", "60k tokens per 500ms"])
    for _ in range(3):
        assert world.call(client.chat.completions.create, **chat("m")).choices


def test_calls_that_go_without_limits_are_charged_afterwards(
    world, api_key, clean_server, opened
):
    """
    No other process is told that nothing was used.
    """
    client = opened("allow")
    for _ in range(2):
        assert world.call(client.chat.completions.create, **chat("m")).choices
    clean_server.start()
    key, end = Key(api_key, "m"), time.monotonic() + 20
    with RateLimiter(clean_server.url, limits=LIMITS) as other:
        while other.peek(key)[0].remaining > 58:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("policy", ["raise", "wait"])
def test_calls_that_may_not_go_on_are_told_in_time_and_sent_nowhere(
    world, mock, opened, policy
):
    """
    The store's error, as it is: the SDK neither wraps it nor tries again.
    """
    client = opened(policy)
    before, start = sent(mock), time.monotonic()
    with pytest.raises(StoreUnavailable):
        world.call(client.chat.completions.create, **chat("m"))
    took = time.monotonic() - start
    assert sent(mock) == before
    assert took < TIMEOUT + 2.0  # and not three attempts of it
    assert policy == "raise" or took > TIMEOUT * 0.9
