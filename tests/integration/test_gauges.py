"""How the accounts of a store stand, as Prometheus and OpenTelemetry are shown it."""

import asyncio
import os
import threading
import time
from contextlib import closing

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from paceline import (
    CalendarWindow,
    ConfigError,
    Key,
    RateLimiter,
    SlidingWindow,
    TokenBucket,
)
from paceline._calls import Clock, Request
from paceline._gauges import Gauges, window
from paceline._wire import encode_acquire
from paceline.otel import accounts as otel_accounts
from paceline.prometheus import accounts as prometheus_accounts

LIMITS = [
    "10 requests/min",
    TokenBucket(1_000, 60.0, burst=2_000, unit="tokens"),
    CalendarWindow(50, "day", "Europe/Paris"),
    "3 concurrent",
]


def shown(registry, name, **labels):
    return registry.get_sample_value(f"paceline_{name}", labels)


def samples(registry):
    """Return the names and labels of all that is shown, once each."""
    found = [
        (sample.name, *sorted(sample.labels.items()))
        for family in registry.collect()
        for sample in family.samples
    ]
    assert len(set(found)) == len(found)
    return found


def observed(reader):
    """Return the values that a collection finds, by name and attributes."""
    data = reader.get_metrics_data()
    return {
        (metric.name, *sorted(point.attributes.items())): point.value
        for resource in (data.resource_metrics if data else ())
        for metric in resource.scope_metrics[0].metrics
        for point in metric.data.data_points
    }


@pytest.fixture
def registry():
    """Return a registry with nothing in it."""
    return CollectorRegistry()


@pytest.fixture
def show(registry):
    """Show the accounts of a store in the registry until the test is over."""
    made = []

    def start(store, **options):
        options = {"max_age": 0.0, **options}
        made.append(prometheus_accounts(store, registry=registry, **options))
        return made[-1]

    yield start
    for each in made:
        each.close()


def use(store_url):
    """Use each kind of limit, and one that models share; let one wait and one cool."""
    team = Key(scope="team-a", model="gpt-4o")
    with RateLimiter(store_url, limits=LIMITS, shared="30/min") as ours:
        ours.acquire(team, {"tokens": 850})
        ours.cool_down(Key(scope="team-b", model="o1"), 90)
    with RateLimiter(store_url, limits="2/min") as ours:
        ours.acquire("crowded", 2)
        # A waiter in the midst of its wait: booked, and not yet back.
        scope, policy = ours._engine.lookup("crowded")
        asked = Request(policy, (1,), max_wait_us=70_000_000)
        call = encode_acquire(scope, [asked], Clock(1, 0))
        ours._engine._store.sync().call(call, time.monotonic())


def test_prometheus_shows_how_each_limit_stands(store_url, registry, show):
    """
    Of every account in the store, without being told the limits, as peek has it.
    """
    use(store_url)
    show(store_url)
    who = {"scope": "team-a", "model": "gpt-4o"}
    for limit, used in (
        (("requests", "min"), 1),
        (("tokens", "min burst"), 850),
        (("requests", "day calendar Europe/Paris"), 1),
        (("concurrent calls", ""), 1),
    ):
        labels = {**who, "unit": limit[0], "window": limit[1]}
        most = shown(registry, "limit", **labels)
        assert shown(registry, "used", **labels) == pytest.approx(used, abs=60)
        free = shown(registry, "free", **labels)
        assert free + shown(registry, "used", **labels) == pytest.approx(most, abs=1)
    assert shown(registry, "limit", **who, unit="tokens", window="min burst") == 2_000
    shared = {"scope": "team-a", "model": "*", "unit": "requests", "window": "min"}
    assert shown(registry, "limit", **shared) == 30
    assert shown(registry, "used", **shared) == 1
    crowded = {"scope": "crowded", "model": "", "unit": "requests", "window": "min"}
    assert shown(registry, "used", **crowded) == 2
    assert shown(registry, "waiting", **crowded) == 1
    cooling = shown(registry, "cool_down_seconds", scope="team-b", model="o1")
    assert cooling == pytest.approx(90, abs=5)
    assert shown(registry, "cool_down_seconds", **who) == 0
    assert shown(registry, "refusals", scope="team-b", model="o1") == 1
    assert shown(registry, "refusals", **who) == 0
    assert shown(registry, "scopes") == 3
    assert shown(registry, "store_up") == 1


