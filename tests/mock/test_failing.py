"""What the mock answers when told to fail, over real sockets."""

from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest

from paceline.mock.kinds import KINDS
from rig_mock import CHAT, RPM, run

# status, error.type, error.code, and what tells to come back.
ANSWERS = {
    "rate_limit_requests": (429, "requests", "rate_limit_exceeded", "1"),
    "rate_limit_tokens": (429, "tokens", "rate_limit_exceeded", "6"),
    "rate_limit_requests_day": (429, "requests", "rate_limit_exceeded", "9"),
    "rate_limit_tokens_day": (429, "tokens", "rate_limit_exceeded", "360"),
    "request_too_large": (429, "tokens", "rate_limit_exceeded", None),
    "insufficient_quota": (429, "insufficient_quota", "insufficient_quota", None),
    "billing_hard_limit": (
        429,
        "insufficient_quota",
        "billing_hard_limit_reached",
        None,
    ),
    "credit_balance_exhausted": (
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        None,
    ),
    "organization_spend_limit": (
        429,
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        None,
    ),
    "project_spend_limit": (
        429,
        "insufficient_quota",
        "project_spend_limit_exceeded",
        None,
    ),
    "organization_usage_limit": (
        429,
        "insufficient_quota",
        "organization_usage_limit_exceeded",
        None,
    ),
    "slow_down_429": (429, "rate_limit_error", "slow_down", None),
    "slow_down_503": (503, "service_unavailable_error", "slow_down", None),
    "server_overloaded": (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "2",
    ),
    "engine_overloaded": (503, "service_unavailable_error", None, None),
    "resource_unavailable": (429, "rate_limit_error", "resource_unavailable", None),
    "high_demand": (429, "too_many_requests", "too_many_requests", "20"),
    "server_error": (500, "server_error", None, None),
    "bad_gateway": (502, "server_error", None, None),
    "timeout": (408, "server_error", "timeout", None),
    "conflict": (409, "invalid_request_error", "conflict", None),
    "invalid_api_key": (401, "invalid_request_error", "invalid_api_key", None),
    "model_not_found": (404, "invalid_request_error", "model_not_found", None),
}


def answer(order, **fields):
    return run(lambda m: m.post(CHAT, {"x-mock-error": order}, **fields))


@pytest.mark.parametrize("name", ANSWERS)
def test_each_error_is_told_apart_as_with_openai(name):
    """
    By status, type, code, and whether there is a time to come back.
    """
    status, headers, body = answer(name)
    error = body["error"]
    told = (status, error["type"], error["code"], headers.get("retry-after"))
    assert told == ANSWERS[name]
    assert error["message"]
    limited = error["code"] == "rate_limit_exceeded"
    assert limited == ("x-ratelimit-limit-requests" in headers)
    assert "x-should-retry" not in headers


def test_no_error_is_left_untried():
    """
    All others are no answers, or answers that begin well.
    """
    others = {name for name, kind in KINDS.items() if kind.ending or not kind.status}
    assert others | set(ANSWERS) == set(KINDS)


def test_every_error_is_documented():
    """
    With its status and code, where it has them.
    """
    page = (Path(__file__).parents[2] / "docs/reference/mock.md").read_text("utf-8")
    for name, kind in KINDS.items():
        status = str(kind.status or "")
        code = ANSWERS.get(name, (0, "", None))[2]
        assert f"| `{name}` | {status}" in page
        assert code is None or f"| `{name}` | {status} | `{code}` |" in page


@pytest.mark.parametrize(
    ("order", "text", "seconds", "ms"),
    [
        ("rate_limit_tokens wait=6m0s", "Please try again in 6m0s.", "360", "360000"),
        ("rate_limit_requests wait=17ms", "Please try again in 17ms.", "1", "17"),
        ("rate_limit_tokens wait=121", "Please try again in 2m1s.", "121", "121000"),
    ],
)
def test_a_limits_wait_is_in_text_and_headers(order, text, seconds, ms):
    """
    And nothing is left until it is over.
    """
    _, headers, body = answer(order)
    assert text in body["error"]["message"]
    assert (headers["retry-after"], headers["retry-after-ms"]) == (seconds, ms)
    unit = body["error"]["type"]
    assert headers[f"x-ratelimit-remaining-{unit}"] == "0"
    reset = text.removeprefix("Please try again in ").removesuffix(".")
    assert headers[f"x-ratelimit-reset-{unit}"] == reset


def test_the_account_has_its_own_limits_in_the_text():
    """
    Limit, used and requested explain the wait, as a bucket has it.
    """
    _, headers, body = answer("rate_limit_tokens wait=1s", max_tokens=700)
    assert body["error"]["message"].startswith(
        "Rate limit reached for gpt-4o in organization org-mock on tokens per min "
        "(TPM): Limit 30000, Used 29800, Requested 700. Please try again in 1s."
    )
    assert headers["x-ratelimit-limit-requests"] == "500"


