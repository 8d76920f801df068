"""Refusals in the providers' own words, and what they mean."""

import json

import pytest

from paceline._provider.classify import Kind, classify

NOW = 1_800_000_000.0


def body(message="", code=None, kind=None):
    return json.dumps(
        {"error": {"message": message, "type": kind, "code": code}}
    ).encode()


def kind_of(status=429, headers=None, **error):
    return classify(status, headers or {}, body(**error), NOW).kind


ON = "Rate limit reached for gpt-4o in organization org-x on"


def test_the_text_tells_what_ran_out_and_for_how_long():
    """
    Limit, used, requested, unit, window and time are read off OpenAI's sentence.
    """
    text = (
        f"{ON} tokens per min (TPM): Limit 10000, Used 8554, Requested 3082. "
        "Please try again in 9.816s. Visit https://platform.openai.com/ to learn more."
    )
    refusal = classify(
        429, {"retry-after": "9"}, body(text, "rate_limit_exceeded"), NOW
    )
    assert refusal.kind is Kind.RATE
    assert (refusal.unit, refusal.per) == ("tokens", 60.0)
    assert (refusal.limit, refusal.requested) == (10_000, 3082)
    assert refusal.wait == 9.816  # the longer one: a header is rounded
    assert refusal.refill == pytest.approx(18.492)
    assert not refusal.final


def test_azure_says_for_how_long_in_seconds():
    """
    In words of its own, with or without a header.
    """
    text = "The system is currently experiencing high demand. Please retry after {} ..."
    for said, wait in (("20 seconds.", 20.0), ("1 second.", 1.0), ("lunch.", None)):
        told = body(text.format(said), "too_many_requests")
        assert classify(429, {}, told, NOW).wait == wait


@pytest.mark.parametrize(
    ("text", "unit", "per", "wait"),
    [
        (
            "requests per min (RPM): Limit 500, Used 500, Requested 1. {}120ms.",
            *("requests", 60.0, 0.12),
        ),
        (
            "requests per day (RPD): Limit 200, Used 200, Requested 1. {}7m12s.",
            *("requests", 86_400.0, 432.0),
        ),
        (
            "input-images per min: Limit 250, Used 250, Requested 1. {}240ms.",
            *("input_images", 60.0, 0.24),
        ),
        ("requests per min. Limit: 3 / min. {}20s.", *("requests", 60.0, 20.0)),
    ],
)
def test_every_dimension_has_the_same_grammar(text, unit, per, wait):
    """
    Requests, tokens, images; per minute and per day; the old wording too.
    """
    text = text.format("Please try again in ")
    refusal = classify(429, {}, body(f"{ON} {text}"), NOW)
    assert (refusal.unit, refusal.per, refusal.wait) == (unit, per, pytest.approx(wait))
    assert refusal.kind is Kind.RATE


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "enforced_spend_limit_reached",
    ],
)
def test_billing_spend_and_usage_are_final(code):
    """
    By the code; the type still reads insufficient_quota with some of them.
    """
    assert kind_of(code=code) is Kind.NO_QUOTA
    assert kind_of(kind=code) is Kind.NO_QUOTA
    assert classify(429, {"retry-after": "1"}, body(code=code), NOW).final


def test_a_request_too_large_has_the_code_of_a_full_bucket():
    """
    The text tells them apart, and where that is missing the numbers.
    """
    code = "rate_limit_exceeded"
    large = (
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): "
        "Limit 30000, Requested 43217. The input or output tokens must be reduced."
    )
    assert kind_of(message=large, code=code) is Kind.TOO_LARGE
    numbers = f"{ON} tokens per min (TPM): Limit 10,000, Used 0, Requested 10,001."
    assert kind_of(message=numbers, code=code) is Kind.TOO_LARGE
    fits = f"{ON} tokens per min (TPM): Limit 10000, Used 1, Requested 10000."
    assert kind_of(message=fits, code=code) is Kind.RATE


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"code": "slow_down"}, Kind.SLOW_DOWN),
        (503, {"kind": "slow_down"}, Kind.SLOW_DOWN),
        (503, {"code": "server_is_overloaded"}, Kind.BUSY),
        (529, {"kind": "overloaded_error"}, Kind.BUSY),
        (429, {"message": "Resource Unavailable"}, Kind.BUSY),
        (429, {"code": "resource_unavailable"}, Kind.BUSY),
        (429, {"message": "high demand"}, Kind.RATE),
    ],
)
def test_overload_is_no_limit_of_ours(status, error, kind):
    """
    The status and the code decide together.
    """
    assert kind_of(status, **error) is kind


def test_words_alone_are_believed_only_without_a_code_and_a_time():
    """
    Some providers say "exceeded your current quota" of what is back in seconds.
    """
    text = (
        "You exceeded your current quota, please check your plan and billing details."
    )
    assert kind_of(message=text) is Kind.NO_QUOTA
    assert kind_of(headers={"retry-after": "30"}, message=text) is Kind.RATE
    assert kind_of(message=text, code="RESOURCE_EXHAUSTED") is Kind.RATE


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[]", b"null", b'{"error": null}', b"[" * 100_000]
)
def test_a_body_that_is_none_is_a_plain_refusal(raw):
    """
    A proxy's page is a 429 too.
    """
    refusal = classify(429, {}, raw, NOW)
    assert (refusal.kind, refusal.wait, refusal.message) == (Kind.RATE, None, "")


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500, 502])
def test_other_statuses_are_no_refusals(status):
    """
    What is not about quotas is the SDK's business.
    """
    assert classify(status, {}, body(code="insufficient_quota"), NOW) is None
