"""
Metrics for Prometheus: ``RateLimiter(..., on_event=metrics())``.

Needs ``pip install "paceline[prometheus]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import ConfigError
from ._meter import NAMES, UNLABELLED, Meter, Name

try:
    import prometheus_client as client
except ModuleNotFoundError as _error:
    raise ConfigError(
        "paceline.prometheus needs prometheus-client, which is not installed",
        code="P601",
        hint='pip install "paceline[prometheus]"',
    ) from _error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._events import EventHandler

__all__ = ["metrics"]


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


class _Instruments:
    def __init__(self, registry: client.CollectorRegistry) -> None:
        self._by_name: dict[Name, client.Counter | client.Gauge | client.Histogram] = {}
        for name in NAMES:
            text = f"paceline_{name.name.replace('.', '_')}"
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
                    f"{text}_seconds",
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
