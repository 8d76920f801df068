"""
What Python reads of the store is what the scripts say of it, on random histories.

The histories wait, settle, cancel, cool down and let the clock step back.
"""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from paceline._standing import standing
from paceline._state import read_field
from scripts import SECOND, T0, Account

CHECKS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

LIMITS = (
    st.builds(
        SlidingWindow,
        st.sampled_from([3, 20, 100]),
        st.sampled_from([0.5, 10.0]),
        slots=st.sampled_from([2, 60]),
    ),
    st.builds(
        TokenBucket,
        st.sampled_from([1, 10, 50]),
        st.sampled_from([1.0, 7.0]),
        st.sampled_from([1, 3, 40]),
        unit=st.just("tokens"),
    ),
    st.builds(
        CalendarWindow,
        st.sampled_from([50, 500]),
        st.sampled_from(["day", "month"]),
        tz=st.sampled_from(["UTC", "Europe/Paris"]),
        unit=st.just("credits"),
    ),
    st.builds(Concurrency, st.sampled_from([2, 30]), lease=st.just(5.0)),
)
# Nothing is booked ahead where calls at a time are counted, so not all have them.
policies = st.lists(
    st.one_of(*LIMITS[:3], LIMITS[0], LIMITS[3]),
    min_size=1,
    max_size=3,
    unique_by=lambda limit: limit.unit,
)
steps = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([0, 0, 1, -SECOND, 86_400 * SECOND]),
            st.integers(0, 5 * SECOND),
        ),
        st.lists(st.integers(0, 40), min_size=4, max_size=4),
        st.sampled_from([0.0, 1.0, 30.0]),
        st.sampled_from(["keep", "keep", "settle", "cancel", "cool"]),
    ),
    min_size=1,
    max_size=25,
)


def read(account, name="m:"):
    """Return the account's field and its sections by tag, as Python reads them."""
    value = account.state().get(name)
    if value is None:
        return None, {}
    field = read_field(value, account.now)
    return field, {section.tag: section for section in field.sections}


def compare_around(account):
    """Compare now, and around the moments at which a limit is as if never used."""
    now = account.now
    moments = {now} | {
        now + round(status.reset_after * SECOND) + tick
        for status in account.peek()
        for tick in (-1, 0, 1)
    }
    # The clock may step back, too: a look writes nothing.
    for account.now in sorted(moments | {now - 3 * SECOND}):
        compare(account)
    account.now = now


def compare(account):
    """What peek says, limit by limit, is what is read; also without the limits."""
    statuses = account.peek()
    field, sections = read(account)
    for limit, status in zip(account.policy.limits, statuses, strict=True):
        if limit.tag not in sections:
            assert (status.remaining, status.reset_after) == (limit.capacity, 0.0)
            continue
        section = sections[limit.tag]
        told = standing(section, field, account.now, limit)
        seen = (told.remaining, told.reset_us / SECOND)
        assert seen == (status.remaining, status.reset_after), limit
        found = standing(section, field, account.now)
        assert found.limit.capacity == limit.capacity
        assert found.limit.unit == limit.unit
        # A rate that is worked out is exact unless hardly anything is owed.
        assert found.remaining == pytest.approx(told.remaining, abs=1)
        assert found.used + found.ahead >= 0
        if section.live and isinstance(limit, SlidingWindow):
            held = told.used + told.ahead
            assert max(0, limit.capacity - held) == told.remaining


