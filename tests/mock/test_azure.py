"""Azure's paths, keys, headers and words."""

import pytest

from paceline.mock.quota import SECOND_NS, Quota
from rig_mock import AZURE, MINUTE, run

BODY = {"messages": [{"role": "user", "content": "hi"}], "input": "hi"}
PATHS = [
    "/openai/deployments/dep-1/chat/completions?api-version=2024-10-21",
    "/openai/deployments/dep-1/embeddings?api-version=2024-10-21",
    "/openai/responses?api-version=2025-04-01-preview",
    "/openai/v1/chat/completions",
    "/openai/v1/responses",
    "/openai/v1/embeddings",
    "/openai/v1/responses?api-version=preview",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers", [{"api-key": "k"}, {"Authorization": "Bearer entra"}]
)
def test_azures_paths_are_served(path, headers):
    """
    With a key in its own header, or a token of Entra ID; the model is the
    deployment's name where the path has one.
    """

    async def scenario(server):
        status, _ = await server.get(
            "POST", path, headers=headers, json={"model": "m", **BODY}
        )
        return status, *await server.accounts()

    status, account = run(scenario)
    assert status == 200
    assert account["model"] == ("dep-1" if "deployments" in path else "m")


@pytest.mark.parametrize("path", PATHS[:3])
def test_without_a_version_there_is_no_such_place(path):
    """
    In Azure's words, and nothing is counted.
    """

    async def scenario(server):
        path_alone = path.partition("?")[0]
        headers = {"api-key": "k"}
        answer = await server.get("POST", path_alone, headers=headers, json=BODY)
        return *answer, await server.accounts()

    status, body, accounts = run(scenario)
    assert (status, accounts) == (404, [])
    assert body == {"error": {"code": "404", "message": "Resource not found"}}


def test_without_a_key_there_is_no_answer():
    """
    Status 401 in Azure's shape.
    """
    status, body = run(lambda m: m.get("POST", PATHS[0], json=BODY))
    assert (status, body["error"]["code"]) == (401, "401")
    assert "subscription key" in body["error"]["message"]


def test_other_paths_are_not_found():
    """
    In Azure's words below its path, and only there.
    """
    status, body = run(lambda m: m.get("GET", "/openai/deployments"))
    assert (status, body["error"]["code"]) == (404, "404")


def test_resets_are_whole_seconds_and_the_cost_is_a_sum():
    """
    The names of the headers are OpenAI's; prompt and answer are both charged.
    """
    _, headers, _ = run(lambda m: m.post(AZURE, max_tokens=700))
    assert {k: v for k, v in headers.items() if k.startswith("x-ratelimit")} == {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "1",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "29299",
        "x-ratelimit-reset-tokens": "2",
    }


def test_a_refusal_is_in_azures_words():
    """
    The code is the status, and the time is in text and headers.
    """

    async def scenario(server):
        await server.post(AZURE)
        return await server.post(AZURE)

    status, headers, body = run(scenario, Quota("requests", 1, MINUTE, 1))
    assert (status, body["error"]["code"]) == (429, "429")
    assert body["error"]["message"].startswith(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API "
        "version 2024-10-21 have exceeded call rate limit of your current OpenAI S0 "
        "pricing tier. Please retry after 60 seconds."
    )
    assert headers["retry-after"] == "60"
    assert headers["retry-after-ms"] == "60000"


def test_what_can_never_fit_is_told_to_wait_a_day():
    """
    As published: nothing in it says that waiting will not help.
    """
    scenario = lambda m: m.post(AZURE, max_tokens=5)  # noqa: E731 -- a line of its own
    status, headers, body = run(scenario, Quota("tokens", 4, SECOND_NS, 4))
    assert status == 429
    assert "token rate limit" in body["error"]["message"]
    assert "retry after 86400 seconds" in body["error"]["message"]
    assert headers["retry-after"] == "86400"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("rate_limit_tokens", "429"),
        ("server_error", "500"),
        ("answer_error", "500"),
        ("server_overloaded", "server_is_overloaded"),
    ],
)
def test_ordered_errors_have_azures_shape(error, code):
    """
    Two fields, and a code always.
    """
    _, _, body = run(lambda m: m.post(AZURE, {"x-mock-error": error}))
    assert body["error"].keys() == {"code", "message"}
    assert body["error"]["code"] == code


def test_both_ways_of_a_key_lead_to_one_account():
    """
    A deployment's account does not depend on how the key was sent.
    """

    async def scenario(server):
        for headers in ({"api-key": "k"}, {"Authorization": "Bearer k"}):
            await server.get("POST", PATHS[0], headers=headers, json=BODY)
        return await server.accounts()

    (account,) = run(scenario)
    assert account["requests"] == 2
