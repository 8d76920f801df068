"""Events and metrics of a limiter at work, on every store."""

import asyncio
import math
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from paceline import (
    ConfigError,
    CostTooLarge,
    Key,
    RateLimiter,
    RateLimitExceeded,
    StoreUnavailable,
    events,
)
from paceline._meter import NAMES, UNLABELLED, Meter, result_of
from paceline.otel import metrics as otel_metrics, spans
from paceline.prometheus import metrics as prometheus_metrics

API_KEY = "sk-live-51Habcdefghijklmnop"


def kinds(seen):
    return [type(event).__name__ for event in seen]


def noting(seen):
    """Return a handler that notes what befalls callers, not each call of the store."""

    def note(event):
        if not isinstance(event, events.Called):
            seen.append(event)

    return note


def test_the_life_of_calls_is_told(store_url):
    """
    Sync verbs: admitted, settled, waited, refused, cooled down.
    """
    seen = []
    limits = ["2 per 200ms", "1k tokens/min"]
    with RateLimiter(store_url, limits=limits, on_event=noting(seen)) as limiter:
        limiter.acquire("a", {"tokens": 100}).settle({"tokens": 60})
        assert limiter.try_acquire("a", {"tokens": 1})
        assert not limiter.try_acquire("a", {"tokens": 1})
        limiter.acquire("a", {"tokens": 1})
        with pytest.raises(RateLimitExceeded):
            limiter.acquire("a", {"requests": 2, "tokens": 1}, timeout=0)
        limiter.cool_down("a", 0.5)
    # On a busy machine a sleeper may wake late, and book its turn anew.
    seen = [event for event in seen if not isinstance(event, events.Rebooked)]
    assert kinds(seen) == [
        "Admitted", "Settled", "Admitted", "Refused", "Waiting", "Admitted", "Refused",
        "CooledDown",
    ]  # fmt: skip
    assert seen[0].units == {"requests": 1, "tokens": 100}
    assert seen[1].used == {"requests": 1, "tokens": 60}
    assert seen[3].limit == "requests/200ms"
    assert seen[5].queued
    assert [seen[0].limit, seen[5].limit] == [None, "requests/200ms"]
    assert 0 < seen[5].seconds < 5
    assert seen[-1].seconds == 0.5


def test_async_verbs_tell_the_same(store_url):
    """
    A cancelled waiter, too.
    """
    seen = []

    async def run():
        waits = asyncio.Event()

        def note(event):
            noting(seen)(event)
            if isinstance(event, events.Waiting):
                waits.set()

        limits = ["2/min", "2 concurrent"]
        async with RateLimiter(store_url, limits=limits, on_event=note) as limiter:
            permit = await limiter.acquire_async("a", 2)
            task = asyncio.create_task(limiter.acquire_async("a", 1, timeout=90))
            await waits.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await permit.cancel_async()

    asyncio.run(run())
    assert kinds(seen) == ["Admitted", "Waiting", "Abandoned", "Settled"]
    assert seen[-1].used == {"requests": 0}


def test_an_outage_is_told(clean_server):
    """
    It begins with the first call that meets it and ends with the first that does not.
    """
    seen = []
    with RateLimiter(
        clean_server.url, limits="9/min", on_event=noting(seen), on_outage="raise"
    ) as limiter:
        limiter.acquire("a")
        clean_server.kill()
        for _ in range(2):
            with pytest.raises(Exception, match="P201"):
                limiter.acquire("a")
        clean_server.start()
        for _ in range(50):  # nobody tries again before the breaker's pause is over
            with suppress(StoreUnavailable):
                limiter.acquire("a")
                break
            time.sleep(0.1)
    failed = [each for each in seen if kinds([each]) == ["Failed"]]
    assert len(failed) >= 2
    assert kinds(each for each in seen if each not in failed) == [
        "Admitted", "OutageBegan", "OutageEnded", "Healed", "Admitted",
    ]  # fmt: skip
    assert {seen[1].code, *(each.code for each in failed)} == {"P201"}