def test_a_request_too_large_has_a_time_for_nothing():
    """
    The only 429 of its code without: more is asked than there can be.
    """
    _, headers, body = answer("request_too_large", max_tokens=50_000)
    assert "Limit 30000, Requested 50000." in body["error"]["message"]
    assert "try again" not in body["error"]["message"]
    assert headers["x-ratelimit-remaining-tokens"] == "30000"


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ("both", {"retry-after", "retry-after-ms"}),
        ("seconds", {"retry-after"}),
        ("ms", {"retry-after-ms"}),
        ("date", {"retry-after"}),
        ("none", set()),
    ],
)
def test_a_wait_is_told_in_the_headers_of_ones_choice(headers, names):
    """
    Some endpoints leave them away, and proxies write dates.
    """
    _, told, _ = answer(f"rate_limit_tokens wait=10 headers={headers}")
    found = {"retry-after", "retry-after-ms"} & {name.lower() for name in told}
    assert found == names
    if headers == "date":
        wait = parsedate_to_datetime(told["retry-after"]) - parsedate_to_datetime(
            told["date"]
        )
        assert 8 <= wait.total_seconds() <= 11


@pytest.mark.parametrize("retry", ["true", "false"])
def test_whether_to_retry_can_be_told(retry):
    """
    The header that the SDK obeys before all others.
    """
    _, headers, _ = answer(f"insufficient_quota retry={retry}")
    assert headers["x-should-retry"] == retry


def test_the_status_can_be_another():
    """
    Providers do not agree on all of them, and change their mind.
    """
    order = "billing_hard_limit status=400"
    status, _, body = answer(order)
    assert (status, body["error"]["code"]) == (400, "billing_hard_limit_reached")


def test_a_wait_can_be_in_the_text():
    """
    As Azure says it.
    """
    text = answer("high_demand wait=7")[2]["error"]["message"]
    assert "Please retry after 7 seconds." in text


def test_hanging_up_is_no_answer():
    """
    The connection ends, and the log says who ended it.
    """

    async def scenario(server):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await server.post(CHAT, {"x-mock-error": "hang_up"})
        return await server.log()

    (entry,) = run(scenario)
    assert (entry["ended"], entry["status"]) == ("hung up", 0)


def test_ordered_errors_are_counted_apart():
    """
    They are no part of what limits saw; those with 429 are among the answers 429.
    """

    async def scenario(server):
        for name in ("server_error", "slow_down_429", "slow_down_429"):
            await server.post(CHAT, {"x-mock-error": name})
        await server.post()
        return await server.accounts()

    (account,) = run(scenario)
    assert account["errors"] == {"server_error": 1, "slow_down_429": 2}
    assert (account["requests"], account["succeeded"]) == (4, 1)
    assert account["answers_429"] == 2
    assert account["limits"][0]["offered"] == 1


@pytest.mark.parametrize(("count_failed", "left"), [(True, "498"), (False, "499")])
def test_ordered_errors_count_towards_requests_if_failed_ones_do(count_failed, left):
    """
    As refused requests do.
    """

    async def scenario(server):
        await server.post(CHAT, {"x-mock-error": "server_error"})
        return (await server.post())[1]["x-ratelimit-remaining-requests"]

    assert run(scenario, RPM, count_failed=count_failed) == left


def test_errors_are_ordered_over_http_and_met_by_those_they_are_for():
    """
    The list is told after each change; a reset brings back the errors of the start.
    """

    async def scenario(server):
        orders = {"errors": ["server_error key=b next=1"]}
        status, body = await server.get("POST", "/errors", json=orders)
        assert status == 200
        assert [fault["key"] for fault in body["errors"]] == [None, "key-1"]
        codes = [(await server.post(key=key, model="m"))[0] for key in "abb"]
        assert (await server.post(model="n"))[0] == 409
        assert (await server.get("DELETE", "/errors"))[1] == {"errors": []}
        assert (await server.post(model="n"))[0] == 200
        await server.get("POST", "/reset")
        assert (await server.post(model="n"))[0] == 409
        assert len((await server.get("GET", "/errors"))[1]["errors"]) == 1
        return codes

    assert run(scenario, errors=("conflict model=n",)) == [200, 500, 200]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"errors": "x"}', b'{"errors": [5]}', b'{"errors": ["x"]}']
)
def test_orders_that_make_no_sense_are_refused(body):
    """
    Status 400, with the code of the documentation.
    """
    status, told = run(lambda m: m.get("POST", "/errors", data=body))
    code = "P156" if body.endswith(b'"x"]}') else "P157"
    assert (status, told["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-mock-error", "oops"),
        ("x-mock-error", "conflict next=1"),
        ("x-mock-output-tokens", "many"),
        ("x-mock-prompt-tokens", "many"),
        ("x-mock-prompt-tokens", "-1"),
        ("x-mock-prompt-tokens", "1" * 10),
        ("x-mock-limit-headers", "some"),
        ("x-mock-service-time", "soon"),
        ("x-mock-service-time", "-1"),
        ("x-mock-chunk-delay", "inf"),
        ("x-mock-chunk-delay", "nan"),
    ],
)
def test_a_wish_that_makes_no_sense_is_a_bad_request(name, value):
    """
    It names the header; nothing is counted.
    """

    async def scenario(server):
        status, _, body = await server.post(CHAT, {name: value})
        return status, body["error"]["message"], await server.accounts()

    status, text, accounts = run(scenario)
    assert (status, accounts) == (400, [])
    assert text.startswith(f"{name}: ")
