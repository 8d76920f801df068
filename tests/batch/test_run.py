"""A run: every row answered once, whatever fails under way."""

import asyncio
import logging
import time
from collections import Counter

import pytest

import rig
from paceline import (
    ConfigError,
    Key,
    RateLimiter,
    RateLimitExceeded,
    StoreUnavailable,
    events,
)
from paceline.batch import run_batch
from paceline.batch._send import Sender
from rig_batch import CHAT, KEY, LIMITS, answered, read, row, rows, write

ONCE = dict.fromkeys([f"r{i}" for i in range(30)], 1)


def test_every_row_is_answered_once(batch, store_url):
    """
    Of all three places, on every store; the provider saw each row once.
    """
    batch.store = store_url
    summary = batch.run(rows(30))
    assert answered(batch.output) == ONCE
    assert batch.statuses() == {200: 30}
    assert (summary.done, summary.failed, summary.not_sent) == (30, 0, 0)
    assert summary.complete
    assert summary.errors is None
    bodies = {
        line["custom_id"]: line["response"]["body"] for line in read(batch.output)
    }
    kinds = [bodies[f"r{i}"]["object"] for i in range(3)]
    assert kinds == ["chat.completion", "response", "list"]
    used = [body["usage"]["total_tokens"] for body in bodies.values()]
    assert summary.input_tokens + summary.output_tokens == sum(used)


def test_the_same_call_goes_on_where_it_was_stopped(batch):
    """
    Rows that are answered are not sent again; a torn last line is.
    """
    batch.run(rows(10))
    whole = batch.output.read_bytes()
    batch.output.write_bytes(whole[:-40])
    summary = batch.run(rows(30))
    assert answered(batch.output) == ONCE
    assert (summary.already_done, summary.done) == (9, 21)
    assert batch.sent() == 31


def test_rows_that_failed_can_be_the_input_of_another_run(batch):
    """
    They are as they came, with what went wrong; another run answers them.
    """
    batch.mock.fail("model_not_found next=3")
    summary = batch.run(rows(30))
    assert (summary.done, summary.failed) == (27, 3)
    assert summary.reasons == {"model_not_found": 3}
    assert summary.errors == str(batch.errors)
    failed = read(batch.errors)
    by_id = {each["custom_id"]: each for each in rows(30)}
    for each in failed:
        assert each.pop("response")["status_code"] == 404
        assert each.pop("error")["code"] == "model_not_found"
        assert each == by_id[each["custom_id"]]
    again = batch.run(source=batch.errors)
    assert (again.rows, again.done) == (3, 3)
    assert answered(batch.output) == ONCE
    assert not batch.errors.exists()


def test_rows_not_sent_stay_in_a_file_of_errors_that_is_the_input(batch):
    """
    The file is replaced by what is left of it, not by what failed this time alone.
    """
    write(batch.errors, rows(30))
    batch.mock.fail("insufficient_quota after=4")
    summary = batch.run(source=batch.errors, tasks=1)
    assert (summary.done, summary.failed, summary.not_sent) == (4, 1, 25)
    left = [each["custom_id"] for each in read(batch.errors)]
    assert sorted(left) == sorted(set(ONCE) - set(answered(batch.output)))


@pytest.mark.parametrize(
    "error",
    [
        "rate_limit_tokens wait=20ms",
        "rate_limit_requests wait=20ms headers=none",
        "slow_down_429 wait=20ms",
        "high_demand wait=20ms",
        "server_overloaded wait=20ms",
        "server_error",
        "timeout",
        "hang_up",
    ],
)
def test_what_waiting_can_cure_is_tried_again(batch, error):
    """
    Nothing failed, and each row is in the output once.
    """
    batch.mock.fail(f"{error} next=3")
    with RateLimiter(batch.store, limits=LIMITS) as limiter:
        summary = batch.run(rows(12))
        known = limiter.exchange(Key(KEY, "gpt-4o"))
    assert (summary.done, summary.failed, summary.retried) == (12, 0, 3)
    assert len(answered(batch.output)) == 12
    assert summary.refused == (3 if "wait" in error else 0)
    # The store counts those that were a 429; an overload was a 503.
    counted = int(known["429s"].value[:13]) if "429s" in known else 0
    assert counted == (0 if "server" in error else summary.refused)


@pytest.mark.parametrize("error", ["request_too_large", "model_not_found"])
def test_what_no_waiting_cures_is_not_tried_again(batch, error):
    """
    The row failed; the others go on.
    """
    batch.mock.fail(f"{error} next=1")
    summary = batch.run(rows(12))
    assert (summary.done, summary.failed, summary.retried) == (11, 1, 0)
    assert batch.sent() == 12


