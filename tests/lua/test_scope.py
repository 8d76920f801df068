"""Several limits in one value: all or nothing, clocks, cool-downs, neighbours."""

import pytest

from paceline import SlidingWindow, TokenBucket
from scripts import SECOND, T0, Account

RPM = SlidingWindow(10, 60.0)
TPM = SlidingWindow(100, 60.0, unit="tokens")


@pytest.fixture
def account(clean_server):
    return Account(clean_server.client(), [RPM, TPM])


def test_all_limits_or_none(account):
    """
    A call that one limit refuses drains no other.
    """
    assert account.acquire({"tokens": 90}).decision
    refused = account.acquire({"tokens": 20}).decision
    assert (refused.allowed, refused.limit) == (False, "tokens/min")
    assert account.acquire({"requests": 9, "tokens": 10}).decision


def test_every_limit_is_charged_at_the_act(clean_server):
    """
    590 light requests behind a heavy one do not all act when the heavy one does.

    Charging at the decision and sleeping the longest wait overran the limit that did
    not bind by 571 requests in one instant.
    """
    limits = [
        TokenBucket(10, 1.0, burst=10),
        TokenBucket(100_000, 60.0, burst=100_000, unit="tokens"),
    ]
    account = Account(clean_server.client(), limits)
    assert account.acquire({"tokens": 100_000}).decision
    heavy = account.acquire({"tokens": 100_000}, wait=3600)
    acts = [heavy.wait_us]
    for _ in range(100):
        answer = account.acquire({"tokens": 1}, wait=3600)
        assert answer.booking
        acts.append(answer.wait_us)
    acts.sort()
    for first, later in zip(acts, acts[11:], strict=False):
        assert later - first >= SECOND / 10


def test_a_batch_is_decided_as_if_sent_one_by_one(clean_server):
    """
    A batch and its requests in sequence give the same answers and the same state.
    """
    one = Account(clean_server.client(), [RPM, TPM], key="paceline:1:{one}")
    many = Account(clean_server.client(), [RPM, TPM], key="paceline:1:{many}")
    costs = [{"tokens": n} for n in (30, 80, 20, 60, 0, 5, 40, 1, 1, 1, 1, 1)]
    waits = [0, 0, 5, 120, 0, 0, 70, 0, 1, 60, 60, 60]
    pairs = list(zip(costs, waits, strict=True))
    single = [one.acquire(cost, wait) for cost, wait in pairs]
    batch = many.batch([many.request(cost, wait) for cost, wait in pairs])
    assert [a.decision for a in single] == [a.decision for a in batch]
    assert [a.wait_us for a in single] == [a.wait_us for a in batch]
    assert one.peek() == many.peek()
    strip = {k: v[:20] + v[33:] for k, v in one.state().items()}  # all but seq
    assert strip == {k: v[:20] + v[33:] for k, v in many.state().items()}


def test_models_of_a_key_have_their_own_accounts_and_share_the_shared(clean_server):
    """
    Own limits are counted per model, shared limits over all of them.
    """
    shared = TokenBucket(12, 60.0, name="all")
    client = clean_server.client()
    first = Account(client, RPM, shared=shared, model="a")
    second = Account(client, RPM, shared=shared, model="b")
    for _ in range(10):
        assert first.acquire().decision
    assert first.acquire().decision.limit == "requests/min"
    assert second.acquire().decision
    assert second.acquire().decision
    assert second.acquire().decision.limit == "all"


def test_requests_of_several_models_ride_one_batch(clean_server):
    """
    A batch may hold requests of different models; each answer names its own limit.
    """
    client = clean_server.client()
    first = Account(client, SlidingWindow(1, 1.0, name="small"), model="a")
    second = Account(client, SlidingWindow(2, 1.0, name="large"), model="b")
    requests = [a.request(1) for a in (first, second, first, second, second)]
    answers = first.batch(requests)
    assert [a.decision.limit for a in answers] == [None, None, "small", None, "large"]


