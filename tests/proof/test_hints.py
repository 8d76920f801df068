"""
What is refused is refused one microsecond before ``retry_after`` and allowed at it.

For each kind of limit and for mixtures, after any history of bookings, refunds and
cancels. The other half of "never over": nobody waits in vain.
"""

import random

from hypothesis import example, given, settings, strategies as st

from paceline import CalendarWindow, Concurrency, SlidingWindow, TokenBucket
from proof import draws
from proof.ledger import bucket_excess
from scripts import SECOND, Account

KINDS = {
    "window": (SlidingWindow(20, 1.0, slots=10),),
    "bucket": (TokenBucket(10, 1.0, burst=5),),
    "odd bucket": (TokenBucket(7, 0.9, burst=5),),
    "day": (CalendarWindow(8, "day"),),
    "leases": (Concurrency(3, 6.0),),
}
steps = st.lists(
    st.tuples(
        draws.pauses,
        st.integers(0, 1_000),
        st.sampled_from([0, 0, 1, 30]),
        st.sampled_from(["keep", "keep", "part", "cancel", "over"]),
        st.integers(0, 5),
    ),
    max_size=20,
)


def drawn(limit, number):
    """A cost of 1 up to the capacity, mostly small."""
    if isinstance(limit, Concurrency):
        return 1
    return (
        1 + (number % limit.capacity if number > 900 else number % 3) % limit.capacity
    )


def play(account, history):
    """Book, and settle some bookings, the older of two first or last."""
    limits, open_ = account.policy.limits, []
    for pause, number, wait, then, which in history:
        account.now += pause
        charges = tuple(drawn(limit, number) for limit in limits)
        booking = account.acquire(charges, wait).booking
        if booking:
            open_.append((booking, charges))
        if open_ and then != "keep":
            booking, charges = open_.pop(which % len(open_))
            share = {"part": 0.5, "cancel": 0, "over": 1.6}[then]
            account.settle(booking, tuple(int(c * share) for c in charges))


def check(account, number):
    charges = tuple(drawn(limit, number) for limit in account.policy.limits)
    before = account.state()
    answer = account.acquire(charges)
    if answer.booking:
        return False
    assert before == account.state()
    account.now += answer.wait_us - 1
    early = account.acquire(charges)
    assert early.booking is None, "allowed before retry_after"
    assert early.wait_us == 1
    account.now += 1
    assert account.acquire(charges).booking, "refused at retry_after"
    return True


def run(clean_server, limits, examples):
    """Return in how many examples something was refused."""
    refused = []
    with clean_server.client() as client:

        @settings(max_examples=examples, **draws.QUIET)
        @given(limits=limits, history=steps, number=st.integers(0, 1_000))
        @example(limits=next(iter(KINDS.values())), history=[], number=0)
        def hints(limits, history, number):
            account = Account(client, limits, key=f"paceline:1:{{hint{len(refused)}}}")
            account.now += 12 * 3600 * SECOND
            play(account, history)
            # Until one is refused: the state that is asked is mostly a full one.
            refused.append(any(check(account, number) for _ in range(60)))
            client.delete(account.key)

        hints()
    return sum(refused)


def test_each_kind_hints_exactly(clean_server):
    """
    Windows, buckets, calendars and concurrency, one at a time.
    """
    for limits in KINDS.values():
        assert run(clean_server, st.just(limits), draws.EXAMPLES) > 0


def test_mixtures_hint_exactly(clean_server):
    """
    Any limits together: the hint is that of the last to have room.
    """
    assert run(clean_server, mixtures(), 2 * draws.EXAMPLES) > 0


@st.composite
def mixtures(draw):
    limits = draw(draws.distinct(draws.limits))
    return tuple(draws.named(limit, f"limit{i}") for i, limit in enumerate(limits))


def test_odd_rates_never_exceed_by_a_millionth(clean_server):
    """
    Who always comes exactly at the hint gets all there is, and not a bit more.
    """
    limit, chance = TokenBucket(7, 0.9, burst=13), random.Random(7)
    account, used = Account(clean_server.client(), limit), []
    while len(used) < 400:
        answer = account.acquire((cost := chance.randint(1, 3),))
        if answer.booking:
            used.append((account.now, cost))
        else:
            account.now += answer.wait_us
    assert bucket_excess(used, limit) <= 0
    spent = sum(cost for _, cost in used)
    refilled = (account.now - used[0][0]) * limit.rate / limit.per_us
    assert spent > limit.capacity + refilled - 3.001