@pytest.mark.parametrize(
    "error", ["insufficient_quota", "project_spend_limit", "invalid_api_key"]
)
def test_where_no_row_would_fare_better_nothing_more_is_sent(batch, error):
    """
    Without money, or with a wrong key, one refusal is enough.
    """
    batch.mock.fail(error)
    summary = batch.run(rows(30), tasks=2)
    assert summary.done == 0
    assert 1 <= summary.failed <= 2
    assert batch.sent() == summary.failed
    assert summary.not_sent == 30 - summary.failed
    assert summary.stopped.startswith("no row would fare better: ")
    batch.mock.recover()
    assert batch.run().complete


def test_attempts_are_bounded(batch):
    """
    A provider that is ill for good does not keep the run for ever.
    """
    batch.mock.fail("rate_limit_requests wait=1ms headers=none")
    summary = batch.run(rows(2), retries=2)
    assert (summary.failed, summary.retried) == (2, 4)
    assert batch.sent() == 6


def test_an_answer_that_does_not_come_is_a_timeout(batch):
    """
    It is tried again, and named so if it fails for good.
    """
    batch.mock.fail("hang")
    summary = batch.run(rows(1), retries=0, request_timeout=0.2)
    assert summary.reasons == {"timeout": 1}
    assert summary.stopped.startswith("the provider does not answer: ReadTimeout")


def test_an_address_where_nobody_is_ends_the_run_soon(batch, free_port, monkeypatch):
    """
    After three attempts, not after eleven for each of many rows; nothing is charged.
    """
    monkeypatch.setattr("paceline.batch._verdict._FIRST_PAUSE", 0.001)
    url = f"http://127.0.0.1:{free_port}/v1"
    summary = batch.run(rows(30), base_url=url, tasks=1)
    assert (summary.failed, summary.retried, summary.not_sent) == (1, 2, 29)
    assert summary.stopped.startswith("the provider does not answer: ConnectError")
    with RateLimiter(batch.store, limits=LIMITS) as limiter:
        statuses = limiter.peek(Key(KEY, "gpt-4o"))
        assert [each.remaining for each in statuses] == [10_000, 10_000_000]


def test_what_the_provider_answered_is_told(batch):
    """
    Each attempt's status, by the account that it was made for.
    """
    seen = []
    batch.mock.fail("rate_limit_requests wait=1ms next=1")
    write(batch.source, rows(4))

    async def main():
        async with RateLimiter(
            batch.store, limits=LIMITS, on_event=seen.append
        ) as limiter:
            return await batch.start(limiter)

    assert asyncio.run(main()).done == 4
    told = [each for each in seen if isinstance(each, events.Answered)]
    assert {(each.scope, each.model) for each in told} == {("", "gpt-4o")}
    assert Counter(each.status for each in told) == batch.statuses()
    assert batch.statuses() == {200: 4, 429: 1}


def test_a_refusal_holds_every_process_of_the_quota_back(batch):
    """
    The time that a 429 tells becomes a cool-down of that model.
    """
    batch.mock.fail("rate_limit_tokens wait=6m0s")
    stop = asyncio.Event()

    async def main():
        async with RateLimiter(batch.store, limits=LIMITS) as limiter:
            running = asyncio.create_task(batch.start(limiter, tasks=1, stop=stop))
            while not batch.sent() or limiter.try_acquire(key, {"tokens": 0}):  # noqa: ASYNC110 -- nothing tells
                await asyncio.sleep(0.01)
            decision = await limiter.try_acquire_async(key, {"tokens": 0})
            stop.set()
            return decision, await running

    key = Key(KEY, "gpt-4o")
    write(batch.source, rows(5))
    with pytest.warns(RuntimeWarning, match="try_acquire_async"):
        decision, summary = asyncio.run(main())
    assert decision.limit == "cool-down"
    assert 350 < decision.retry_after <= 360
    assert (summary.stopped, summary.not_sent) == ("interrupted", 5)


@pytest.mark.parametrize("refund", ["never", "always"])
def test_what_an_answer_used_is_posted(batch, refund):
    """
    Of 20 tokens reserved fewer are used: they come back where the provider does so.
    """
    limits = ("10k tokens/day",)
    lines = [row(f"r{i}", max_tokens=20) for i in range(10)]
    summary = batch.run(lines, limits=limits, refund=refund)
    total = summary.input_tokens + summary.output_tokens
    assert total < 200
    with RateLimiter(batch.store, limits=limits) as limiter:
        (status,) = limiter.peek(Key(KEY, "gpt-4o"))
    assert status.remaining == 10_000 - (total if refund == "always" else 200)


