"""What the mock answers when it was told to fail: body and headers."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

from .answers import ErrorBody, wait_headers, whole_seconds
from .kinds import TOO_LARGE
from .meter import Refusal, Standing
from .quota import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .dialects import OpenAI, Target
    from .faults import Fault
    from .quota import Quota

_SOME = 100


def failure(
    fault: Fault,
    dialect: OpenAI,
    target: Target,
    costs: Mapping[str, int],
    standings: Sequence[Standing],
    now: float,
) -> tuple[ErrorBody, dict[str, str]]:
    """
    Make the answer of *fault*.

    Args:
        fault: What was ordered.

        dialect: Who is called.

        target: What the request was sent to.

        costs: What the request would have been charged.

        standings: How the account's limits stand.

        now: Seconds since the epoch, for a wait that is told as a date.

    Returns:
        The body, and the headers that go with it.
    """
    kind = fault.kind
    headers = _wait(fault, now)
    if fault.retry:
        headers["x-should-retry"] = fault.retry
    if kind.quota is None:
        text = kind.text.format(seconds=whole_seconds(fault.wait_ns or 0))
        body = dialect.error(text, status=fault.status, kind=kind.type, code=kind.code)
        return body, headers
    quota = _own(kind.quota, standings)
    refusal = _refusal(fault, quota, costs.get(quota.unit, 1))
    body, _ = dialect.refuse(refusal, target)
    others = [s for s in standings if s.quota.unit != quota.unit]
    left = quota.burst if refusal.wait_ns is None else 0
    told = Standing(quota, left, refusal.wait_ns or 0)
    return body, dialect.limits([*others, told]) | headers


def _own(quota: Quota, standings: Sequence[Standing]) -> Quota:
    """Prefer the account's own limit of that unit and period."""
    alike = (
        standing.quota
        for standing in standings
        if (standing.quota.unit, standing.quota.per_ns) == (quota.unit, quota.per_ns)
    )
    return next(alike, quota)


def _refusal(fault: Fault, quota: Quota, cost: int) -> Refusal:
    if fault.name == TOO_LARGE or fault.wait_ns is None:
        return Refusal(quota, 0, max(cost, quota.burst + _SOME), None)
    # So much is used that the wait is what the refill takes, as far as that goes.
    missing = -(-fault.wait_ns * quota.limit // quota.per_ns)
    used = min(quota.limit, max(0, quota.limit + missing - cost))
    return Refusal(quota, used, cost, fault.wait_ns)


def _wait(fault: Fault, now: float) -> dict[str, str]:
    if fault.wait_ns is None or fault.headers == "none":
        return {}
    if fault.headers == "date":
        moment = now + fault.wait_ns / SECOND_NS
        return {"retry-after": formatdate(moment, usegmt=True)}
    headers = wait_headers(fault.wait_ns)
    unwanted = {"seconds": "retry-after-ms", "ms": "retry-after"}.get(fault.headers)
    return {name: value for name, value in headers.items() if name != unwanted}
