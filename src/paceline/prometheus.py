"""
Metrics for Prometheus: ``RateLimiter(..., on_event=metrics())`` and ``accounts()``.

Needs ``pip install "paceline[prometheus]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import ConfigError
from ._meter import NAMES, UNLABELLED, Meter, Name

try:
    import prometheus_client as client
    from prometheus_client.core import GaugeMetricFamily
except ModuleNotFoundError as _error:
    raise ConfigError(
        "paceline.prometheus needs prometheus-client, which is not installed",
        code="P601",
        hint='pip install "paceline[prometheus]"',
    ) from _error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._events import EventHandler
    from ._gauges import Found, Gauges

__all__ = ["accounts", "metrics"]


def metrics(
    registry: client.CollectorRegistry | None = None, *, most_labels: int = 100
) -> EventHandler:
    """
    Return a handler of events that measures them; make it once per registry.

    ``paceline_acquire_time_in_queue_seconds`` (by result), ``paceline_acquire_queued``,
    ``paceline_consumed_total`` and ``paceline_refunded_total`` (by unit),
    ``paceline_rebooked_total``, ``paceline_replayed_total``,
    ``paceline_cool_downs_total``, ``paceline_healed_total``,
    ``paceline_admitted_offline_total``, ``paceline_repaid_total`` (by unit),
    ``paceline_upstream_responses_total`` (by status),
    ``paceline_store_duration_seconds`` (by what was called and error),
    ``paceline_store_errors_total`` (the same), ``paceline_store_outages_total`` (by
    error) and ``paceline_store_down``.

    Args:
        registry: None takes the global one.

        most_labels: How many scopes, and how many models, are told apart; all further
            ones are "other".

    Raises:
        ConfigError: If prometheus-client is not installed (P601).
    """
    return Meter(_Instruments(registry or client.REGISTRY), most_labels)


def accounts(
    store: object = None,
    *,
    registry: client.CollectorRegistry | None = None,
    most_labels: int = 100,
    timeout: float = 5.0,
    max_age: float = 1.0,
) -> Gauges:
    """
    Show in a registry how all accounts of a store stand, whoever uses them.

    ``paceline_limit``, ``paceline_used``, ``paceline_free`` and ``paceline_waiting``
    (by unit and window), ``paceline_cool_down_seconds``, ``paceline_refusals``,
    ``paceline_scopes`` and ``paceline_store_up``. They are read from the store when
    somebody scrapes, and are those of all processes: one that shows them is enough.
    While the store is not there, ``paceline_store_up`` is 0 and there are no others.

    On an event loop a scrape does not wait: it shows what the one before began to read.

    Args:
        store: As of RateLimiter.

        registry: None takes the global one.

        most_labels: How many scopes, and how many models, are told apart; all further
            ones are added up as "other".

        timeout: Seconds that a scrape waits for the store.

        max_age: Seconds for which what was read serves further scrapes.

    Returns:
        What :meth:`close` takes out of the registry again.

    Raises:
        ConfigError: If there is no such store (P106, P107), prometheus-client or
            another extra is not installed (P601), or a number makes no sense (P111).
        ValueError: Prometheus': if the registry has them already.
    """
    from ._gauges import Gauges  # noqa: PLC0415 -- who only counts needs no client

    gauges = Gauges(store, most=most_labels, timeout=timeout, max_age=max_age)
    where, collector = registry or client.REGISTRY, _Collector(gauges)
    where.register(collector)
    gauges.at_end(lambda: where.unregister(collector))
    return gauges


class _Collector:
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Tell the names, without asking the store."""
        yield from _families({})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask the store."""
        yield from _families(self._gauges.read())


def _families(found: Found) -> Iterator[GaugeMetricFamily]:
    from ._gauges import GAUGES, labels_of  # noqa: PLC0415 -- as above

    for name in GAUGES:
        family = GaugeMetricFamily(_text(name), name.help, labels=labels_of(name))
        for labels, value in found.get(name, {}).items():
            family.add_metric(labels, value)
        yield family


def _text(name: Name) -> str:
    text = f"paceline_{name.name.replace('.', '_')}"
    return f"{text}_seconds" if name.unit == "s" else text


class _Instruments:
    def __init__(self, registry: client.CollectorRegistry) -> None:
        self._by_name: dict[Name, client.Counter | client.Gauge | client.Histogram] = {}
        for name in NAMES:
            text = _text(name)
            who = () if name in UNLABELLED else ("scope", "model")
            labels = (*who, *name.labels)
            if name.kind == "counter":
                made = client.Counter(text, name.help, labels, registry=registry)
                self._by_name[name] = made
            elif name.kind == "gauge":
                gauge = client.Gauge(
                    text,
                    name.help,
                    labels,
                    registry=registry,
                    multiprocess_mode="livesum",
                )
                self._by_name[name] = gauge
            else:
                self._by_name[name] = client.Histogram(
                    text,
                    name.help,
                    labels,
                    registry=registry,
                    buckets=name.buckets,
                )

    def measure(self, name: Name, amount: float, labels: Mapping[str, str]) -> None:
        instrument = self._by_name[name]
        child = instrument.labels(**labels) if labels else instrument
        if isinstance(child, client.Histogram):
            child.observe(amount)
        else:
            child.inc(amount)