def test_a_turn_that_comes_too_late_ends_the_run(batch):
    """
    What was answered is safe, and the same call goes on later.
    """
    with pytest.raises(RateLimitExceeded):
        batch.run(rows(12), limits=("10/h",), timeout=0.2)
    assert 1 <= len(answered(batch.output)) < 12
    assert batch.run(rows(12)).complete
    assert batch.sent() == 12


def test_a_store_that_is_not_there_is_told_before_anything_is_sent(batch, free_port):
    """
    No row is sent without an account.
    """
    batch.store = f"redis://127.0.0.1:{free_port}/0"
    with pytest.raises(StoreUnavailable):
        batch.run(rows(3))
    assert batch.sent() == 0


@pytest.fixture
def stopping(monkeypatch):
    """Stop a run while its first request is under way; return the bodies sent."""
    stop, sent = asyncio.Event(), []
    real = Sender.send

    async def send(sender, url, body):
        sent.append(body)
        stop.set()
        await asyncio.sleep(0.05)  # the run hears of the stop meanwhile
        return await real(sender, url, body)

    monkeypatch.setattr(Sender, "send", send)
    return stop, sent


def test_a_stopped_run_waits_for_what_was_sent(batch, stopping):
    """
    It is paid for, so its answer is kept; nothing that comes after it is sent.
    """
    stop, sent = stopping
    summary = batch.run(rows(8), tasks=1, stop=stop)
    assert (summary.done, summary.not_sent, summary.stopped) == (1, 7, "interrupted")
    assert len(sent) == batch.sent() == len(answered(batch.output)) == 1


def test_a_stopped_run_does_not_wait_to_try_again(batch, stopping):
    """
    What was under way is refused, for six minutes: the row is left to the next run.
    """
    batch.mock.fail("rate_limit_tokens wait=6m0s")
    stop, sent = stopping
    summary = batch.run(rows(8), tasks=1, stop=stop)
    assert (summary.failed, summary.not_sent) == (0, 8)
    assert summary.seconds < 60
    assert len(sent) == 1


def test_a_run_that_is_stopped_before_it_begins_sends_nothing(batch):
    """
    As with Ctrl-C while the rows are being checked.
    """
    stop = asyncio.Event()
    stop.set()
    summary = batch.run(rows(8), stop=stop)
    assert (summary.done, summary.not_sent, summary.stopped) == (0, 8, "interrupted")
    assert batch.sent() == 0


def test_a_store_that_comes_back_does_not_end_the_run(batch, tmp_path, monkeypatch):
    """
    Restarted under way, it is waited for: every row is answered, none is lost.
    """
    monkeypatch.setattr("paceline.batch._work._STORE_PAUSE", 0.05)
    (_, binary), *_ = rig.servers()
    (tmp_path / "store").mkdir()
    server = rig.Server(binary, tmp_path / "store").start()
    batch.store = server.url
    seen = []

    def look(progress):
        seen.append(progress)
        if len(seen) == 1:
            server.kill()
        elif len(seen) == 2:
            server.start()

    try:
        summary = batch.run(rows(30), limits=("1k/s",), progress=look)
    finally:
        server.kill()
    assert summary.complete
    assert seen[1].done < 30
    assert answered(batch.output) == ONCE


def test_a_stopped_run_gives_up_what_waits(batch):
    """
    What was sent is paid for; what waits for its turn gives its booking back.
    """
    stop = asyncio.Event()
    write(batch.source, rows(8))

    async def main():
        async with RateLimiter(batch.store, limits=("4/h burst 5",)) as limiter:
            task = asyncio.create_task(batch.start(limiter, stop=stop))
            while batch.sent() < 4:  # noqa: ASYNC110 -- only the provider knows
                await asyncio.sleep(0.01)
            stop.set()
            return await task

    summary = asyncio.run(main())
    assert summary.stopped == "interrupted"
    assert (summary.done, summary.failed, summary.not_sent) == (4, 0, 4)
    assert len(answered(batch.output)) == 4
    with RateLimiter(batch.store, limits=("4/h burst 5",)) as limiter:
        (status,) = limiter.peek(Key(KEY, "gpt-4o"))
    assert status.remaining == 1


