"""How long calls of the store take, and what is measured of the provider's answers."""

import asyncio
import threading
from contextlib import suppress

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from paceline import Key, RateLimiter, StoreUnavailable, events
from paceline.otel import metrics as otel_metrics
from paceline.prometheus import metrics as prometheus_metrics

KEY = Key(scope="team-a", model="gpt-4o")


def calls(seen):
    return [event for event in seen if isinstance(event, events.Called)]


def test_each_call_of_the_store_is_timed(store_url):
    """
    By what it does, on every store; who asked is not told, for it may be many.
    """
    seen = []
    with RateLimiter(store_url, limits="9/min", on_event=seen.append) as limiter:
        limiter.acquire("a", 2).settle(1)
        limiter.peek("a")
        limiter.cool_down("a", 0.01)
        limiter.reset("a")
    told = calls(seen)
    assert [event.op for event in told] == [
        "acquire", "settle", "peek", "cool_down", "reset",
    ]  # fmt: skip
    for event in told:
        assert (event.scope, event.model, event.code) == ("", "", None)
        assert 0 < event.seconds < 5


def test_a_call_that_serves_many_tasks_is_one_measurement(store_url):
    """
    All who ask in one iteration of the loop.
    """
    seen = []

    async def work():
        async with RateLimiter(
            store_url, limits="99/min", on_event=seen.append
        ) as limiter:
            for _ in range(2):  # the second one asks who else is there
                await limiter.try_acquire_async("a")
            seen.clear()
            await asyncio.gather(*(limiter.try_acquire_async("a") for _ in range(20)))

    asyncio.run(work())
    assert [event.op for event in calls(seen)] == ["acquire"]
    assert len(seen) == 1 + 20


def test_there_are_as_many_measurements_as_the_server_had_calls(clean_server):
    """
    Of threads, too, some of whom ask for others.
    """
    seen = []
    with RateLimiter(clean_server.url, limits="9k/min", on_event=seen.append) as ours:
        ours.acquire("a")  # the script is known from here on
        clean_server.client().config_resetstat()
        seen.clear()
        threads = [
            threading.Thread(target=lambda: [ours.try_acquire("a") for _ in range(20)])
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = clean_server.client().info("commandstats")
    assert len(calls(seen)) == stats["cmdstat_evalsha"]["calls"] <= 120
    assert len(seen) - len(calls(seen)) == 120


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_call_that_failed_is_timed_with_its_error(clean_server, kind):
    """
    What is not even sent, because the store was found gone, is no call of it.
    """
    seen = []
    how = {"limits": "9/min", "on_event": seen.append, "on_outage": "raise"}

    async def ask(limiter):
        if kind == "sync":
            await asyncio.to_thread(limiter.acquire, "a")
        else:
            await limiter.acquire_async("a")

    async def work():
        async with RateLimiter(clean_server.url, **how) as limiter:
            await ask(limiter)
            clean_server.kill()
            for _ in range(30):
                with suppress(StoreUnavailable):
                    await ask(limiter)

    try:
        asyncio.run(work())
    finally:
        clean_server.start()
    first, *others = calls(seen)
    assert (first.op, first.code) == ("acquire", None)
    assert {(event.op, event.code) for event in others} == {("acquire", "P201")}
    failed = [event for event in seen if isinstance(event, events.Failed)]
    assert 1 <= len(others) < len(failed) == 30


def test_prometheus_has_times_errors_and_answers():
    """
    The first refusal is an increase: its series is there from the first answer on.
    """
    registry = CollectorRegistry()
    measure = prometheus_metrics(registry)
    measure(events.Called("", "", "acquire", 0.0004, None))
    measure(events.Called("", "", "acquire", 0.5, "P201"))
    measure(events.Answered("team-a", "gpt-4o", 200))

    def value(name, **labels):
        return registry.get_sample_value(f"paceline_{name}", labels)

    times = {"op": "acquire", "error": ""}
    assert value("store_duration_seconds_count", **times) == 1
    assert value("store_duration_seconds_bucket", le="0.0005", **times) == 1
    assert value("store_duration_seconds_bucket", le="0.00025", **times) == 0
    failed = {"op": "acquire", "error": "P201"}
    assert value("store_duration_seconds_sum", **failed) == 0.5
    assert value("store_errors_total", **failed) == 1
    assert value("store_errors_total", **times) is None
    who = {"scope": "team-a", "model": "gpt-4o"}
    assert value("upstream_responses_total", status="200", **who) == 1
    assert value("upstream_responses_total", status="429", **who) == 0
    measure(events.Answered("team-a", "gpt-4o", 429))
    assert value("upstream_responses_total", status="429", **who) == 1


def test_opentelemetry_names_errors_and_statuses_as_its_conventions_do():
    """
    What did not fail has no type of error; a status is a number.
    """
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    measure = otel_metrics(provider)
    measure(events.Called("", "", "acquire", 0.001, None))
    measure(events.Called("", "", "settle", 0.5, "P201"))
    measure(events.Answered("team-a", "gpt-4o", 429))
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    provider.shutdown()
    points = {
        metric.name: [dict(point.attributes) for point in metric.data.data_points]
        for metric in data
    }
    failed = {"paceline.store.op": "settle", "error.type": "P201"}
    assert points == {
        "paceline.store.duration": [{"paceline.store.op": "acquire"}, failed],
        "paceline.store.errors": [failed],
        "paceline.upstream.responses": [
            {
                "paceline.scope": "team-a",
                "gen_ai.request.model": "gpt-4o",
                "http.response.status_code": 429,
            }
        ],
    }


def test_an_adapter_tells_how_the_provider_answered(store_url):
    """
    By the name and the account of the key; nothing is asked or charged.
    """
    seen = []
    families = {"gpt-4o": ["gpt-4o", "gpt-4o-*"]}
    with RateLimiter(
        store_url, limits="9/min", families=families, on_event=seen.append
    ) as limiter:
        limiter.answered(Key("sk-live-1", "gpt-4o-mini", name="ours"), 429)
    assert seen == [events.Answered("ours", "gpt-4o", 429)]
    with RateLimiter(store_url, limits="9/min") as limiter:
        limiter.answered(KEY, 429)  # where nobody is told, nothing happens
