"""
A limit that is corrected while it is in use: what new bookings go by.

Random histories of corrections, bookings, cancels and settlements, against brute force.
"""

from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import SlidingWindow, TokenBucket
from paceline._corrections import with_figure
from paceline._policy import Policy
from paceline._wire import grace_us
from scripts import SECOND, Account

CHECKS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
W = 10.0
FIGURES = [1, 2, 5, 20, 40]
pauses = st.one_of(st.sampled_from([0, 0, 1]), st.integers(0, 5 * SECOND))
steps = st.lists(
    st.tuples(
        pauses,
        st.integers(0, 12),
        st.sampled_from([0.0, 3.0, 30.0]),
        st.sampled_from(["keep", "keep", "settle", "cancel"]),
        st.sampled_from([None, None, None, *FIGURES]),
    ),
    min_size=2,
    max_size=40,
)


def bookings(client, limit, history, figures=sorted):
    """
    Yield limit, acts, the new one last, and since when it is charged by this figure.
    """
    client.flushall()
    account = Account(client, [limit])
    acts, since, new = [], 0, False
    for pause, cost, wait, then, figure in history:
        account.now += pause
        if figure is not None and (figure := figures(figure, limit)):
            limit = with_figure(limit, figure)
            account.policy, new = Policy("", (limit,)), True
        answer = account.acquire((cost,), wait)
        assert answer.never == (cost > limit.capacity)
        if answer.booking is None:
            continue
        if new and cost:
            since, new = account.now, False
        act = [account.now + answer.wait_us, cost]
        acts.append(act)
        yield limit, acts, since
        if then == "cancel" and answer.wait_us > 0:
            account.cancel(answer.booking)
            act[1] = 0
        elif then == "settle":
            account.settle(answer.booking, (cost // 2,))
            act[1] = cost // 2


@CHECKS
@given(history=steps)
def test_no_booking_joins_a_window_that_holds_more_than_the_new_figure(
    clean_server, history
):
    """
    What was booked under a higher one counts: room is found once it has left.
    """
    limit = SlidingWindow(20, W, slots=10)
    for now, acts, _ in bookings(
        clean_server.client(), limit, history, lambda figure, _: figure
    ):
        moment, cost = acts[-1]
        held = sum(each[1] for each in acts if each[0] > moment - now.per_us)
        assert not cost or held <= now.limit


def lower(figure, limit):
    return figure if figure < limit.rate else 0


@CHECKS
@given(history=steps)
def test_a_bucket_that_is_lowered_admits_no_more_than_its_new_burst_and_rate(
    clean_server, history
):
    """
    From its next charge, or the last turn that was booked before, on: until then it
    drains as it did.
    """
    first = TokenBucket(40, W, 20)
    last, turned = first, 0
    for now, acts, at in bookings(clean_server.client(), first, history, lower):
        moment, cost = acts[-1]
        if cost and now is not last:
            late = grace_us(last)  # for so long a turn that was waited for may be used
            last, turned = now, max([at, *(each[0] + late for each in acts[:-1])])
        for since, _ in acts:
            if since > moment or not cost:
                continue
            used = sum(each[1] for each in acts if since <= each[0] <= moment)
            new = max(0, moment - max(since, turned)) * now.rate / now.per_us
            old = max(0, min(moment, turned) - since) * first.rate / first.per_us
            assert used <= now.capacity + new + old + 1e-5


def test_of_two_figures_in_one_batch_the_lower_one_decides(clean_server):
    """
    In whichever order they come, also of buckets whose bursts are the same.
    """
    client = clean_server.client()
    for limit in (SlidingWindow(9, 60), TokenBucket(9, 1.0, 1)):
        for order in (1, -1):
            client.flushall()
            account = Account(client, [limit])
            few = Policy("", (with_figure(limit, 2),))
            ask = [account.request((1,)) for _ in range(4)]
            other = [type(each)(few, each.charges, 0) for each in ask]
            answers = account.batch([*ask, *other][::order])
            assert sum(each.booking is not None for each in answers) == (
                2 if limit.capacity > 2 else 1
            )
            account.now += SECOND // 3
            if limit.capacity == 1:
                both = account.batch([*ask, *other][::order])
                assert all(each.booking is None for each in both)
