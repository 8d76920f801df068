"""
From events to measurements: what ``otel`` and ``prometheus`` have in common.

Labels are bounded: so many scopes and models are told apart, all further ones are
"other". None is a key, or made from one.
"""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ._events import (
    Abandoned,
    Admitted,
    Answered,
    Called,
    CooledDown,
    Ended,
    Event,
    Failed,
    Healed,
    OutageBegan,
    OutageEnded,
    Rebooked,
    Refused,
    Repaid,
    Replayed,
    Settled,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OTHER = "other"
# Seconds; from a scheduler's delay to a minute's window.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# From a round trip on one machine to the longest that a call is waited for.
_BRIEF_BUCKETS = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
_REFUSED = "429"


class Name(NamedTuple):
    """
    An instrument.

    Attributes:
        name: In dots; ``paceline.`` comes before it.

        kind: counter, gauge (goes up and down) or histogram.

        unit: What it counts; "s" are seconds.

        help: For people.

        labels: Beside scope and model.

        buckets: Of a histogram: their upper bounds.
    """

    name: str
    kind: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


TIME = Name(
    "acquire.time_in_queue", "histogram", "s", "From asking to an answer.", ("result",),
    _BUCKETS,
)  # fmt: skip
QUEUED = Name("acquire.queued", "gauge", "", "Callers who wait for their turn.")
CONSUMED = Name("consumed", "counter", "", "Units booked, and overruns.", ("unit",))
REFUNDED = Name("refunded", "counter", "", "Units given back.", ("unit",))
REBOOKED = Name("rebooked", "counter", "", "Turns given back and booked anew.")
REPLAYED = Name("replayed", "counter", "", "Answers that were lost and fetched again.")
COOLED = Name("cool_downs", "counter", "", "Cool-downs that this process called.")
HEALED = Name("healed", "counter", "", "Times that lost data was told again.")
OFFLINE = Name("admitted.offline", "counter", "", "Callers let go without the store.")
REPAID = Name(
    "repaid", "counter", "", "Units charged when the store was back.", ("unit",)
)
OUTAGES = Name(
    "store.outages", "counter", "", "Times that the store was found gone.", ("error",)
)
DOWN = Name("store.down", "gauge", "", "1 while the store is gone.")
CALLS = Name(
    "store.duration", "histogram", "s", "How long calls of the store took.",
    ("op", "error"), _BRIEF_BUCKETS,
)  # fmt: skip
ERRORS = Name(
    "store.errors", "counter", "", "Calls of the store that failed.", ("op", "error")
)
RESPONSES = Name(
    "upstream.responses", "counter", "", "Answers of the provider.", ("status",)
)
NAMES = (
    TIME, QUEUED, CONSUMED, REFUNDED, REBOOKED, REPLAYED, COOLED, HEALED,
    OFFLINE, REPAID, OUTAGES, DOWN, CALLS, ERRORS, RESPONSES,
)  # fmt: skip
# The store is one, whichever account noticed.
UNLABELLED = (OUTAGES, DOWN, CALLS, ERRORS)

_RESULTS: tuple[tuple[type[Ended], str], ...] = (
    (Admitted, "acquired"),
    (Refused, "refused"),
    (Abandoned, "cancelled"),
    (Failed, "store_error"),
)
_COUNTED: tuple[tuple[type[Event], Name], ...] = (
    (Waiting, QUEUED),
    (Rebooked, REBOOKED),
    (Replayed, REPLAYED),
    (CooledDown, COOLED),
    (Healed, HEALED),
)


class Sink(Protocol):
    """Where measurements go."""

    def measure(self, name: Name, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter or gauge, or record in a histogram."""


class Meter:
    """
    Turns events into measurements; an event handler.

    Args:
        most: How many scopes, and how many models, are told apart.
    """

    def __init__(self, sink: Sink, most: int) -> None:
        self._sink = sink
        self._most = most
        self._lock = threading.Lock()
        self._known: tuple[set[str], set[str]] = (set(), set())
        self._answered: set[tuple[str, str]] = set()

    def __call__(self, event: Event, /) -> None:
        """Measure an event."""
        for name, amount, labels in _measurements(event):
            if name not in UNLABELLED:
                labels["scope"] = self._bounded(0, event.scope)
                labels["model"] = self._bounded(1, event.model)
            if name is RESPONSES:
                self._begin_refusals(labels)
            self._sink.measure(name, amount, labels)

    def _begin_refusals(self, labels: Mapping[str, str]) -> None:
        # A counter that begins with its first refusal shows no increase by it.
        who = (labels["scope"], labels["model"])
        if who not in self._answered:
            self._answered.add(who)
            self._sink.measure(RESPONSES, 0, {**labels, "status": _REFUSED})

    def _bounded(self, which: int, value: str) -> str:
        known = self._known[which]
        if value not in known:
            with self._lock:
                if len(known) >= self._most:
                    return OTHER
                known.add(value)
        return value


def result_of(event: Ended) -> str:
    """Return in a word how a caller's wait ended."""
    if isinstance(event, Refused) and event.retry_after == inf:
        return "too_large"
    return next(word for kind, word in _RESULTS if isinstance(event, kind))


def _measurements(event: Event) -> Iterator[tuple[Name, float, dict[str, str]]]:
    if isinstance(event, Ended):
        yield from _ended(event)
    elif isinstance(event, Settled):
        yield from _settled(event)
    elif isinstance(event, Repaid):
        for unit, amount in event.units.items():
            if amount:
                yield REPAID, amount, {"unit": unit}
    elif isinstance(event, OutageBegan | OutageEnded | Called):
        yield from _of_the_store(event)
    elif isinstance(event, Answered):
        yield RESPONSES, 1, {"status": str(event.status)}
    else:
        for kind, name in _COUNTED:
            if isinstance(event, kind):
                yield name, 1, {}


def _ended(event: Ended) -> Iterator[tuple[Name, float, dict[str, str]]]:
    yield TIME, event.seconds, {"result": result_of(event)}
    if event.queued:
        yield QUEUED, -1, {}
    if isinstance(event, Admitted):
        for unit, amount in event.units.items():
            yield CONSUMED, amount, {"unit": unit}
        if event.offline:
            yield OFFLINE, 1, {}


def _settled(event: Settled) -> Iterator[tuple[Name, float, dict[str, str]]]:
    for unit, used in event.used.items():
        more = used - event.booked.get(unit, 0)
        if more:
            yield (CONSUMED if more > 0 else REFUNDED), abs(more), {"unit": unit}


def _of_the_store(
    event: OutageBegan | OutageEnded | Called,
) -> Iterator[tuple[Name, float, dict[str, str]]]:
    if isinstance(event, OutageBegan):
        yield OUTAGES, 1, {"error": event.code}
        yield DOWN, 1, {}
    elif isinstance(event, OutageEnded):
        yield DOWN, -1, {}
    else:
        labels = {"op": event.op, "error": event.code or ""}
        yield CALLS, event.seconds, labels
        if event.code is not None:
            yield ERRORS, 1, labels
