"""The pretend server over real sockets, with the clock in our hand."""

import asyncio
import io

import pytest
from aiohttp.test_utils import TestClient, TestServer

from paceline.mock.quota import SECOND_NS, Quota
from paceline.mock.server import PretendOpenAI
from paceline.mock.settings import Settings
from rig_mock import MINUTE, TPM, Mock, run, until

RPM = Quota("requests", 2, MINUTE, 2)


def test_an_answer_looks_like_openais():
    """
    A chat completion with usage, and the headers of every limit.
    """
    status, headers, body = run(lambda m: m.post(max_tokens=100), RPM, TPM)
    assert status == 200
    assert {k: v for k, v in headers.items() if k.startswith("x-ratelimit")} == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "30s",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "29900",
        "x-ratelimit-reset-tokens": "200ms",
    }
    assert headers["openai-organization"] == "org-mock"
    assert "retry-after" not in headers
    assert (body["object"], body["model"]) == ("chat.completion", "gpt-4o")
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 16,
        "total_tokens": 17,
    }


def test_an_answer_is_no_longer_than_allowed():
    """
    max_tokens cuts what --completion-tokens would claim, and the answer says so.
    """
    scenario = lambda m: m.post(max_tokens=5)  # noqa: E731 -- a line of its own
    _, _, body = run(scenario, RPM, completion_tokens=50)
    assert body["usage"]["completion_tokens"] == 5
    assert body["choices"][0]["finish_reason"] == "length"


def test_a_refusal_looks_like_openais_and_its_wait_is_exact():
    """
    A 429 with the text, the type and the time; refused 1 ns before, admitted then.
    """

    async def scenario(server):
        await server.post()
        await server.post()
        server.clock[0] += SECOND_NS + 1
        status, headers, body = await server.post()
        assert status == 429
        assert headers["retry-after"] == "29"
        assert headers["retry-after-ms"] == "29000"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert body["error"]["type"] == "requests"
        assert body["error"]["code"] == "rate_limit_exceeded"
        assert body["error"]["message"].startswith(
            "Rate limit reached for gpt-4o in organization org-mock on requests per "
            "min (RPM): Limit 2, Used 2, Requested 1. Please try again in 29s."
        )
        server.clock[0] += 29 * SECOND_NS - 2
        early, _, _ = await server.post()
        server.clock[0] += 1
        due, _, _ = await server.post()
        assert (early, due) == (429, 200)

    run(scenario, RPM)


def test_what_can_never_fit_has_no_time_to_come_back():
    """
    Tokens above the limit: a 429 that says so, without retry-after.
    """
    status, headers, body = run(lambda m: m.post(max_tokens=30_001), RPM, TPM)
    assert status == 429
    assert body["error"]["message"].startswith("Request too large for gpt-4o")
    assert "retry-after" not in headers


def test_each_key_and_model_has_an_account():
    """
    Neither another key nor another model pays for this one; keys get a label each.
    """

    async def scenario(server):
        for key, model in [("a", "m"), ("a", "n"), ("b", "m"), ("a", "m"), ("a", "m")]:
            await server.post(key=key, model=model)
        return await server.accounts()

    assert [
        (a["key"], a["model"], a["succeeded"], a["answers_429"])
        for a in run(scenario, RPM)
    ] == [("key-1", "m", 2, 1), ("key-1", "n", 1, 0), ("key-2", "m", 1, 0)]


def test_no_key_is_shown_or_kept():
    """
    Neither the counts nor the server's memory hold what was sent.
    """

    async def scenario():
        pretend = PretendOpenAI(Settings((RPM,), latency=0, jitter=0))
        async with TestClient(TestServer(pretend.app())) as client:
            server = Mock(client, None)
            await server.post(key="sk-hush-hush")
            return str(await server.accounts()) + str(vars(pretend))

    assert "hush" not in asyncio.run(scenario())


def test_stats_tell_what_each_limit_saw():
    """
    Offered and admitted, their largest windows, and the bucket's excess.
    """

    async def scenario(server):
        for _ in range(3):
            await server.post(max_tokens=10)
        return await server.accounts()

    ((requests, tokens),) = [a["limits"] for a in run(scenario, RPM, TPM)]
    assert (requests["unit"], tokens["unit"]) == ("requests", "tokens")
    assert (requests["offered"], requests["admitted"]) == (3, 2)
    assert (
        requests["offered_window_excess"],
        requests["admitted_window_excess"],
    ) == (1, 0)
    assert (
        requests["offered_bucket_excess"],
        tokens["offered_bucket_excess"],
    ) == (1.0, 0.0)
    assert (
        tokens["offered_window_max"],
        tokens["offered_window_excess"],
    ) == (30, -29_970)