@pytest.mark.parametrize("verb", ["acquire", "try_acquire"])
def test_calls_without_the_store_are_told_and_what_was_charged_for_them(
    clean_server, verb
):
    """
    Metrics tell them from others while the store is away, and count what is made good.
    """
    seen, told = [], threading.Event()

    def note(event):
        seen.append(event)
        if isinstance(event, events.Repaid):
            told.set()

    limits = ["90/min", "20k tokens/hour"]
    with RateLimiter(clean_server.url, limits=limits, on_event=note) as limiter:
        ask = partial(getattr(limiter, verb), "a", {"tokens": 7})
        assert [ask() for _ in range(3)][-1]
        clean_server.kill()
        assert ask()
        assert ask()
        clean_server.start()
        assert told.wait(20)
    admitted = [each.offline for each in seen if isinstance(each, events.Admitted)]
    assert admitted == [False, False, False, True, True]
    (repaid,) = (each for each in seen if isinstance(each, events.Repaid))
    assert repaid.units == {"requests": 2, "tokens": 14}


def test_nothing_is_watched_unless_asked_for():
    """
    Without on_event= what follows plans and times calls is not even imported.
    """
    code = (
        "import sys; from paceline import RateLimiter\n"
        "RateLimiter('memory://x', limits='9/min').acquire('a')\n"
        "ours = {'paceline._watch', 'paceline.stores._timed'}\n"
        "print(ours & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_handler_is_called_with_one_argument():
    """
    Anything else is a slip.
    """
    with pytest.raises(ConfigError, match="on_event is a str"):
        RateLimiter("memory://x", limits="9/min", on_event="log")


def work(store_url, handler):
    """Admit, settle both ways, refuse; the key has no name."""
    limits = ["9/min", "1k tokens/min"]
    key = Key(api_key=API_KEY, model="gpt-4o")
    with RateLimiter(store_url, limits=limits, on_event=handler) as limiter:
        limiter.acquire(key, {"tokens": 100}).settle({"tokens": 60})
        limiter.acquire(key, {"tokens": 10}).settle({"tokens": 35})
        limiter.try_acquire(key, {"requests": 9, "tokens": 1})
        limiter.cool_down("team-a", 0.01)


def test_prometheus_has_the_numbers(store_url):
    """
    Consumed less refunded is what was used; no label is a key.
    """
    registry = CollectorRegistry()
    work(store_url, prometheus_metrics(registry))

    def value(name, **labels):
        return registry.get_sample_value(f"paceline_{name}", labels)

    who = {"scope": "", "model": "gpt-4o"}
    assert value("consumed_total", unit="tokens", **who) == 135
    assert value("refunded_total", unit="tokens", **who) == 40
    assert value("consumed_total", unit="requests", **who) == 2
    time = "acquire_time_in_queue_seconds_count"
    assert value(time, result="acquired", **who) == 2
    assert value(time, result="refused", **who) == 1
    assert value("cool_downs_total", scope="team-a", model="") == 1
    assert value("store_down") == 0
    assert API_KEY[8:] not in generate_latest(registry).decode()


def test_opentelemetry_has_a_span_of_each_wait_in_that_of_the_caller(store_url):
    """
    With what made it wait. Who does not wait costs no span.
    """
    spool = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spool))
    tracer = provider.get_tracer("tests")
    trace, limits = spans(provider, least=0.1), ["1 per 300ms", "9k tokens/min"]

    async def work():
        async with RateLimiter(store_url, limits=limits, on_event=trace) as limiter:
            with tracer.start_as_current_span("theirs"):
                for _ in range(2):
                    await limiter.acquire_async(Key(api_key=API_KEY), {"tokens": 1})

    asyncio.run(work())
    ours, theirs = spool.get_finished_spans()
    assert (ours.name, theirs.name) == ("paceline.acquire", "theirs")
    assert ours.parent.span_id == theirs.context.span_id
    assert ours.attributes == {
        "paceline.scope": "",
        "paceline.result": "acquired",
        "paceline.wait_reason": "requests/300ms",
    }
    assert 0.1 < (ours.end_time - ours.start_time) / 1e9 < 5
    assert theirs.start_time <= ours.start_time