def test_opentelemetry_shows_the_same(store_url):
    """
    With the names of its conventions; all gauges of a collection are of one moment.
    """
    use(store_url)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with closing(otel_accounts(store_url, provider=provider)):
        points = observed(reader)
    who = {"gen_ai.request.model": "", "paceline.scope": "crowded"}
    limit = sorted({
        **who, "paceline.unit": "requests", "paceline.window": "min"
    }.items())  # fmt: skip
    values = {name: points[f"paceline.{name}", *limit] for name in ("limit", "used")}
    assert values == {"limit": 2, "used": 2}
    assert points["paceline.waiting", *limit] == 1
    assert points["paceline.cool_down", *sorted(who.items())] == 0
    assert points["paceline.refusals", *sorted(who.items())] == 0
    assert points["paceline.scopes",] == 3
    assert points["paceline.store.up",] == 1
    assert observed(reader) == {}  # it is closed
    provider.shutdown()


def test_keys_without_a_name_are_one_series_and_nothing_is_made_from_a_key(
    store_url, registry, show
):
    """
    Their numbers are added up; neither a key nor a part of its tag is shown.
    """
    secrets = [f"sk-live-{number}1Habcdefghijklmnop" for number in range(3)]
    keys = [Key(secret, "gpt-4o") for secret in secrets]
    named = Key("sk-live-9Zyxwvutsrqponmlk", "gpt-4o", name="ours")
    with RateLimiter(store_url, limits=["9/min", "1k tokens/min"]) as limiter:
        for number, key in enumerate((*keys, named)):
            limiter.acquire(key, {"tokens": 100 * (number + 1)})
        limiter.cool_down(keys[1], 50)
        limiter.cool_down(keys[2], 20)
    show(store_url)
    who = {"scope": "", "model": "gpt-4o"}
    tokens = {**who, "unit": "tokens", "window": "min"}
    assert shown(registry, "used", **tokens) == 600
    assert shown(registry, "limit", **tokens) == 3_000
    assert shown(registry, "cool_down_seconds", **who) == pytest.approx(50, abs=5)
    assert shown(registry, "refusals", **who) == 2
    assert shown(registry, "scopes") == 4
    samples(registry)
    text = generate_latest(registry).decode()
    assert 'scope="ours"' in text
    for key in (*keys, named):
        for secret in (key.api_key, key.tag(None)):
            parts = {secret[at : at + 6] for at in range(len(secret) - 5)}
            assert not [part for part in parts if part in text]


def test_scopes_and_models_are_bounded_and_stay_who_they_are(
    clean_server, registry, show
):
    """
    What is beyond the bound is added up; a name that is there stays told apart.
    """
    with RateLimiter(clean_server.url, limits="9/min") as limiter:
        for name in "cde":
            limiter.acquire(Key(scope=name, model="m1"), 2)
        show(clean_server.url, most_labels=2)

        def used():
            found = {}
            for family in registry.collect():
                for sample in family.samples:
                    if sample.name == "paceline_used":
                        labels = sample.labels
                        found[labels["scope"], labels["model"]] = sample.value
            return found

        assert used() == {("c", "m1"): 2, ("d", "m1"): 2, ("other", "m1"): 2}
        limiter.acquire(Key(scope="a", model="m1"))
        limiter.acquire(Key(scope="c", model="m2"))
        limiter.acquire(Key(scope="c", model="m3"), 3)
        assert used() == {
            ("c", "m1"): 2, ("c", "m2"): 1, ("c", "other"): 3,
            ("d", "m1"): 2, ("other", "m1"): 3,
        }  # fmt: skip
        clean_server.client().delete(f"paceline:1:{{{Key(scope='c').tag(None)}}}")
        assert used() == {("a", "m1"): 1, ("d", "m1"): 2, ("other", "m1"): 2}


def test_a_store_that_is_gone_is_not_up_and_shows_nothing_else(
    clean_server, registry, show, caplog
):
    """
    Said in the log once, however often somebody scrapes; and it may come back.
    """
    with RateLimiter(clean_server.url, limits="9/min") as limiter:
        limiter.acquire("a")
    show(clean_server.url)
    assert len(samples(registry)) > 2
    clean_server.kill()
    for _ in range(3):
        assert samples(registry) == [("paceline_store_up",)]
        assert shown(registry, "store_up") == 0
    told = [each for each in caplog.records if "is not known" in each.getMessage()]
    assert len(told) == 1
    clean_server.start()
    assert shown(registry, "store_up") == 1
    clean_server.kill()
    assert shown(registry, "store_up") == 0
    told = [each for each in caplog.records if "is not known" in each.getMessage()]
    assert len(told) == 2
    clean_server.start()


def test_a_scrape_ends_in_time_whatever_the_store_does(clean_server, registry, show):
    """
    A server that is stopped takes connections, and says nothing.
    """
    show(clean_server.url, timeout=0.3)
    clean_server.pause()
    begun = time.monotonic()
    assert shown(registry, "store_up") == 0
    assert 0.3 <= time.monotonic() - begun < 5
    clean_server.resume()
    for _ in range(100):  # the look that was under way has to end first
        if shown(registry, "store_up"):
            break
        time.sleep(0.05)
    assert shown(registry, "store_up") == 1


