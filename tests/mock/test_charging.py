"""What requests pay, over real sockets: on arrival, and after the answer."""

import pytest

from paceline.mock.quota import SECOND_NS, Quota
from rig_mock import AZURE, CHAT, MINUTE, RESPONSES, TPM, run, until

REMAINING = "x-ratelimit-remaining-tokens"
RESET = "x-ratelimit-reset-tokens"


@pytest.mark.parametrize("url", [CHAT, RESPONSES])
def test_a_reservation_is_never_given_back(url):
    """
    1,000 tokens are allowed and paid, and 7 of them used.
    """
    most = {CHAT: "max_completion_tokens", RESPONSES: "max_output_tokens"}[url]

    async def scenario(server):
        wish = {"x-mock-output-tokens": "7"}
        first = (await server.post(url, wish, **{most: 1_000}))[1]
        second = (await server.post(url, wish, **{most: 1_000}))[1]
        return first, second, *await server.accounts()

    first, second, account = run(scenario)
    assert (first[REMAINING], first[RESET]) == ("29000", "2s")
    assert (second[REMAINING], second[RESET]) == ("28000", "4s")
    assert (account["tokens"], account["tokens_used"]) == (2_000, 16)
    assert account["limits"][1]["returned"] == 0


@pytest.mark.parametrize("url", [CHAT, RESPONSES, AZURE])
@pytest.mark.parametrize("stream", [True, False])
def test_actual_use_is_charged_after_the_answer(url, stream):
    """
    The next request finds what the last has not used.
    """
    most = "max_output_tokens" if url == RESPONSES else "max_tokens"

    async def scenario(server):
        wish = {"x-mock-output-tokens": "7"}
        async with server.open(url, wish, stream=stream, **{most: 1_000}) as first:
            await first.read()
        second = (await server.post(url, wish, **{most: 1_000}))[1]
        return first.headers, second, *await server.accounts()

    first, second, account = run(scenario, TPM, charge="actual")
    # A stream's headers are sent before anybody knows how long it gets.
    reserved = 1_001 if url == AZURE else 1_000
    assert first[REMAINING] == str(30_000 - (reserved if stream else 8))
    assert second[REMAINING] == str(30_000 - 16)
    assert (account["tokens"], account["tokens_used"]) == (2 * reserved, 16)
    assert account["limits"][0]["returned"] == 2 * (reserved - 8)


def test_actual_use_can_be_more_than_was_charged():
    """
    Without a bound the estimate is charged, and later what the answer took.
    """

    async def scenario(server):
        wish = {"x-mock-output-tokens": "35000", "x-mock-prompt-tokens": "1000"}
        _, headers, body = await server.post(CHAT, wish)
        refused = await server.post(CHAT)
        return headers, body, refused

    headers, body, refused = run(scenario, TPM, charge="actual")
    assert body["usage"]["total_tokens"] == 36_000
    assert headers[REMAINING] == "0"
    # 6,000 over, and 1 more is asked for.
    assert "Please try again in 12.002s." in refused[2]["error"]["message"]


def test_a_prompt_can_turn_out_longer_than_estimated():
    """
    Usage has the truth; the charge on arrival is the estimate.
    """

    async def scenario(server):
        _, headers, body = await server.post(CHAT, {"x-mock-prompt-tokens": "123"})
        return headers[REMAINING], body["usage"]["prompt_tokens"]

    assert run(scenario, TPM) == ("29999", 123)


def test_a_share_of_what_is_allowed_is_used():
    """
    As set for all, or as one request wishes.
    """

    async def scenario(server):
        used = []
        for headers in ({}, {"x-mock-output-tokens": "10%"}):
            _, _, body = await server.post(CHAT, headers, max_tokens=200)
            used.append(body["usage"]["completion_tokens"])
        return used

    assert run(scenario, completion_tokens="25%") == [50, 20]


def test_an_error_in_the_answer_gives_all_back():
    """
    With actual use: nothing was used by what came to nothing.
    """

    async def scenario(server):
        await server.post(CHAT, {"x-mock-error": "answer_error"}, max_tokens=1_000)
        return (await server.post(CHAT, {"x-mock-output-tokens": "0"}))[1]

    assert run(scenario, TPM, charge="actual")[REMAINING] == "29999"


def test_a_client_that_leaves_pays_for_what_it_got():
    """
    With actual use, and for the prompt.
    """

    async def scenario(server):
        wish = {"x-mock-chunk-delay": "100000"}
        async with server.open(CHAT, wish, stream=True, max_tokens=1_000) as answer:
            await answer.content.readuntil(b"\n\n")
            answer.close()

        async def left():
            return (await server.accounts())[0]["clients_left"]

        await until(left)
        return (await server.post(CHAT, {"x-mock-output-tokens": "0"}))[1]

    assert run(scenario, TPM, charge="actual")[REMAINING] == "29998"


def test_keys_of_one_project_share_an_account():
    """
    If told so; the log still tells them apart.
    """

    async def scenario(server):
        await server.post(key="a")
        await server.post(key="b")
        return *await server.accounts(), await server.log()

    account, log = run(scenario, share_keys=True)
    assert (account["key"], account["requests"]) == ("all keys", 2)
    assert [entry["key"] for entry in log] == ["key-1", "key-2"]