def test_a_span_tells_which_error_the_store_had(free_port):
    """
    It is no success.
    """
    spool = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spool))
    url, trace = f"redis://127.0.0.1:{free_port}", spans(provider, least=0.0)
    with (
        RateLimiter(url, limits="9/min", on_event=trace) as limiter,
        pytest.raises(StoreUnavailable),
    ):
        limiter.acquire(Key(scope="a", model="gpt-4o"))
    (span,) = spool.get_finished_spans()
    assert not span.status.is_ok
    assert span.attributes == {
        "paceline.scope": "a",
        "gen_ai.request.model": "gpt-4o",
        "paceline.result": "store_error",
        "error.type": "P201",
    }


def test_a_cost_that_turns_out_never_to_fit_is_refused_and_nobody_gave_it_up(
    store_url,
):
    """
    As where another process has corrected the limit: no waiting would help.
    """
    seen, limits = [], "9 requests/min"
    with (
        RateLimiter(store_url, limits=limits, on_event=noting(seen)) as limiter,
        RateLimiter(store_url, limits=limits) as other,
    ):
        limiter.acquire("large")
        other.correct("large", "requests/min", 3)
        with pytest.raises(CostTooLarge):
            limiter.acquire("large", 5, timeout=0)
    assert kinds(seen) == ["Admitted", "Refused"]
    assert seen[1].retry_after == math.inf
    assert result_of(seen[1]) == "too_large"


def test_opentelemetry_has_the_numbers(store_url):
    """
    The same, with the names of its conventions.
    """
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    work(store_url, otel_metrics(provider))
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    provider.shutdown()
    points = {
        (metric.name, *sorted(point.attributes.items())): point
        for metric in data
        for point in metric.data.data_points
    }
    who = (("gen_ai.request.model", "gpt-4o"), ("paceline.scope", ""))
    tokens = sorted([*who, ("paceline.unit", "tokens")])
    assert points["paceline.consumed", *tokens].value == 135
    assert points["paceline.refunded", *tokens].value == 40
    times = sorted([*who, ("paceline.result", "acquired")])
    assert points["paceline.acquire.time_in_queue", *times].count == 2


def test_labels_are_bounded():
    """
    Scopes and models may come from users; what is beyond the bound is "other".
    """
    seen = []

    class Sink:
        def measure(self, *measured):
            labels = measured[-1]
            seen.append((labels["scope"], labels["model"]))

    meter = Meter(Sink(), 2)
    for scope in ("a", "b", "c", "a", "d"):
        meter(events.Rebooked(scope, "m"))
    assert seen == [("a", "m"), ("b", "m"), ("other", "m"), ("a", "m"), ("other", "m")]


@pytest.mark.parametrize(
    "event",
    [
        events.Waiting("a", "m"),
        events.Admitted("a", "m", 0.1, queued=True, units={"requests": 1}),
        events.Refused("a", "m", 0.1, queued=False, limit="rpm", retry_after=1.0),
        events.Abandoned("a", "m", 0.1, queued=True),
        events.Failed("a", "m", 0.1, queued=True, code="P201"),
        events.Rebooked("a", "m"),
        events.Replayed("a", "m"),
        events.Settled("a", "m", {"requests": 1}, {"requests": 0}),
        events.CooledDown("a", "m", 1.0),
        events.Repaid("a", "m", {"requests": 1}),
        events.OutageBegan("a", "m", "P201"),
        events.OutageEnded("a", "m", 1.0),
        events.Called("", "", "acquire", 0.001, None),
        events.Called("", "", "settle", 0.5, "P201"),
        events.Answered("a", "m", 429),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_event_is_measured_with_the_labels_of_its_instrument(event):
    """
    By both adapters: a label too few or too many is an error of Prometheus'.
    """
    measured = []

    class Sink:
        def measure(self, name, _, labels):
            measured.append(name)
            who = () if name in UNLABELLED else ("scope", "model")
            assert sorted(labels) == sorted((*who, *name.labels))

    Meter(Sink(), 9)(event)
    assert measured
    assert set(measured) <= set(NAMES)
    prometheus_metrics(CollectorRegistry())(event)


@pytest.mark.parametrize(
    ("module", "needs"),
    [("otel", "opentelemetry"), ("prometheus", "prometheus_client")],
)
def test_a_missing_extra_has_the_cure(module, needs):
    """
    On import, with the command.
    """
    code = f"import sys; sys.modules[{needs!r}] = None; import paceline.{module}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f'pip install "paceline[{module}]"' in done.stderr
