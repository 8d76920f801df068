"""
Metrics and spans for OpenTelemetry: ``RateLimiter(..., on_event=metrics())``.

``accounts()`` shows how the accounts in the store stand, beside what this process does.

Needs ``pip install "paceline[otel]"``. There is no semantic convention for rate limits;
the names follow those of ASP.NET Core's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ._errors import ConfigError
from ._events import Admitted, Ended, Event, Failed, Refused
from ._meter import NAMES, Meter, Name, result_of

try:
    from opentelemetry import metrics as api, trace
except ModuleNotFoundError as _error:
    raise ConfigError(
        "paceline.otel needs opentelemetry-api, which is not installed",
        code="P601",
        hint='pip install "paceline[otel]"',
    ) from _error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import (
        CallbackOptions,
        Counter,
        Histogram,
        Observation,
        UpDownCounter,
    )

    from ._events import EventHandler
    from ._gauges import Gauges

__all__ = ["accounts", "metrics", "spans"]

_NS = 1_000_000_000
_STATUS = "http.response.status_code"
_ATTRIBUTES = {
    "model": "gen_ai.request.model",
    "error": "error.type",
    "op": "paceline.store.op",
    "status": _STATUS,
}


def metrics(
    provider: api.MeterProvider | None = None, *, most_labels: int = 100
) -> EventHandler:
    """
    Return a handler of events that measures them.

    ``paceline.acquire.time_in_queue`` (s, by result), ``paceline.acquire.queued``,
    ``paceline.consumed`` and ``paceline.refunded`` (by unit), ``paceline.rebooked``,
    ``paceline.replayed``, ``paceline.cool_downs``, ``paceline.healed``,
    ``paceline.admitted.offline``, ``paceline.repaid`` (by unit),
    ``paceline.upstream.responses`` (by status), ``paceline.store.duration`` (s, by
    what was called and error), ``paceline.store.errors`` (the same),
    ``paceline.store.outages`` (by error) and ``paceline.store.down``.

    Args:
        provider: None takes the global one.

        most_labels: How many scopes, and how many models, are told apart; all further
            ones are "other".

    Raises:
        ConfigError: If opentelemetry-api is not installed (P601).
    """
    return Meter(_Instruments(provider or api.get_meter_provider()), most_labels)


def accounts(
    store: object = None,
    *,
    provider: api.MeterProvider | None = None,
    most_labels: int = 100,
    timeout: float = 5.0,
    max_age: float = 1.0,
) -> Gauges:
    """
    Observe how all accounts of a store stand, whoever uses them.

    ``paceline.limit``, ``paceline.used``, ``paceline.free`` and ``paceline.waiting``
    (by unit and window), ``paceline.cool_down`` (s), ``paceline.refusals``,
    ``paceline.scopes`` and ``paceline.store.up``. They are read from the store when
    metrics are collected, and are those of all processes: one that observes them is
    enough. While the store is not there, ``paceline.store.up`` is 0 and there are no
    others.

    Args:
        store: As of RateLimiter.

        provider: None takes the global one.

        most_labels: How many scopes, and how many models, are told apart; all further
            ones are added up as "other".

        timeout: Seconds that a collection waits for the store.

        max_age: Seconds for which what was read serves: all gauges of a collection, and
            other collections.

    Returns:
        What :meth:`close` silences; OpenTelemetry cannot take gauges back.

    Raises:
        ConfigError: If there is no such store (P106, P107), opentelemetry-api or
            another extra is not installed (P601), or a number makes no sense (P111).
    """
    from ._gauges import GAUGES, Gauges  # noqa: PLC0415 -- who only counts needs no client

    gauges = Gauges(store, most=most_labels, timeout=timeout, max_age=max_age)
    meter = (provider or api.get_meter_provider()).get_meter("paceline")
    for name in GAUGES:
        observe = [_observer(gauges, name)]
        about = (f"paceline.{name.name}", observe, name.unit, name.help)
        meter.create_observable_gauge(*about)
    return gauges


def _observer(
    gauges: Gauges, name: Name
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    from ._gauges import labels_of  # noqa: PLC0415 -- as above

    names = labels_of(name)

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [
            api.Observation(value, _attributes(dict(zip(names, labels, strict=True))))
            for labels, value in gauges.read().get(name, {}).items()
        ]

    return observe


def spans(
    provider: trace.TracerProvider | None = None, *, least: float = 0.01
) -> EventHandler:
    """
    Return a handler of events that makes a span of each wait.

    ``paceline.acquire``, in the span of whoever waits, with ``paceline.result`` and,
    where a limit decided, ``paceline.wait_reason``: its name. A store that failed the
    caller is ``error.type``, with the error's code.

    Args:
        provider: None takes the global one.

        least: Seconds; a shorter wait is no span.

    Raises:
        ConfigError: If opentelemetry-api is not installed (P601).
    """
    return _Spans(
        (provider or trace.get_tracer_provider()).get_tracer("paceline"), least
    )


class _Spans:
    def __init__(self, tracer: trace.Tracer, least: float) -> None:
        self._tracer = tracer
        self._least = least

    def __call__(self, event: Event, /) -> None:
        if not isinstance(event, Ended) or event.seconds < self._least:
            return
        end = time.time_ns()
        attributes = {
            "paceline.scope": event.scope,
            "paceline.result": result_of(event),
        }
        if event.model:
            attributes["gen_ai.request.model"] = event.model
        if isinstance(event, Admitted | Refused) and event.limit is not None:
            attributes["paceline.wait_reason"] = event.limit
        if isinstance(event, Failed):
            attributes["error.type"] = event.code
        span = self._tracer.start_span(
            "paceline.acquire",
            attributes=attributes,
            start_time=end - round(event.seconds * _NS),
        )
        if isinstance(event, Failed):
            span.set_status(trace.StatusCode.ERROR)
        span.end(end)


class _Instruments:
    def __init__(self, provider: api.MeterProvider) -> None:
        meter = provider.get_meter("paceline")
        self._by_name: dict[Name, Counter | Histogram | UpDownCounter] = {}
        for name in NAMES:
            about = (f"paceline.{name.name}", name.unit, name.help)
            if name.kind == "counter":
                self._by_name[name] = meter.create_counter(*about)
            elif name.kind == "gauge":
                self._by_name[name] = meter.create_up_down_counter(*about)
            else:
                self._by_name[name] = meter.create_histogram(
                    *about, explicit_bucket_boundaries_advisory=name.buckets
                )

    def measure(self, name: Name, amount: float, labels: Mapping[str, str]) -> None:
        attributes = _attributes(labels)
        instrument = self._by_name[name]
        if isinstance(instrument, api.Histogram):
            instrument.record(amount, attributes)
        else:
            instrument.add(amount, attributes)


def _attributes(labels: Mapping[str, str]) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        _ATTRIBUTES.get(label, f"paceline.{label}"): value
        for label, value in labels.items()
        if value or label != "error"  # what did not fail has no type of error
    }
    if _STATUS in attributes:
        attributes[_STATUS] = int(attributes[_STATUS])
    return attributes
