"""The judge, judged: what it admits, refuses and reports, at moments of our choice."""

import pytest
from hypothesis import given, strategies as st

from paceline.mock.account import Account
from paceline.mock.quota import SECOND_NS, Quota

REQUESTS = Quota("requests", 3, 30, 3)
TOKENS = Quota("tokens", 10, 20, 10)


def judge(account, at, tokens=0):
    return account.judge({"requests": 1, "tokens": tokens}, at).refusal


def limits(account):
    return account.report(0)["limits"]


def test_a_bucket_holds_its_limit_and_refills_all_the_time():
    """
    Three at once; then one more for each third of the period, to the nanosecond.
    """
    account = Account([REQUESTS])
    steps = [(0, True), (0, True), (0, True), (0, False), (9, False), (10, True)]
    steps += [(10, False), (19, False), (20, True), (1_000, True)]
    admitted = [judge(account, at) is None for at, _ in steps]
    assert [allowed for _, allowed in steps] == admitted


def test_a_refusal_charges_no_limit():
    """
    Tokens refuse, so requests stay as they were: all limits or none.
    """
    account = Account([REQUESTS, TOKENS])
    assert judge(account, 0, 8) is None
    assert judge(account, 0, 8).quota == TOKENS
    requests, tokens = limits(account)
    assert (requests["admitted"], tokens["admitted"]) == (1, 8)
    assert (requests["offered"], tokens["offered"]) == (2, 16)


def test_of_two_limits_that_refuse_the_longer_wait_is_told():
    """
    After the wait that is told, all limits have room.
    """
    account = Account([REQUESTS, TOKENS])
    for _ in range(3):
        judge(account, 0, 3)
    refusal = judge(account, 0, 9)
    assert (
        refusal.quota,
        refusal.wait_ns,
        refusal.used,
        refusal.requested,
    ) == (TOKENS, 16, 9, 9)


def test_a_request_above_the_capacity_has_no_wait():
    """
    It is refused for good, even by an empty bucket, and counted apart.
    """
    account = Account([TOKENS])
    assert judge(account, 0, 11).wait_ns is None
    report = account.report(0)
    assert (report["answers_429"], report["too_large"]) == (1, 1)
    assert judge(account, 0, 10) is None


@pytest.mark.parametrize(
    ("count_failed", "at", "admitted"),
    [(False, 9, False), (False, 10, True), (True, 14, False), (True, 15, True)],
)
def test_failed_requests_count_only_when_told_to(count_failed, at, admitted):
    """
    With it, a request that is refused half way takes what had flowed back by then.
    """
    account = Account([REQUESTS], count_failed=count_failed)
    refused = [judge(account, now) is not None for now in (0, 0, 0, 5)]
    assert refused == [False, False, False, True]
    assert admitted == (judge(account, at) is None)


def test_failed_requests_never_count_as_tokens():
    """
    Counting failed requests leaves limits on tokens alone.
    """
    account = Account([TOKENS], count_failed=True)
    judge(account, 0, 10)
    assert judge(account, 2, 5) is not None
    assert judge(account, 2, 1) is None


def test_time_never_goes_back():
    """
    An arrival that is told late counts at the moment of the last one.
    """
    account = Account([REQUESTS])
    for _ in range(3):
        judge(account, 100)
    assert judge(account, 0).wait_ns == 10
    assert judge(account, 110) is None


def test_standings_say_what_is_left_and_when_it_is_full():
    """
    Whole units only: half a request is none.
    """
    account = Account([REQUESTS])
    judge(account, 0)
    verdict = account.judge({"requests": 1}, 5)
    assert [(s.remaining, s.reset_ns) for s in verdict.standings] == [(1, 15)]


def test_the_report_counts_and_dates_everything():
    """
    Moments are seconds after the start; windows and buckets name their excess.
    """
    quota = Quota("requests", 2, SECOND_NS, 2)
    account = Account([quota])
    for at in (1, 1, 1, 2):
        account.judge({"requests": 1, "tokens": 7}, at * SECOND_NS)
    assert account.report(SECOND_NS) == {
        "requests": 4,
        "succeeded": 3,
        "answers_429": 1,
        "too_large": 0,
        "tokens": 21,
        "tokens_used": 0,
        "clients_left": 0,
        "errors": {},
        "first_arrival": 0.0,
        "last_arrival": 1.0,
        "first_admission": 0.0,
        "last_admission": 1.0,
        "limits": [
            {
                "unit": "requests",
                "limit": 2,
                "per": 1.0,
                "burst": 2,
                "offered": 4,
                "offered_window_max": 3,
                "offered_window_excess": 1,
                "offered_bucket_excess": 1.0,
                "admitted": 3,
                "returned": 0,
                "settled": 0,
                "settled_window_max": 0,
                "admitted_window_max": 2,
                "admitted_window_excess": 0,
                "used": 0.5,
            }
        ],
    }


