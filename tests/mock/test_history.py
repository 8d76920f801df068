"""The record of a stream is exact: every answer equals one found by brute force."""

from hypothesis import given, strategies as st

from paceline.mock.history import Debt, WindowPeak

# (nanoseconds since the cost before, units): small, so that ends of windows are hit.
STREAMS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 5)), min_size=1, max_size=40
)


def moments(steps):
    """Turn distances into moments."""
    now, stream = 0, []
    for distance, cost in steps:
        now += distance
        stream.append((now, cost))
    return stream


@given(STREAMS, st.integers(1, 20))
def test_the_window_peak_is_the_largest_sum_of_any_half_open_window(steps, per_ns):
    """
    Windows begin anywhere; trying each nanosecond finds no larger one.
    """
    peak, stream = WindowPeak(per_ns), moments(steps)
    for now, cost in stream:
        peak.add(cost, now)
    ends = range(stream[-1][0] + per_ns + 1)
    sums = [sum(c for t, c in stream if end - per_ns < t <= end) for end in ends]
    assert max(sums) == peak.peak


@given(STREAMS, st.integers(1, 4), st.integers(1, 20))
def test_the_debts_peak_is_the_largest_excess_over_steady_draining(
    steps, limit, per_ns
):
    """
    It is the maximum over all spans of what came less what drained meanwhile.
    """
    debt, stream = Debt(limit, per_ns), moments(steps)
    for now, cost in stream:
        debt.add(cost, now)
    spans = [
        sum(c for _, c in stream[i : j + 1]) * per_ns - limit * (end - start)
        for i, (start, _) in enumerate(stream)
        for j, (end, _) in enumerate(stream)
        if i <= j
    ]
    assert max(0, *spans) == debt.peak


def test_costs_a_period_apart_never_share_a_window():
    """
    A window is half open: its length after a cost, that cost has left it.
    """
    peak = WindowPeak(10)
    peak.add(3, 0)
    peak.add(4, 10)
    assert peak.peak == 4
    peak.add(5, 19)
    assert peak.peak == 9


def test_only_the_last_window_is_kept():
    """
    Memory does not grow with the length of the stream.
    """
    peak = WindowPeak(10)
    for now in range(1_000):
        peak.add(1, now)
    assert len(peak._costs) == 10


def test_a_failed_request_never_fills_a_bucket_beyond_its_brim():
    """
    Who hammers a full bucket does not push the end of the wait further away.
    """
    debt = Debt(1, 10)
    debt.add(3, 0)
    debt.fill(0, 3)
    assert debt.at(0) == 30
    debt.fill(5, 3)
    assert debt.at(5) == 30


def test_what_is_paid_back_beyond_the_debt_is_no_credit():
    """
    A bucket holds no more than its capacity.
    """
    debt = Debt(1, 10)
    debt.add(2, 0)
    debt.add(-5, 0)
    assert debt.at(0) == 0
    debt.add(1, 0)
    assert debt.at(0) == 10
