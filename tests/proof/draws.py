"""What the proofs draw: limits that drain whole millionths per us, costs, pauses."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, strategies as st

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from paceline._rules import Rules
from scripts import SECOND

# For the long run: PACELINE_EXAMPLES=3000 PACELINE_HISTORIES=1000.
EXAMPLES = int(os.environ.get("PACELINE_EXAMPLES", "30"))
HISTORIES = int(os.environ.get("PACELINE_HISTORIES", "60"))
QUIET = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
    "report_multiple_bugs": False,
}

windows = st.builds(
    SlidingWindow,
    st.sampled_from([1, 2, 5, 20, 100]),
    st.sampled_from([0.05, 1.0, 10.0]),
    slots=st.sampled_from([2, 10, 60]),
)
buckets = st.builds(
    TokenBucket,
    st.sampled_from([1, 10, 50]),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from([1, 5, 40]),
)
tokens = st.one_of(
    st.builds(SlidingWindow, st.sampled_from([50, 500]), st.just(60.0)),
    st.builds(TokenBucket, st.just(600), st.just(60.0), st.sampled_from([60, 600])),
)
days = st.builds(CalendarWindow, st.sampled_from([3, 40]), st.just("day"))
leases = st.builds(
    Concurrency, st.sampled_from([1, 3]), st.sampled_from([0.6, 6.0, 60.0])
)
zoned = st.builds(
    CalendarWindow,
    st.sampled_from([1, 3]),
    st.just("day"),
    st.sampled_from(["UTC", "Etc/GMT+1"]),
    st.sampled_from(["requests", "tokens"]),
)
midnight = st.one_of(
    zoned,
    zoned,
    st.builds(SlidingWindow, st.sampled_from([1, 3]), st.just(1.0), slots=st.just(10)),
    st.builds(TokenBucket, st.just(1), st.just(1.0), st.just(1)),
    st.builds(Concurrency, st.just(1), st.just(6.0)),
)
limits = st.one_of(windows, buckets, windows, buckets, tokens, days, leases)


def distinct(some):
    """Limits with names of their own, one per tag."""
    return st.lists(some, min_size=1, max_size=3, unique_by=lambda each: each.tag)


@st.composite
def policies(draw, some=limits):
    """Two models that share a limit, or have none in common."""
    own = {
        model: [
            named(each, f"{model}{i}") for i, each in enumerate(draw(distinct(some)))
        ]
        for model in ("small", "large")
    }
    shared = draw(st.lists(some, max_size=1))
    rules = Rules(own, shared=[named(limit, "shared") for limit in shared])
    return rules.policy("small"), rules.policy("large")


def named(limit, name):
    return type(limit)(**{**values_of(limit), "name": name})


def values_of(limit):
    return {key: getattr(limit, key) for key in type(limit).__slots__}


pauses = st.one_of(
    st.sampled_from([0, 0, 0, 1]),
    st.integers(0, 2_000),
    st.integers(0, 300_000),
    st.integers(0, 5 * SECOND),
    st.sampled_from([0, 0, 60 * SECOND, 86_400 * SECOND]),
)


@st.composite
def charges(draw, policy, beyond=0):
    """A cost of each limit; rarely one that it can never hold."""
    return tuple(draw(cost(limit, beyond)) for limit in policy.limits)


def cost(limit, beyond=0):
    if isinstance(limit, Concurrency):
        return st.sampled_from([1, 1, 1, 0])
    most = limit.capacity
    few = st.sampled_from([1, 1, 1, min(2, most), 0, most])
    return st.one_of(few, few, st.integers(0, most + beyond))
