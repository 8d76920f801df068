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
from ._primaries import patients, together
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

    A store that does not answer has one finding, and only that. Of a cluster every
    primary is looked at, and one that does not answer is left at that.
    """
    try:
        with readable():
            everyone = patients(store)
    except FAILURES as error:
        yield failed("reach", translate(error, store.place))
        return
    reached = [(each, _look("reach", _server.reach, each)) for each in everyone]
    yield together("reach", reached)
    alive = [patient for patient, finding in reached if finding.level != "fail"]
    try:
        yield from _examine(alive)
    finally:
        for patient in alive:
            patient.tidy()


def _examine(alive: list[Patient]) -> Iterator[Finding]:
    if not alive:
        return
    for name, check in _BY_WORK:
        yield _all(name, check, alive)
    if alive[0].local:
        return
    told = [(patient, _look("info", _info, patient)) for patient in alive]
    informed = [patient for patient, finding in told if finding.level == "ok"]
    if len(informed) < len(alive):  # not allowed, or the store went meanwhile
        yield together("info", told)
    if not informed:
        return
    for name, check in _BY_INFO:
        yield _all(name, check, informed)


def _all(
    name: str, check: Callable[[Patient], Finding], patients: list[Patient]
) -> Finding:
    return together(name, [(each, _look(name, check, each)) for each in patients])


def _info(patient: Patient) -> Finding:
    if patient.info:
        return Finding("info", "ok", "INFO is answered")
    names = ", ".join(name for name, _ in _BY_INFO)
    return unknown("info", f"INFO; it tells {names}")


def _look(name: str, check: Callable[[Patient], Finding], patient: Patient) -> Finding:
    try:
        with readable():
            return check(patient)
    except FAILURES as error:
        return failed(name, translate(error, patient.place))
    except StoreError as error:
        return failed(name, error)