def test_a_reset_begins_anew():
    """
    Full buckets, no counts, labels from the first again, and time from now.
    """

    async def scenario(server):
        for _ in range(3):
            await server.post(key="a")
        server.clock[0] += SECOND_NS
        assert await server.get("POST", "/reset") == (200, {"reset": True})
        assert await server.get("GET", "/stats") == (
            200,
            {"seconds": 0.0, "accounts": []},
        )
        assert (await server.post(key="b"))[0] == 200
        (account,) = await server.accounts()
        assert account["key"] == "key-1"
        assert account["first_arrival"] == 0.0

    run(scenario, RPM)


def test_a_request_counts_at_the_moment_its_journey_ends():
    """
    The drawn moment is charged: mean 2 ms, spread 1 ms, and not when the loop came.
    """

    async def scenario(server):
        await asyncio.gather(*(server.post() for _ in range(20)))
        (account,) = await server.accounts()
        return account["first_arrival"], account["last_arrival"]

    first, last = run(scenario, RPM, latency=0.002, jitter=0.001)
    assert 0.001 <= first < last <= 0.003


def test_a_journey_is_never_shorter_than_nothing():
    """
    More jitter than latency does not send requests into the past.
    """

    async def scenario(server):
        await asyncio.gather(*(server.post() for _ in range(20)))
        return (await server.accounts())[0]["first_arrival"]

    assert run(scenario, RPM, jitter=0.001) == 0.0


def test_a_seed_repeats_the_journeys_and_a_reset_starts_them_again():
    """
    The same seed, the same arrivals: in another server, and after a reset.
    """

    async def scenario(server):
        arrivals = []
        for _ in range(2):
            await server.get("POST", "/reset")
            await server.post()
            arrivals.append((await server.accounts())[0]["first_arrival"])
        return arrivals

    seeds = [run(scenario, RPM, jitter=0.001, latency=0.001, seed=s) for s in (7, 7, 8)]
    assert seeds[0] == seeds[1]
    assert seeds[0][0] == seeds[0][1]
    assert seeds[0] != seeds[2]


def test_service_time_is_spent_after_the_accounting():
    """
    While the answer is still under way, the request is counted already.
    """

    async def scenario(server):
        answer = asyncio.ensure_future(server.post())
        (account,) = await until(server.accounts)
        assert not answer.done()
        answer.cancel()
        await asyncio.wait([answer])
        return account["succeeded"]

    assert run(scenario, RPM, service_time=60.0) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic x"}],
)
def test_without_a_key_there_is_no_answer(headers):
    """
    Status 401 in OpenAI's shape, and no account.
    """

    async def scenario(server):
        url = "/v1/chat/completions"
        status, body = await server.get("POST", url, headers=headers, json={})
        assert status == 401
        assert body["error"]["type"] == "invalid_request_error"
        assert "API key" in body["error"]["message"]
        assert await server.accounts() == []

    run(scenario, RPM)


def test_a_bad_request_costs_nothing():
    """
    Status 400 in OpenAI's shape, and no account.
    """

    async def scenario(server):
        status, _, body = await server.post(messages=None)
        assert status == 400
        assert body["error"]["param"] == "messages"
        assert await server.accounts() == []

    run(scenario, RPM)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/engines"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/moderations"),
        ("DELETE", "/stats"),
        ("GET", "/"),
    ],
)
def test_everything_else_is_not_found(method, path):
    """
    In OpenAI's shape and words.
    """
    status, body = run(lambda m: m.get(method, path), RPM)
    assert status == 404
    assert body["error"]["message"] == f"Invalid URL ({method} {path})"


def test_even_a_body_beyond_all_bounds_gets_json():
    """
    The web server's own refusals have OpenAI's shape too.
    """

    async def scenario(server):
        return await server.get(
            "POST",
            "/v1/chat/completions",
            headers={"Authorization": "Bearer a"},
            data=io.BytesIO(b" " * (32 * 1024 * 1024 + 1)),
        )

    status, body = run(scenario, RPM)
    assert status == 413
    assert body["error"]["type"] == "invalid_request_error"