def test_an_account_without_arrivals_reports_nothing():
    """
    There is no first and no last moment then, and nothing was used.
    """
    report = Account([REQUESTS]).report(0)
    assert report["first_arrival"] is None
    assert report["last_admission"] is None
    assert report["limits"][0]["used"] == 0.0


def test_a_stream_at_exactly_the_limit_uses_all_of_it_and_is_never_over():
    """
    The burst at once and then one for each refill: used is 1, excess is 0.
    """
    account = Account([REQUESTS])
    for at in (0, 0, 0, *range(10, 1_000, 10)):
        assert judge(account, at) is None
    (report,) = limits(account)
    assert report["used"] == 1.0
    assert report["offered_bucket_excess"] == 0.0
    assert report["admitted_window_excess"] == 2  # a burst and a refill: 2N - 1


STEPS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40
)


@given(STEPS)
def test_no_span_admits_more_than_burst_and_refill(steps):
    """
    By brute force over all spans, for each limit, whatever arrives.
    """
    account, now, admitted = Account([REQUESTS, TOKENS]), 0, []
    for distance, tokens in steps:
        now += distance
        if judge(account, now, tokens) is None:
            admitted.append((now, {"requests": 1, "tokens": tokens}))
    for quota in (REQUESTS, TOKENS):
        for i, (start, _) in enumerate(admitted):
            total = 0
            for end, costs in admitted[i:]:
                total += costs[quota.unit]
                room = quota.burst * quota.per_ns + quota.limit * (end - start)
                assert total * quota.per_ns <= room


@given(STEPS, st.integers(0, 10))
def test_the_wait_is_exact(steps, tokens):
    """
    Refused one nanosecond before the wait is over, admitted exactly then.
    """

    def after(wait):
        account, now = Account([REQUESTS, TOKENS]), 0
        for distance, cost in steps:
            now += distance
            judge(account, now, cost)
        return judge(account, now + wait, tokens)

    refusal = after(0)
    if refusal is not None:
        assert after(refusal.wait_ns - 1) is not None
        assert after(refusal.wait_ns) is None


@given(STEPS)
def test_who_never_overran_the_bucket_is_never_refused(steps):
    """
    No excess means no 429 was due and none was given; an excess means one was.
    """
    account, now = Account([REQUESTS, TOKENS]), 0
    for distance, tokens in steps:
        now += distance
        judge(account, now, tokens)
    report = account.report(0)
    excess = max(limit["offered_bucket_excess"] for limit in report["limits"])
    assert (excess > 0) == (report["answers_429"] > 0)


def test_a_correction_is_charged_or_given_back():
    """
    A bucket never holds more than its capacity, and may owe more than that.
    """
    account = Account([REQUESTS, TOKENS])
    judge(account, 0, 10)
    account.settle(10, 4, 0, correct=True)
    assert judge(account, 0, 6) is None
    verdict = account.settle(6, 16, 0, correct=True)
    assert [standing.remaining for standing in verdict.standings] == [1, 0]
    assert judge(account, 0, 1).wait_ns == 22
    account.settle(16, 0, 0, correct=True)
    account.settle(16, 0, 0, correct=True)
    assert judge(account, 0, 10) is None
    report = account.report(0)
    assert (report["tokens"], report["tokens_used"]) == (26, 20)
    assert limits(account)[1]["returned"] == 28
    assert limits(account)[0]["returned"] == 0


def test_without_correction_use_is_only_noted():
    """
    What was reserved stays charged.
    """
    account = Account([TOKENS])
    judge(account, 0, 10)
    (standing,) = account.settle(10, 4, 0, correct=False).standings
    assert standing.remaining == 0
    assert account.report(0)["tokens_used"] == 4


def test_who_settles_below_the_reservation_has_no_excess():
    """
    What was given back may be asked for again: no refusal was due.
    """
    account = Account([TOKENS])
    for _ in range(5):
        assert judge(account, 0, 10) is None
        account.settle(10, 2, 0, correct=True)
        assert judge(account, 0, 2) is None
        account.settle(2, 0, 0, correct=True)
        account.settle(2, 0, 0, correct=True)
    assert limits(account)[0]["offered_bucket_excess"] == 0.0


