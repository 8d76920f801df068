"""What the runner knows of the provider: costs, usage, refusals."""

import json

import httpx
import pytest

from paceline.batch._provider import cost_of, refusal_of, usage_of
from rig_batch import CHAT, EMBEDDINGS, RESPONSES, row

UNITS = ("requests", "tokens", "input_tokens", "output_tokens")
NOW = 1_800_000_000.0
TEXT = "x" * 400  # 100 tokens


def cost(url, **fields):
    return cost_of(url, row("a", url, **fields)["body"], ("tokens",))["tokens"]


@pytest.mark.parametrize(
    ("url", "fields", "tokens"),
    [
        (CHAT, {"max_tokens": 500}, 500),
        (CHAT, {"max_tokens": None, "max_completion_tokens": 70}, 70),
        (CHAT, {"messages": [{"role": "user", "content": TEXT}]}, 104),
        (
            CHAT,
            {"messages": [{"role": "u", "content": [{"type": "text", "text": TEXT}]}]},
            104,
        ),
        (RESPONSES, {"input": TEXT, "instructions": TEXT}, 200),
        (RESPONSES, {"max_output_tokens": 2_000}, 2_000),
        (
            RESPONSES,
            {"input": [{"type": "input_image", "image_url": TEXT * 99}]},
            1_001,
        ),
        (EMBEDDINGS, {"input": [TEXT, TEXT]}, 200),
        (EMBEDDINGS, {"input": [[1, 2, 3], [4]]}, 5),
        (EMBEDDINGS, {"input": "\u4e16" * 40}, 30),
        (CHAT, {"max_tokens": True}, 5),
        (CHAT, {"max_tokens": -1}, 5),
    ],
)
def test_a_request_reserves_the_larger_of_its_longest_answer_and_its_text(
    url, fields, tokens
):
    """
    A quarter of the bytes; media by the piece, tokens as they are.
    """
    assert cost(url, **fields) == tokens


def test_tools_are_text_too():
    """
    The model reads them.
    """
    assert cost(RESPONSES, tools=[{"name": TEXT}]) > 100


def test_only_units_that_are_counted_are_reserved():
    """
    What is unknown is left out, so that the limiter names it.
    """
    body = row("a", RESPONSES)["body"]
    full = {"requests": 1, "tokens": 20, "input_tokens": 1, "output_tokens": 20}
    assert cost_of(RESPONSES, body, UNITS) == full
    assert cost_of(RESPONSES, body, ("requests", "files")) == {"requests": 1}


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, (7, 3, 4)),
        ({"input_tokens": 3, "output_tokens": 4}, (7, 3, 4)),
        ({"prompt_tokens": 9, "total_tokens": 9}, (9, 9, 0)),
    ],
)
def test_usage_is_read_in_the_words_of_each_place(usage, told):
    """
    Each has its own.
    """
    read = usage_of(json.dumps({"usage": usage}).encode())
    assert read == dict(
        zip(("tokens", "input_tokens", "output_tokens"), told, strict=True)
    )


@pytest.mark.parametrize(
    "answer",
    [{}, [], None, {"usage": None}, {"usage": 3}, {"usage": {"total_tokens": 10**12}}],
)
def test_an_answer_may_be_silent_on_its_usage(answer):
    """
    Or say what cannot be. Then what was reserved stays.
    """
    assert usage_of(json.dumps(answer).encode()) is None


WAIT, AGAIN, NEVER, STOP = "limited", "again", "never", "stop"


@pytest.mark.parametrize(
    ("error", "meaning", "wait"),
    [
        ("rate_limit_requests", WAIT, 0.12),
        ("rate_limit_tokens wait=6m0s headers=none", WAIT, 360.0),
        ("rate_limit_tokens wait=1h2m3s headers=ms", WAIT, 3_723.0),
        ("rate_limit_requests_day headers=seconds", WAIT, 9.0),
        ("rate_limit_tokens wait=90s headers=date", WAIT, 90.0),
        ("high_demand headers=none", WAIT, 20.0),
        ("slow_down_429", WAIT, None),
        ("slow_down_503", WAIT, None),
        ("server_overloaded", WAIT, 2.0),
        ("engine_overloaded", WAIT, None),
        ("resource_unavailable", WAIT, None),
        ("server_error", AGAIN, None),
        ("bad_gateway", AGAIN, None),
        ("timeout", AGAIN, None),
        ("conflict", AGAIN, None),
        ("model_not_found", NEVER, None),
        ("request_too_large", NEVER, None),
        ("server_error retry=false", NEVER, None),
        ("insufficient_quota", STOP, None),
        ("insufficient_quota retry=true", STOP, None),
        ("billing_hard_limit", STOP, None),
        ("credit_balance_exhausted", STOP, None),
        ("organization_spend_limit", STOP, None),
        ("project_spend_limit", STOP, None),
        ("organization_usage_limit", STOP, None),
        ("invalid_api_key", STOP, None),
    ],
)
def test_every_error_of_the_provider_is_understood(provider, error, meaning, wait):
    """
    Whom it concerns, whether waiting helps, and for how long.
    """
    with httpx.Client(trust_env=False) as client:
        answer = client.post(
            provider.base_url + "/responses",
            json=row("a", RESPONSES)["body"],
            headers={"authorization": "Bearer sk-1", "x-mock-error": error},
        )
    now = httpx_date(answer) if "date" in error else NOW
    told = refusal_of(answer.status_code, answer.headers, answer.content, now)
    assert told.final == (meaning in {NEVER, STOP})
    assert told.stops == (meaning == STOP)
    if meaning in {WAIT, AGAIN}:
        assert told.limited == (meaning == WAIT)
    assert told.message
    if wait is None:
        assert told.wait is None
    else:
        assert wait <= told.wait <= wait + 1


def httpx_date(answer):
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(answer.headers["date"]).timestamp()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": "no"}', b"[" * 9_999]
)
def test_an_error_that_is_no_json_is_understood_by_its_status(body):
    """
    As a gateway in between may send it.
    """
    assert not refusal_of(502, {}, body, NOW).final
    assert refusal_of(404, {}, body, NOW).final


@pytest.mark.parametrize("value", ["soon", "-3", "nan", ""])
def test_a_wait_that_makes_no_sense_is_none(value):
    """
    The runner then takes a pause of its own.
    """
    assert refusal_of(429, {"retry-after": value}, b"", NOW).wait is None