def test_a_limit_can_be_enforced_by_the_second():
    """
    60 a minute are then 1 a second: the second of a burst is told to wait for 1 s,
    while the headers go on to speak of the minute.
    """

    async def scenario(server):
        first = await server.post()
        second = await server.post()
        server.clock[0] += SECOND_NS
        return first, second, await server.post()

    quota = Quota("requests", 60, MINUTE, 60).sliced(1.0)
    first, second, third = run(scenario, quota)
    assert [answer[0] for answer in (first, second, third)] == [200, 429, 200]
    assert first[1]["x-ratelimit-remaining-requests"] == "59"
    assert second[1]["retry-after-ms"] == "1000"
    assert "Limit 60, Used 1, Requested 1." in second[2]["error"]["message"]


def test_the_log_tells_what_was_asked_and_what_became_of_it():
    """
    The oldest first; no text of anybody's and no key.
    """

    async def scenario(server):
        headers = {"x-stainless-retry-count": "2"}
        options = {"include_usage": True}
        await server.stream(CHAT, headers, max_tokens=9, stream_options=options)
        server.clock[0] += SECOND_NS
        await server.post(RESPONSES, {"x-mock-error": "insufficient_quota"})
        return await server.log()

    first, second = run(scenario, completion_tokens=3)
    assert first == {
        "endpoint": "chat",
        "key": "key-1",
        "model": "gpt-4o",
        "at": 0.0,
        "attempt": 2,
        "stream": True,
        "include_usage": True,
        "prompt_tokens": 1,
        "max_tokens": 9,
        "charged": 9,
        "used": 4,
        "status": 200,
        "error": None,
        "events": 7,
        "ended": "complete",
    }
    assert (second["at"], second["attempt"], second["status"]) == (1.0, None, 429)
    assert (second["error"], second["charged"]) == ("insufficient_quota", 0)


def test_models_that_were_asked_for_are_listed():
    """
    Each has a page of its own; others do not exist, and all of it needs a key.
    """

    async def scenario(server):
        await server.post(model="b/c")
        await server.post(model="a")
        headers = {"Authorization": "Bearer x"}
        listed = await server.get("GET", "/v1/models", headers=headers)
        one = await server.get("GET", "/v1/models/b%2Fc", headers=headers)
        none = await server.get("GET", "/v1/models/z", headers=headers)
        bare = [await server.get("GET", f"/v1/models{at}") for at in ("", "/a")]
        return listed, one, none, bare

    listed, one, none, bare = run(scenario)
    assert [model["id"] for model in listed[1]["data"]] == ["a", "b/c"]
    assert (one[0], one[1]["id"]) == (200, "b/c")
    assert (none[0], none[1]["error"]["code"]) == (404, "model_not_found")
    assert [status for status, _ in bare] == [401, 401]


def test_limits_can_change_under_way():
    """
    For all accounts, those to come too; a reset brings the first ones back.
    """
    limit = "x-ratelimit-limit-requests"
    remaining = "x-ratelimit-remaining-requests"

    async def scenario(server):
        await server.post()
        orders = {"limits": ["400 requests/min"]}
        assert await server.get("PUT", "/limits", json=orders) == (200, orders)
        answers = [await server.post(), await server.post(key="new")]
        await server.get("POST", "/reset")
        answers.append(await server.post())
        return [(headers[limit], headers[remaining]) for _, headers, _ in answers]

    assert run(scenario) == [("400", "398"), ("400", "399"), ("500", "499")]


@pytest.mark.parametrize(
    ("limits", "code"),
    [("5/min", "P157"), (["5 images/min"], "P151"), (["5/fortnight"], "P103")],
)
def test_limits_that_make_no_sense_change_nothing(limits, code):
    """
    Status 400, with the code of the documentation.
    """

    async def scenario(server):
        status, body = await server.get("PUT", "/limits", json={"limits": limits})
        return status, body["error"]["code"], (await server.post())[1]

    status, told, headers = run(scenario)
    assert (status, told) == (400, code)
    assert headers["x-ratelimit-limit-requests"] == "500"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("error", [None, "rate_limit_tokens"])
@pytest.mark.parametrize(
    ("style", "limit", "reset", "project"),
    [
        ("all", "30000", True, None),
        ("none", None, None, None),
        ("unknown", "-1", False, None),
        ("project", "30000", True, "30000"),
    ],
)
def test_limits_are_told_in_all_ways_that_were_seen(
    style, limit, reset, project, error, stream
):
    """
    Left away, as -1, or with the project's; of errors, answers and streams.
    """

    async def scenario(server):
        headers = {"x-mock-limit-headers": style}
        headers |= {"x-mock-error": error} if error else {}
        async with server.open(CHAT, headers, stream=stream) as answer:
            await answer.read()
            return answer.headers

    headers = run(scenario)
    assert headers.get("x-ratelimit-limit-tokens") == limit
    assert headers.get("x-ratelimit-limit-project-tokens") == project
    assert (RESET in headers) == (reset is not None)
    if reset is False:
        assert (headers[RESET], headers[REMAINING]) == ("0", "-1")
    assert ("retry-after" in headers) == (error is not None)


@pytest.mark.parametrize("url", [CHAT, RESPONSES])
def test_a_long_stream_is_paid_for_in_full(url):
    """
    Also for what is beyond the text that is sent.
    """

    async def scenario(server):
        await server.stream(url, {"x-mock-output-tokens": "5000"})
        return await server.log()

    (entry,) = run(scenario, chunk_tokens=1_000)
    assert entry["used"] == 5_001
