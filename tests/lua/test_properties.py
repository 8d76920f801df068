"""
Random histories against brute force: never over, exact waits, quiet refusals.

The acts of a history, in whatever order they were decided, settled and cancelled, are
checked afterwards against each limit's definition.
"""

from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import SlidingWindow, TokenBucket
from scripts import SECOND, Account

CHECKS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

windows = st.builds(
    SlidingWindow,
    st.sampled_from([1, 3, 20, 100]),
    st.sampled_from([0.05, 1.0, 10.0]),
    slots=st.sampled_from([2, 10, 60]),
    name=st.just("window"),
)
buckets = st.builds(
    TokenBucket,
    st.sampled_from([1, 10, 50]),
    st.sampled_from([0.5, 1.0, 7.0]),
    st.sampled_from([1, 3, 40]),
    name=st.just("bucket"),
)
token_windows = st.builds(
    SlidingWindow,
    st.sampled_from([50, 500]),
    st.just(60.0),
    unit=st.just("tokens"),
    name=st.just("tokens"),
)
policies = st.lists(
    st.one_of(windows, buckets, token_windows),
    min_size=1,
    max_size=3,
    unique_by=lambda limit: limit.name,
)
pauses = st.one_of(
    st.sampled_from([0, 0, 1]),
    st.integers(0, 2_000),
    st.integers(0, 300_000),
    st.integers(0, 5 * SECOND),
)
costs = st.one_of(st.sampled_from([0, 1, 1, 1, 2]), st.integers(0, 60))
steps = st.lists(
    st.tuples(
        pauses,
        st.lists(costs, min_size=3, max_size=3),
        st.sampled_from([0.0, 0.0, 1.0, 30.0]),
        st.sampled_from(["keep", "keep", "settle", "cancel", "probe"]),
        st.integers(0, 100),
    ),
    min_size=1,
    max_size=40,
)


def window_excess(acts, limit):
    worst, used, first = 0, 0, 0
    for moment, cost in acts:
        used += cost
        while acts[first][0] <= moment - limit.per_us:
            used -= acts[first][1]
            first += 1
        worst = max(worst, used - limit.limit)
    return worst


def bucket_excess(acts, limit):
    worst, debt, last = 0.0, 0.0, 0
    for moment, cost in acts:
        debt = max(0.0, debt - (moment - last) * limit.rate / limit.per_us) + cost
        last = moment
        worst = max(worst, debt - limit.capacity)
    return worst


@CHECKS
@given(limits=policies, history=steps)
def test_no_history_exceeds_any_limit(clean_server, limits, history):
    """
    Whatever is asked, waited, settled and cancelled, no window or bucket is exceeded.

    On the way: refusals leave the state byte-identical, and what is refused is refused
    one tick before retry_after and allowed exactly at it.
    """
    client = clean_server.client()
    client.flushall()
    account = Account(client, limits)
    held = []
    for pause, amounts, wait, then, part in history:
        account.now += pause
        charges = tuple(amounts[: len(limits)])
        before = account.state()
        answer = account.acquire(charges, wait)
        pairs = zip(charges, limits, strict=True)
        assert answer.never == any(cost > limit.capacity for cost, limit in pairs)
        if answer.booking is None:
            assert before == account.state()
            if answer.never or then != "probe":
                continue
            account.now += answer.wait_us - 1
            assert account.acquire(charges).booking is None
            account.now += 1
            answer = account.acquire(charges)
            assert answer.booking is not None
        assert answer.wait_us <= wait * SECOND
        act = [account.now + answer.wait_us, charges]
        held.append(act)
        if then == "cancel" and answer.wait_us > 0:
            account.cancel(answer.booking)
            act[1] = (0,) * len(limits)
        elif then == "settle":
            act[1] = tuple(cost * part // 100 for cost in charges)
            account.settle(answer.booking, act[1])
    for number, limit in enumerate(limits):
        acts = sorted((moment, cost[number]) for moment, cost in held)
        if isinstance(limit, SlidingWindow):
            assert window_excess(acts, limit) == 0
        else:
            assert bucket_excess(acts, limit) < 1e-5