def test_a_cancelled_run_ends_at_once_and_keeps_what_it_has(batch):
    """
    As a notebook's interrupt does it; the next run is free to write the output.
    """
    batch.mock.fail("hang after=5")
    write(batch.source, rows(12))

    async def main():
        async with RateLimiter(batch.store, limits=LIMITS) as limiter:
            task = asyncio.create_task(batch.start(limiter))
            while batch.sent() < 5:  # noqa: ASYNC110 -- only the provider knows
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    start = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - start < 30  # not the 600 s of an answer
    assert len(answered(batch.output)) == 5
    batch.mock.recover()
    assert batch.run().complete
    assert len(answered(batch.output)) == 12


def test_models_do_not_wait_for_each_other(batch):
    """
    One that is far from its turn does not keep the rows of another.
    """
    lines = [row(f"slow{i}", model="slow") for i in range(20)]
    lines += [row(f"fast{i}", model="fast") for i in range(20)]
    limits = {"slow": ["1/h"], "fast": ["100/s"]}
    stop = asyncio.Event()

    def look(progress):
        if progress.done == 21:
            stop.set()

    summary = batch.run(lines, limits=limits, tasks=8, stop=stop, progress=look)
    assert (summary.done, summary.not_sent) == (21, 19)
    assert sum(name.startswith("fast") for name in answered(batch.output)) == 20


def test_progress_is_told_with_the_use_of_each_limit(batch):
    """
    Its last word is the end.
    """
    seen = []
    summary = batch.run(rows(12), progress=seen.append)
    last = seen[-1]
    assert (last.rows, last.done, last.failed, last.in_flight) == (12, 12, 0, 0)
    assert last.eta == 0.0
    assert {each.model for each in last.limits} == {"gpt-4o"}
    assert [each.status.name for each in last.limits] == ["requests/s", "tokens/min"]
    assert summary.seconds >= last.seconds


def test_an_error_of_the_callback_ends_the_run(batch):
    """
    It is raised as it is.
    """

    def look(_):
        raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError, match="oops"):
        batch.run(rows(3), progress=look)


def test_invalid_rows_are_left_out_when_asked(batch):
    """
    And counted; otherwise nothing is sent.
    """
    with pytest.raises(ConfigError) as caught:
        batch.run([*rows(3), "{}"])
    assert caught.value.code == "P701"
    assert batch.sent() == 0
    summary = batch.run([*rows(3), "{}"], skip_invalid=True)
    assert (summary.rows, summary.invalid, summary.done) == (3, 1, 3)


def test_lines_left_out_are_not_lost_with_a_file_that_is_replaced(batch):
    """
    An input that is the file of errors too keeps what a person may still mend.
    """
    write(batch.errors, [*rows(3), "{"])
    before = batch.errors.read_bytes()
    with pytest.raises(ConfigError, match="1 lines that are no requests") as caught:
        batch.run(source=batch.errors, skip_invalid=True)
    assert caught.value.code == "P703"
    assert batch.errors.read_bytes() == before
    assert batch.sent() == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"base_url": "api.openai.com"}, "P706"),
        ({"base_url": "ftp://host/v1"}, "P706"),
        ({"api_key": "sk-a\n"}, "P706"),
        ({"api_key": ""}, "P706"),
        ({"tasks": 0}, "P706"),
        ({"retries": -1}, "P706"),
        ({"errors": "out.jsonl"}, "P703"),
    ],
)
def test_options_that_make_no_sense_are_told(batch, options, code):
    """
    Before anything is sent.
    """
    if "errors" in options:
        options = {"errors": batch.output}
    with pytest.raises(ConfigError) as caught:
        batch.run(rows(2), **options)
    assert caught.value.code == code
    assert "sk-a" not in str(caught.value)
    assert batch.sent() == 0


def test_the_key_is_nowhere(batch, caplog):
    """
    Not in the output, the errors, the logs or the store.
    """
    caplog.set_level(logging.DEBUG)
    batch.mock.fail("invalid_api_key after=3 next=2")
    batch.run(rows(6), tasks=1)
    texts = [batch.output.read_text(), batch.errors.read_text(), caplog.text]
    assert all(KEY not in text and KEY[8:] not in text for text in texts)


def test_a_quota_with_a_name_needs_no_key(batch, monkeypatch):
    """
    As with a server of one's own; without both, the variable is named.
    """
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def main(**options):
        async with RateLimiter(batch.store, limits=LIMITS) as limiter:
            url = batch.mock.base_url
            return await run_batch(
                batch.source, batch.output, limiter, base_url=url, **options
            )

    write(batch.source, [row("a", CHAT)])
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        asyncio.run(main())
    # The pretend provider wants a key, so it is asked without one, and says so.
    assert asyncio.run(main(scope="team")).reasons == {"invalid_request_error": 1}
