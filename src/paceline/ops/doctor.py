"""
Is this store fit for a limiter? Findings, each with its remedy.

Nothing foreign is touched: what is written goes to one throw-away key of ours, which
is emptied again and would expire by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._errors import StoreError
from ..stores._resp import readable
from ..stores._translate import FAILURES, translate
from . import _rights, _server, _work
from .patient import Finding, Patient, failed, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..stores import SyncStore

_Check = tuple[str, Callable[[Patient], Finding]]

_BY_WORK: tuple[_Check, ...] = (
    ("rights", _rights.rights),
    ("scripts", _work.scripts),
    ("latency", _work.latency),
    ("clock", _server.clock),
    ("keys", _work.keys),
)
# These need INFO.
_BY_INFO: tuple[_Check, ...] = (
    ("server", _server.server),
    ("role", _server.role),
    ("cluster", _server.cluster),
    ("eviction", _server.eviction),
    ("memory", _server.memory),
    ("persistence", _server.persistence),
    ("replicas", _server.replicas),
)


def examine(store: SyncStore) -> Iterator[Finding]:
    """
    Look at everything; yield findings as they come.

    A store that does not answer has one finding, and only that.
    """
    patient = Patient(store)
    first = _look("reach", _server.reach, patient)
    yield first
    if first.level == "fail":
        return
    try:
        for name, check in _BY_WORK:
            yield _look(name, check, patient)
        if patient.local:
            return
        told = _look("info", _info, patient)
        if told.level != "ok":  # it is not allowed, or the store went meanwhile
            yield told
            return
        for name, check in _BY_INFO:
            yield _look(name, check, patient)
    finally:
        patient.tidy()


def _info(patient: Patient) -> Finding:
    if patient.info:
        return Finding("info", "ok", "")
    names = ", ".join(name for name, _ in _BY_INFO)
    return unknown("info", f"INFO; it tells {names}")


def _look(name: str, check: Callable[[Patient], Finding], patient: Patient) -> Finding:
    try:
        with readable():
            return check(patient)
    except FAILURES as error:
        return failed(name, translate(error, patient.store.place))
    except StoreError as error:
        return failed(name, error)