@CHECKS
@given(limits=policies, history=steps)
def test_python_reads_what_the_scripts_say(clean_server, limits, history):
    """
    Whatever happened, remaining and reset are those of peek, to the microsecond.
    """
    client = clean_server.client()
    client.flushall()
    # Ten seconds before a day begins, so that some wait for tomorrow.
    account = Account(client, limits, now=T0 + 16 * 3_600 * SECOND - 10 * SECOND)
    for pause, amounts, wait, then in history:
        account.now += pause
        charges = tuple(
            min(cost, limit.capacity)
            for cost, limit in zip(amounts, limits, strict=False)
        )
        answer = account.acquire(charges, wait)
        if then == "cool":
            account.cool_down(0.5)
            assert read(account)[0].cool_us == 500_000
        elif answer.booking and then == "cancel":
            account.cancel(answer.booking)
        elif answer.booking and then == "settle":
            account.settle(answer.booking, tuple(cost // 2 for cost in charges))
        compare_around(account)


@pytest.mark.parametrize("zone", ["UTC", "Europe/London"])
def test_a_booking_for_tomorrow_is_read_as_such(clean_server, zone):
    """
    Before midnight and after it, a day later, and when the clock steps back over it.
    """
    day = CalendarWindow(9, "day", zone, unit="credits")
    account = Account(clean_server.client(), [SlidingWindow(1, 20.0), day])
    midnight = T0 + 16 * 3_600 * SECOND
    account.now = midnight - 10 * SECOND
    assert account.acquire({"credits": 2}).booking
    assert account.acquire({"credits": 3}, wait=30.0).wait_us == 20 * SECOND
    field, sections = read(account)
    told = standing(sections[day.tag], field, account.now)
    assert (told.used, told.ahead, told.remaining) == (2, 3, 7)
    next_midnight = midnight + 86_400 * SECOND
    for moment in (midnight, next_midnight):
        for account.now in (moment - 1, moment, moment + 1):
            compare(account)
    account.now = midnight + 40 * SECOND
    assert account.acquire({"credits": 1}).booking
    for back in (0, 41, 90_000):
        account.now = midnight + (40 - back) * SECOND
        compare(account)


def test_what_leaves_at_a_moment_has_left_at_it(clean_server):
    """
    To the microsecond, of windows and of calls at a time, while others stay.
    """
    window, places = SlidingWindow(9, 10.0), Concurrency(9, lease=5.0)
    account = Account(clean_server.client(), [window, places])
    ends = []
    for _ in range(3):
        posts = account.acquire().booking.posts
        ends += [account.now + window.per_us, posts[1].moment]
        account.now += SECOND
    for end in ends:
        for account.now in (end - 1, end, end + 1):
            compare(account)


def test_who_waits_is_told_apart(clean_server):
    """
    Used is what was for now, ahead what is booked for later: no unit is in both.
    """
    window = SlidingWindow(10, 60.0)
    bucket = TokenBucket(10, 60.0, unit="tokens")
    account = Account(clean_server.client(), [window, bucket])
    account.acquire((10, 8))
    account.acquire((4, 7), wait=120.0)
    field, sections = read(account)
    found = [standing(each, field, account.now) for each in sections.values()]
    assert [(each.used, each.ahead, each.remaining) for each in found] == [
        (10, 4, 0),
        (8, 7, 0),
    ]
    assert [each.text for each in found] == [
        "10 requests/min",
        "10 tokens/min burst 10",
    ]
    assert [each.fullness for each in found] == [1.0, 1.0]


def test_what_has_ended_is_as_if_never_used(clean_server):
    """
    It keeps its capacity; a bucket that owes nothing does not tell its rate.
    """
    bucket = TokenBucket(600, 60.0, burst=5, unit="tokens")
    account = Account(clean_server.client(), [bucket, SlidingWindow(10, 3_600.0)])
    account.acquire({"tokens": 5})
    account.now += 10 * SECOND
    field, sections = read(account)
    found = [standing(each, field, account.now) for each in sections.values()]
    assert [(each.text, each.used, each.remaining) for each in found] == [
        ("tokens/min burst 5", 0, 5),
        ("10 requests/h", 1, 9),
    ]


def test_limits_shared_over_models_are_read_alike(clean_server):
    """
    Their account is the hash's field "s".
    """
    shared = SlidingWindow(7, 60.0)
    account = Account(clean_server.client(), [], shared=shared, model="gpt-4o")
    account.acquire(3)
    field, sections = read(account, "s")
    assert standing(sections[shared.tag], field, account.now).used == 3


def test_holders_are_counted(clean_server):
    """
    Calls at a time, and when the last of their leases ends.
    """
    account = Account(clean_server.client(), Concurrency(3, lease=6.0))
    account.acquire()
    account.acquire()
    field, sections = read(account)
    found = standing(sections["c"], field, account.now)
    assert (found.text, found.used, found.remaining) == ("3 concurrent", 2, 1)
    assert 6.0 <= found.reset_us / SECOND <= 6.1


@pytest.mark.parametrize("cut", [5, 112, 120, 170])
def test_what_is_no_field_is_refused(clean_server, cut):
    """
    A value that somebody else wrote, or half a value, is not guessed at.
    """
    account = Account(clean_server.client(), SlidingWindow(3, 60.0))
    account.acquire()
    with pytest.raises(ValueError):
        read_field(account.state()["m:"][:cut], T0)


@pytest.mark.parametrize(
    "tag", ["x/requests/1", "w/requests/60", "c/1", "d/r/year/UTC"]
)
def test_a_limit_of_a_later_release_is_no_error_of_the_field(tag):
    """
    The field is read; only that limit is unknown.
    """
    head = "1" * 20 + "0" * 93
    body = f"{len(tag):02}{0:06}{0:016}{5:013}{T0:016}{tag}"
    field = read_field(head + body, T0)
    with pytest.raises(ValueError):
        standing(field.sections[0], field, T0)