def test_a_slice_holds_what_is_refilled_in_it():
    """
    12 in 24 ns, by slices of 4 ns: 2 at once and 1 each 2 ns, however idle it was.
    """
    account = Account([Quota("requests", 12, 24, 12, slice_ns=4)])
    steps = [(0, True), (0, True), (0, False), (1, False), (2, True), (2, False)]
    steps += [(1_000, True), (1_000, True), (1_000, False)]
    assert [(at, judge(account, at) is None) for at, _ in steps] == steps


def test_a_cost_above_a_slice_waits_for_an_empty_one():
    """
    It is not refused for good, and the slice owes for it until it is drained.
    """
    account = Account([Quota("tokens", 12, 24, 12, slice_ns=4)])
    assert judge(account, 0, 1) is None
    assert judge(account, 0, 6).wait_ns == 2
    assert judge(account, 2, 6) is None
    assert judge(account, 2, 1).wait_ns == 10


@given(STEPS, st.integers(0, 12))
def test_the_wait_is_exact_in_slices_too(steps, tokens):
    """
    Refused one nanosecond before the wait is over, admitted exactly then.
    """
    quota = Quota("tokens", 12, 24, 12, slice_ns=4)

    def after(wait):
        account, now = Account([quota]), 0
        for distance, cost in steps:
            now += distance
            judge(account, now, cost)
        return judge(account, now + wait, tokens)

    refusal = after(0)
    if refusal is not None:
        assert after(refusal.wait_ns - 1) is not None
        assert after(refusal.wait_ns) is None


def test_other_limits_find_what_is_used():
    """
    The debt stays and drains by the new limit; another period begins empty.
    """
    account = Account([REQUESTS, TOKENS])
    judge(account, 0, 8)
    day = Quota("requests", 5, 1_000, 5)
    account.change([Quota("tokens", 5, 20, 5), day], 0)
    tokens, requests = account.settle(8, 8, 0, correct=False).standings
    assert (tokens.remaining, tokens.reset_ns) == (0, 32)
    assert (requests.quota, requests.remaining) == (day, 5)
    assert judge(account, 15, 1).wait_ns == 1
    assert judge(account, 16, 1) is None


def test_after_a_change_of_limits_peaks_are_counted_anew():
    """
    What was allowed before is no excess over what is allowed now.
    """
    account = Account([TOKENS])
    judge(account, 0, 10)
    account.settle(10, 10, 0, correct=False)
    account.change([Quota("tokens", 2, 20, 2)], 40)
    assert judge(account, 40, 2) is None
    (report,) = limits(account)
    assert report["offered_bucket_excess"] == 0.0
    assert report["offered_window_excess"] == 0
    assert report["settled"] == 10


def test_a_failed_request_takes_nothing_back():
    """
    Where more is owed than the bucket holds, it goes on being owed.
    """
    account = Account([REQUESTS], count_failed=True)
    for _ in range(3):
        judge(account, 0)
    account.change([Quota("requests", 1, 30, 1)], 0)
    assert judge(account, 0).wait_ns == 90
    assert judge(account, 0).wait_ns == 90


def test_the_largest_window_of_what_was_used_is_by_the_ends_of_answers():
    """
    Whatever was reserved for them, and whether it was given back.
    """
    account = Account([TOKENS])
    for at in (0, 10, 30):
        judge(account, at, 5)
        account.settle(5, 3, at, correct=True)
    (report,) = limits(account)
    assert (report["settled"], report["settled_window_max"]) == (9, 6)


def test_what_is_given_back_is_given_back_to_the_slice_too():
    """
    Or who uses little would go on waiting for what was reserved.
    """
    account = Account([Quota("tokens", 12, 24, 12, slice_ns=4)])
    assert judge(account, 0, 2) is None
    account.settle(2, 1, 0, correct=True)
    assert judge(account, 0, 1) is None
    assert judge(account, 0, 1) is not None


def test_an_answer_that_ends_before_the_last_arrival_ends_with_it():
    """
    An account's time never goes back: nothing is refilled twice.
    """
    account = Account([TOKENS])
    judge(account, 10, 10)
    account.settle(10, 10, 0, correct=True)
    assert judge(account, 10, 1).wait_ns == 2
