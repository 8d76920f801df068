"""Whether the scripts run, and how fast; and what there is of ours."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from .._calls import Call, Clock, Request, Scope
from .._healing import BIRTH
from .._limits import SlidingWindow
from .._policy import Policy
from .._script import names
from .._wire import encode_acquire, encode_peek, encode_reset
from ..stores._needs import PATTERN
from ..stores._sending import elsewhere
from ..stores._translate import FAILURES, translate
from .patient import Finding, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from .patient import Patient

_TIMES = 50
# Seconds. A limiter gives a call half a second; a tenth of that is much already.
_SLOW, _VERY_SLOW = 0.05, 0.4
_MOST_KEYS = 10_000
_FEW = 200
# Short: whatever goes wrong, the key is gone soon.
_POLICY = Policy("", (SlidingWindow(1_000_000, 10.0),))


def scripts(patient: Patient) -> Finding:
    """Run the scripts that a permit needs, and load the others."""
    patient.runs = False
    _run(patient, _acquire(patient))
    scope = Scope(patient.key, "")
    _run(patient, encode_peek(scope, _POLICY, Clock(0, 0)))
    _run(patient, encode_reset(scope, _POLICY, Clock(0, 0)))
    patient.runs = True
    return Finding("scripts", "ok", f"run; {len(names())} in all", values={"run": True})


def latency(patient: Patient) -> Finding:
    """Measure round trips, of nothing and, if scripts run, of a decision."""
    measured = {"ping": _ping(patient)}
    if patient.runs:  # else that is told already
        measured["acquire"] = lambda: _run(patient, _acquire(patient))
    values: dict[str, object] = {}
    texts, slowest = [], 0.0
    for name, what in measured.items():
        spans = patient.timed(what, _TIMES)
        middle, slowest = median(spans), spans[_TIMES * 99 // 100]
        values[name] = {"median": middle, "p99": slowest}
        texts.append(f"{name} {_ms(middle)} (p99 {_ms(slowest)})")
    text = ", ".join(texts)
    if slowest >= _VERY_SLOW:
        remedy = "Raise call_timeout=, or move the store nearer."
        return Finding("latency", "fail", text, remedy, values)
    if slowest >= _SLOW:
        remedy = "Is the store far away, or busy? SLOWLOG GET, redis-cli --latency."
        return Finding("latency", "warn", text, remedy, values)
    return Finding("latency", "ok", text, values=values)


def keys(patient: Patient) -> Finding:
    """Count our keys; none may live for ever."""
    found, immortal = 0, 0
    try:
        for key in patient.client.scan_iter(match="paceline:1:*", count=1_000):
            if key in (BIRTH, BIRTH.encode()):
                continue  # it has no end by intent
            found += 1
            # -1: it has no end. A look at some tells.
            immortal += found <= _FEW and _has_no_end(patient, key)
            if found >= _MOST_KEYS:
                break
    except FAILURES as error:
        if translate(error, patient.place).code != "P204":
            raise
        return unknown("keys", "SCAN, PTTL")
    more = " or more" if found >= _MOST_KEYS else ""
    text = f"{found:,}{more} scopes of ours"
    values: dict[str, object] = {"scopes": found, "without_end": immortal}
    if immortal:
        text = f"{text}, {immortal} of the first {_FEW} never expire"
        remedy = f"Another program writes to {PATTERN}: PERSIST, RESTORE, or a copy?"
        return Finding("keys", "warn", text, remedy, values)
    return Finding("keys", "ok", text, values=values)


def _has_no_end(patient: Patient, key: object) -> bool:
    try:
        return bool(patient.client.pttl(key) == -1)
    except FAILURES as error:
        if elsewhere(error):
            return False  # its slot moves
        raise


def _acquire(patient: Patient) -> Call:
    scope = Scope(patient.key, "")
    return encode_acquire(scope, [Request(_POLICY, (1,), 0)], Clock(0, 0))


def _run(patient: Patient, call: Call) -> object:
    return patient.store.call(call, time.monotonic())


def _ping(patient: Patient) -> Callable[[], object]:
    """Return the smallest question that the user may ask: a limiter's has no PING."""
    try:
        patient.client.ping()
    except FAILURES as error:
        if translate(error, patient.place).code != "P204":
            raise
        return patient.client.time  # type: ignore[no-any-return]  # untyped client
    return patient.client.ping  # type: ignore[no-any-return]  # untyped client


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:.2f} ms"