def test_a_changed_capacity_keeps_the_history(clean_server):
    """
    Raising and lowering a limit applies at once, and what was used stays used.
    """
    client = clean_server.client()
    low, high = Account(client, RPM), Account(client, SlidingWindow(15, 60.0))
    for _ in range(10):
        assert low.acquire().decision
    assert high.peek()[0].remaining == 5
    for _ in range(5):
        assert high.acquire().decision
    assert low.peek()[0].remaining == 0
    low.now += 60 * SECOND
    assert low.peek()[0].remaining == 10


def test_limits_that_a_client_does_not_know_are_kept(clean_server):
    """
    Two policies share an account without losing each other's history.
    """
    client = clean_server.client()
    one, other = Account(client, RPM), Account(client, TPM)
    one.acquire(7)
    other.acquire({"tokens": 60})
    one.acquire(1)
    assert one.peek()[0].remaining == 2
    assert other.peek()[0].remaining == 40


@pytest.mark.parametrize("back", [1, SECOND, 3600 * SECOND])
def test_a_clock_that_steps_back_delays_nobody(account, back):
    """
    After a step back the next turn comes as long after as it would have without it.
    """
    for _ in range(10):
        account.acquire({"tokens": 0})
    before = account.acquire({"tokens": 0}).decision.retry_after
    account.now -= back
    assert before == account.acquire({"tokens": 0}).decision.retry_after
    account.now += 60 * SECOND
    assert account.acquire({"tokens": 0}).decision


def test_a_refund_finds_its_slot_after_the_clock_stepped_back(account):
    """
    A booking made before the step is settled where it now lies.
    """
    booking = account.acquire({"tokens": 80}).booking
    account.now -= 3600 * SECOND
    account.settle(booking, {"tokens": 30})
    assert account.peek()[1].remaining == 70


def test_a_refund_of_a_forgotten_life_is_dropped_and_an_overrun_charged(account):
    """
    After a reset, what was booked before gives nothing back but still costs.
    """
    booking = account.acquire({"tokens": 80}).booking
    account.client.delete(account.key)
    account.now += 1
    account.acquire({"tokens": 50})
    account.settle(booking, {"tokens": 10})
    assert account.peek()[1].remaining == 50
    account.settle(booking, {"tokens": 90})
    assert account.peek()[1].remaining == 40


def test_a_cool_down_holds_everybody_and_is_a_hint_not_a_booking(account):
    """
    Nobody goes before the cool-down ends; a shorter one changes nothing.
    """
    account.acquire({"tokens": 1})
    account.cool_down(30)
    account.cool_down(10)
    before = account.state()
    answer = account.acquire({"tokens": 1}, wait=60)
    assert answer.booking is None
    assert answer.decision.limit == "cool-down"
    assert answer.decision.retry_after == 30.0
    assert before == account.state()
    account.now += 30 * SECOND
    assert account.acquire({"tokens": 1}).decision


def test_the_hash_expires_when_everything_is_free_and_only_ever_later(clean_server):
    """
    A limit with a short window never shortens the life that a longer one needs.
    """
    client = clean_server.client()
    day = Account(client, SlidingWindow(5, 86_400.0))
    second = Account(client, SlidingWindow(5, 1.0))
    day.acquire()
    long = client.pttl(day.key)
    assert 86_400_000 < long <= 86_402_000
    second.acquire()
    assert long - 1000 <= client.pttl(day.key) <= long


def test_the_display_name_is_stored_once_asked_for(clean_server):
    """
    People find a scope by the name they gave it; without one nothing is stored.
    """
    client = clean_server.client()
    named = Account(client, RPM, display="team-a")
    named.acquire()
    assert client.hget(named.key, "n") == "team-a"
    nameless = Account(client, RPM, key="paceline:1:{other}")
    nameless.acquire()
    assert client.hgetall(nameless.key).keys() == {"m:"}


def test_seq_counts_the_scripts_that_wrote(account):
    """
    Each writing script raises seq by one; refusals do not.
    """
    seqs = []
    for tokens in (50, 60, 50, 1):
        account.acquire({"tokens": tokens})
        seqs.append(int(account.state()["m:"][20:33]))
    assert seqs == [1, 1, 2, 2]
    assert account.now == T0
