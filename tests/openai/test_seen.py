"""The 429s that a fleet meets are counted in the store, and shown to its operator."""

import json
import subprocess
import sys

import openai
import pytest

from paceline import Key, RateLimiter
from paceline.cli import main
from paceline.openai import limit, observe
from paceline.ops.accounts import Reader
from rig_stores import SERVERS

# So high that calls which go one by one after a refusal are not slow.
LIMITS = ["60k requests/min", "6M tokens/min"]
ASK = [{"role": "user", "content": "hi"}]
ORDERS = [
    "rate_limit_requests wait=1ms",
    "rate_limit_tokens wait=20ms headers=none",
    "slow_down_429",
    "resource_unavailable",
    "server_overloaded wait=1ms",  # 503
    "insufficient_quota",
]
# What waiting cures, and a limit or a lack of room is the reason for.
COUNTED = {"rate_limit_exceeded", "slow_down", "resource_unavailable"}

# What takes long is to import: once, and then three processes.
FLEET = """
import asyncio, os, sys
import httpx
from paceline import RateLimiter
from paceline.openai import limit_http

store, url, key, model, *orders = sys.argv[1:]
ask = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}

async def main():
    limiter = RateLimiter(store, limits=["60k requests/min", "6M tokens/min"])
    headers = {"authorization": f"Bearer {key}", "x-mock-service-time": "0.1"}
    async with limiter, httpx.AsyncClient(
        base_url=url, headers=headers, verify=False
    ) as client:
        limit_http(client, limiter)

        async def call(order):
            headers = {"x-mock-error": order}
            answer = await client.post("chat/completions", json=ask, headers=headers)
            assert answer.status_code == 429, answer.text

        await asyncio.gather(*map(call, orders))
        await call(orders[0])

children = []
for _ in range(3):
    child = os.fork()
    if not child:
        asyncio.run(main())
        os._exit(0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert not any(codes), codes
"""


@pytest.fixture
def refusals(clean_server):
    """Return a function: what the operator's reader shows of a model's 429s."""

    def of(model):
        reader = Reader(clean_server.url)
        try:
            (account,) = [
                account
                for scope in reader.look().scopes
                for account in scope.accounts
                if account.model == model
            ]
        finally:
            reader.close()
        return account.refusals

    return of


def answered_429(mock, model):
    """Return how many 429s the server gave that a limit was the reason for."""
    return sum(
        entry["status"] == 429 for entry in mock.log() if entry["model"] == model
    )


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_a_fleets_429s_are_counted_to_the_last_one(
    clean_server, mock, api_key, model, refusals, capsys
):
    """
    Three processes that meet several at once, and one more after the cool-down.
    """
    orders = ORDERS[:2] * 2
    where = [clean_server.url, mock.base_url, api_key, model]
    done = subprocess.run(
        [sys.executable, "-c", FLEET, *where, *orders],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    met = answered_429(mock, model)
    assert met == 3 * (len(orders) + 1)
    assert refusals(model).count == met
    with clean_server.client() as client:
        (key,) = client.scan_iter("paceline:1:*")
        assert client.pttl(key) > 86_390_000
    assert main(["status", "--store", clean_server.url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (seen,) = [a["refusals"] for s in told["scopes"] for a in s["accounts"]]
    assert seen["count"] == met
    assert 0 <= seen["last"] <= seen["since"] < 60
    assert main(["status", "--store", clean_server.url]) == 0
    assert f"  {met}, " in capsys.readouterr().out


@pytest.mark.parametrize("order", ORDERS)
def test_a_429_counts_if_waiting_cures_it(
    world, clean_server, mock, api_key, model, refusals, order
):
    """
    An overload told with 503 is a cool-down and no 429; an unpaid bill is no limit.
    """
    with RateLimiter(clean_server.url, limits=LIMITS) as limiter:
        client = world.open(mock.base_url, api_key, max_retries=0)
        limit(client, limiter)
        with pytest.raises(openai.APIStatusError) as caught:
            world.call(
                client.chat.completions.create,
                model=model,
                messages=ASK,
                max_tokens=9,
                extra_headers={"x-mock-error": order},
            )
        counts = caught.value.status_code == 429 and caught.value.code in COUNTED
        assert refusals(model).count == counts
        if world.is_async:
            world.call(limiter.aclose)


def test_a_429_that_came_through_any_other_client_counts_if_it_is_observed(
    clean_server, model, refusals
):
    """
    With the status that was told: a 503 is none.
    """
    with RateLimiter(clean_server.url, limits=LIMITS) as limiter:
        for status in (429, 503, 429, 200):
            observe(limiter, Key(scope="a", model=model), {}, status)
        assert refusals(model).count == 2