def test_a_user_who_may_not_look_is_told_what_is_missing(
    clean_server, registry, show, caplog
):
    """
    The gauges stay away; the log has the rule.
    """
    with clean_server.client() as client:
        client.acl_setuser(
            "blind", enabled=True, passwords=["+pw"], keys=["*"], commands=["+time"]
        )
        show(clean_server.tcp_url.replace("//", "//blind:pw@"))
        assert shown(registry, "store_up") == 0
        client.acl_deluser("blind")
    assert "P204" in caplog.text
    assert "+scan" in caplog.text
    assert "pw@" not in caplog.text


def test_one_look_serves_all_who_ask_within_a_while(clean_server, registry, show):
    """
    Several scrapers do not multiply the store's work, not even at the same time.
    """
    show(clean_server.url, max_age=60.0)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    scrapers = [
        threading.Thread(target=generate_latest, args=(registry,)) for _ in range(8)
    ]
    for scraper in scrapers:
        scraper.start()
    for scraper in scrapers:
        scraper.join()
    with clean_server.client() as client:
        assert client.info("commandstats")["cmdstat_scan"]["calls"] == 1
        with closing(otel_accounts(clean_server.url, provider=provider, max_age=60.0)):
            reader.get_metrics_data()
            reader.get_metrics_data()
        provider.shutdown()
        assert client.info("commandstats")["cmdstat_scan"]["calls"] == 2


def test_an_event_loop_is_not_held_up(clean_server, registry, show):
    """
    A scrape there shows what the one before began to read.
    """
    with RateLimiter(clean_server.url, limits="9/min") as limiter:
        limiter.acquire("a")
    show(clean_server.url, timeout=30.0)
    clean_server.pause()

    async def scrape():
        return samples(registry)

    assert asyncio.run(scrape()) == []
    clean_server.resume()
    generate_latest(registry)  # waits for the look that is under way
    assert len(asyncio.run(scrape())) == 6 + 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_fork_looks_for_itself(clean_server, registry, show):
    """
    Workers that are forked after the gauges were made show them, too.
    """
    show(clean_server.url)
    assert shown(registry, "store_up") == 1
    child = os.fork()
    if child == 0:
        os._exit(7 if shown(registry, "store_up") == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert shown(registry, "store_up") == 1


def test_what_is_closed_is_out_of_the_registry(clean_server, registry, show):
    """
    Twice is once; and then they can be made again, which before is an error.
    """
    made = show(clean_server.url)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        prometheus_accounts(clean_server.url, registry=registry)
    assert shown(registry, "store_up") == 1
    made.close()
    made.close()
    assert samples(registry) == []
    assert made.read() == {}
    show(clean_server.url)
    assert shown(registry, "store_up") == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"timeout": 0}, "P111"),
        ({"timeout": -1}, "P111"),
        ({"max_age": "1s"}, "P111"),
        ({"store": "redsi://x"}, "P106"),
        ({"store": RateLimiter("memory://gauges", limits="9/min")}, "P106"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(registry, options, code):
    """
    And nothing stays in the registry.
    """
    with pytest.raises(ConfigError) as caught:
        prometheus_accounts(
            **{"store": "memory://gauges", **options}, registry=registry
        )
    assert caught.value.code == code
    assert samples(registry) == []


def test_at_the_end_of_a_program_nothing_is_told_rather_than_something_wrong(
    store_url, monkeypatch
):
    """
    No new thread can start then, which says nothing of the store.
    """
    made = Gauges(store_url, most=9, timeout=1.0, max_age=0.0)
    with monkeypatch.context() as patched:

        def start(_):
            raise RuntimeError("can't create new thread at interpreter shutdown")

        patched.setattr(threading.Thread, "start", start)
        assert made.read() == {}
    made.close()


def test_a_fault_of_ours_breaks_no_scrape(store_url, monkeypatch, caplog):
    """
    It is logged with its trace, once.
    """
    made = Gauges(store_url, most=9, timeout=5.0, max_age=0.0)
    monkeypatch.setattr(made, "_measured", lambda look: 1 / 0)
    values = [made.read() for _ in range(2)]
    assert [list(each.values()) for each in values] == [[{(): 0}]] * 2
    assert caplog.text.count("ZeroDivisionError") == 1
    made.close()


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (SlidingWindow(5, 0.2), "200ms"),
        (SlidingWindow(5, 86_400.0), "day"),
        (TokenBucket(5, 30.0), "30s burst"),
        (CalendarWindow(5, "month"), "month calendar"),
    ],
)
def test_a_window_is_the_end_of_a_limits_name(limit, text):
    """
    As decisions and errors have it, so that one leads to the other.
    """
    assert window(limit) == text
    assert limit.name == f"requests/{text}"
