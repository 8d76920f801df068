"""What a limiter remembers for an outage and owes after it, on an injected clock."""

import itertools

import pytest

from paceline import Concurrency, SlidingWindow, TokenBucket
from paceline._almanac import Almanac
from paceline._calls import Scope
from paceline._effects import Now
from paceline._errors import StoreUnavailable
from paceline._outage import SETTLING, Outage
from paceline._policy import Policy
from paceline._repayment import repay
from paceline._unheard import Unheard, note

NOW = 1_000.0
SCOPE = Scope("paceline:1:{a}", "a")
WINDOW = SlidingWindow(40, 10.0)
EPOCH = b"0123456789abcdef"


def known(*limits, clients=4):
    """Return an outage's memory, and an account that is used by so many processes."""
    outage = Outage(lambda _: 0, lambda *_: (None, 0.0))
    account = outage.account(SCOPE, Policy("", limits))
    account.clients = clients
    return outage, account


def fits(outage, account, now):
    moment, _ = outage.earliest(account, (1,), now)
    return moment <= now


def test_the_share_is_of_the_window_before_the_call_that_found_out():
    """
    It took longer than the window: what was used before counts all the same.
    """
    outage, account = known(SlidingWindow(40, 1.0))
    for tenth in range(10):
        outage.used(account, NOW - tenth / 10, (1,))
    assert outage.begin(NOW + 1.5, NOW + 0.1)
    assert fits(outage, account, NOW + 1.5)
    outage, account = known(SlidingWindow(40, 1.0))
    outage.used(account, NOW - 5, (9,))
    outage.begin(NOW + 1.5, NOW + 0.1)
    assert not fits(outage, account, NOW + 1.5)


def test_an_outage_begins_once_and_ends_in_a_time_of_settling():
    """
    News once; a second one within that time goes on with the same shares.
    """
    outage, account = known(WINDOW)
    outage.used(account, NOW, (8,))
    assert outage.begin(NOW + 1, NOW)
    assert not outage.begin(NOW + 2, NOW + 1)
    shares = outage.shares(account, NOW + 2)
    outage.back(NOW + 3)
    assert outage.settling(account, NOW + 3)
    assert outage.begin(NOW + 4, NOW + 4)
    assert outage.shares(account, NOW + 4) == shares
    outage.back(NOW + 5)
    assert not outage.settling(account, NOW + 5 + SETTLING)


def test_an_answer_to_a_call_of_before_must_fit_what_was_spent_since():
    """
    The store that gives it may know nothing of that, until all have told it.
    """
    outage, account = known(WINDOW)
    outage.used(account, NOW, (10,))
    outage.begin(NOW + 1, NOW)
    early, late = NOW + 0.5, NOW + 2
    assert not outage.has_room(account, (1,), early, NOW + 5)
    assert outage.has_room(account, (1,), early, NOW + 10)
    outage.grant(account, (10,), NOW + 10)
    outage.back(NOW + 11)
    assert not outage.has_room(account, (1,), early, NOW + 11)
    assert outage.has_room(account, (1,), late, NOW + 11)
    assert outage.has_room(account, (1,), early, NOW + 11 + SETTLING)
    outage.begin(NOW + 12, NOW + 12)
    assert not outage.has_room(account, (1,), late, NOW + 12)


@pytest.mark.parametrize(("limit", "free"), [(WINDOW, 8), (TokenBucket(40, 10.0), 2)])
def test_answers_to_calls_of_before_that_come_together_share_what_there_is(limit, free):
    """
    Each uses up what it takes, also before anybody notes that the store is back.
    """
    outage, account = known(limit)
    for _ in range(10):
        outage.used(account, NOW, (1,))
    outage.begin(NOW + 1, NOW)
    outage.shares(account, NOW + 1)
    later = NOW + 10.5
    for _ in range(2):
        outage.grant(account, (1,), later)
    assert free == sum(outage.has_room(account, (1,), NOW, later) for _ in range(40))


def test_who_is_back_asks_for_no_more_at_a_time_than_its_share():
    """
    What is asked for is held, until the store says no.
    """
    outage, account = known(WINDOW)
    outage.used(account, NOW, (10,))
    outage.begin(NOW + 1, NOW)
    outage.back(NOW + 10)
    assert outage.settling(account, NOW + 11)
    held = [outage.hold(account, (4,), NOW + 11)[0] for _ in range(3)]
    assert held == [NOW + 11, NOW + 11, NOW + 21]
    outage.drop(account, (4,), NOW + 11)
    assert outage.hold(account, (4,), NOW + 11)[0] == NOW + 11


class Exact:
    """A store that knows its window of what it was told, and admits up to it."""

    def __init__(self):
        self.moments = []

    def admits(self, now):
        room = sum(at > now - WINDOW.per for at in self.moments) < WINDOW.limit
        self.moments += [now] * room
        return room


def alone(outage, account, now):
    """Return the calls that a process admits without the store."""
    calls = []
    while fits(outage, account, now):
        outage.grant(account, (1,), now)
        calls.append(now)
    return calls


def back(outage, account, store, now):
    """Return the calls that a process admits with the store; at first it charges."""
    calls = []
    if outage.out:
        outage.back(now)
        for entry in account.entries:
            store.moments += [entry.moment] * entry.units[0]
        account.entries.clear()
    while True:
        holds = outage.settling(account, now)
        if holds and outage.hold(account, (1,), now)[0] > now:
            return calls
        if not store.admits(now):
            if holds:
                outage.drop(account, (1,), now)
            return calls
        calls.append(now)


@pytest.mark.parametrize("late", [0.0, 1.0, 2.5, 4.5])
def test_those_who_are_back_first_leave_room_for_what_the_others_spend(late):
    """
    Those still go on alone, as long as none of their visits succeeds, and charge then.
    """
    store, crowd, used = Exact(), [known(WINDOW) for _ in range(4)], [NOW - 5] * 40
    for outage, account in crowd:
        outage.used(account, NOW - 5, (10,))
        outage.begin(NOW, NOW)
    for now in (NOW + tick / 10 for tick in range(400)):
        for place, (outage, account) in enumerate(crowd):
            if now < NOW + 20 + late * (place // 2):
                used += alone(outage, account, now)
            else:
                used += back(outage, account, store, now)
    assert len(used) > 120
    assert max(sum(at - 10 < each <= at for each in used) for at in used) <= 40


def test_a_place_that_the_store_gives_is_counted_once():
    """
    By whoever renews it; the share of an outage counts its own.
    """
    held = 0
    outage = Outage(lambda _: held, lambda *_: (None, 0.0))
    account = outage.account(SCOPE, Policy("", (Concurrency(8),)))
    account.clients = 4
    outage.begin(NOW, NOW)
    assert outage.has_room(account, (1,), NOW, NOW + 1)
    held = 1
    assert outage.has_room(account, (1,), NOW, NOW + 1)
    held = 2
    assert not outage.has_room(account, (1,), NOW, NOW + 1)


def test_who_is_alone_and_spent_nothing_keeps_what_the_store_gives():
    """
    There is nothing that it could not know.
    """
    outage, account = known(WINDOW, clients=1)
    outage.begin(NOW, NOW)
    assert outage.has_room(account, (40,), NOW - 1, NOW)


def test_who_is_alone_and_owes_nothing_does_not_settle():
    """
    There is nobody to wait for.
    """
    outage, account = known(WINDOW, clients=1)
    outage.begin(NOW, NOW)
    outage.back(NOW + 1)
    assert not outage.settling(account, NOW + 1)
    outage.grant(account, (1,), NOW)
    assert outage.settling(account, NOW + 1)


def test_how_many_there_are_is_asked_now_and_then():
    """
    At the first call, then every sixteen calls, half a window apart at least; no other
    call is kept from the short way for it.
    """
    outage, account = known(WINDOW, clients=0)
    asked = []
    for call in range(200):
        now = NOW + call / 10
        outage.used(account, now, (1,))
        due = account.due
        wanted = outage.wants_count(account, now) > 0
        assert due is wanted
        if wanted:
            account.clients = 2
            asked.append(call)
    assert asked[0] == 0
    assert len(asked) in (3, 4)
    assert all(late - early >= 50 for early, late in itertools.pairwise(asked))


def reply(seq, server_us):
    return [1, server_us, EPOCH, seq, 0, 0, *[0] * 40]


def repaid(outage, account, now, fails=()):
    """
    Drive the plan; return the calls that charged.

    The call of a number in *fails* is not answered.
    """
    ((_, shares),) = outage.debtors()
    plan = repay(Almanac(lambda: 7), account, shares)
    sent, value = [], None
    try:
        effect = next(plan)
        while True:
            if isinstance(effect, Now):
                value = now
            elif effect.script == "peek":
                value = reply(5, 10**12)
            else:
                sent.append(effect)
                if len(sent) in fails:
                    error = StoreUnavailable("gone")
                    note(error, Unheard(effect))
                    effect = plan.throw(error)
                    continue
                value = reply(5 + len(sent), 10**12)
            effect = plan.send(value)
    except StopIteration as stop:
        return sent, sum(stop.value)


def test_what_was_spent_is_charged_at_its_moment():
    """
    One call per short while, and what has left the window since is not charged.
    """
    outage, account = known(WINDOW)
    outage.begin(NOW, NOW)
    outage.grant(account, (3,), NOW + 1)
    outage.grant(account, (2,), NOW + 8)
    outage.grant(account, (4,), NOW + 8.01)
    sent, units = repaid(outage, account, NOW + 12)
    assert units == 6
    assert len(sent) == 1
    assert not account.owes
    assert not outage.debtors()


def test_what_was_spent_is_charged_no_earlier_than_it_was():
    """
    However long the store's word of its time is under way: it is of before it came.
    """
    outage, account = known(WINDOW)
    outage.begin(NOW, NOW)
    booking = outage.grant(account, (3,), NOW + 8)
    plan = repay(Almanac(lambda: 7), account, outage.shares(account, NOW))
    server_us = 10**12  # at some moment between NOW + 10 and NOW + 12
    moments = iter([NOW + 10, NOW + 12])
    effect = next(plan)
    with pytest.raises(StopIteration):
        while True:
            told = reply(5, server_us)
            effect = plan.send(next(moments) if isinstance(effect, Now) else told)
    (post,) = booking.entry.posts
    assert post.moment == server_us - 2_000_000


def test_a_bucket_owes_what_has_not_drained():
    """
    A minute without the store is no minute of debt.
    """
    outage, account = known(TokenBucket(10, 1.0, burst=10), clients=1)
    outage.used(account, NOW - 0.1, (10,))
    outage.begin(NOW, NOW)
    # It had used a half of what a bucket lets through: it has half of its rate.
    for second in range(60):
        outage.grant(account, (5,), NOW + second)
    _, units = repaid(outage, account, NOW + 59.5)
    assert 0 < units <= 10
    outage.grant(account, (5,), NOW + 60)
    _, units = repaid(outage, account, NOW + 120)
    assert units == 0


def test_a_charge_whose_reply_is_lost_is_sent_again_as_it_was():
    """
    So that it counts once; a true cost that comes meanwhile is charged apart.
    """
    outage, account = known(WINDOW)
    outage.begin(NOW, NOW)
    booking = outage.grant(account, (3,), NOW)
    with pytest.raises(StoreUnavailable):
        repaid(outage, account, NOW + 1, fails={1})
    assert booking.entry.closed
    assert outage.settle(account, booking, (5,)) is None
    sent, _ = repaid(outage, account, NOW + 2)
    assert sent[0].args == booking.entry.sent.args
    assert len(sent) == 2
    assert not account.owes


def test_true_costs_change_what_is_owed_until_it_is_charged():
    """
    Then they are posted like those of any other permit, and give nothing twice.
    """
    outage, account = known(WINDOW)
    outage.begin(NOW, NOW)
    less, more, late = (outage.grant(account, (4,), NOW) for _ in range(3))
    assert outage.settle(account, less, (1,)) is None
    assert outage.settle(account, more, (9,)) is None
    _, units = repaid(outage, account, NOW + 1)
    assert units == 14
    booking, actual = outage.settle(account, late, (2,))
    assert [post.units for post in booking.posts] == [4]
    assert actual == (2,)
    assert booking.posts[0].epoch == EPOCH.decode()


def test_what_was_booked_and_withdrawn_is_not_owed():
    """
    A cancelled waiter of an outage leaves nothing.
    """
    outage, account = known(WINDOW)
    outage.begin(NOW, NOW)
    booking = outage.grant(account, (4,), NOW + 2, late=0.05)
    outage.withdraw(account, booking, NOW + 2, 0.05)
    _, units = repaid(outage, account, NOW + 3)
    assert units == 0


def test_places_are_registered_and_not_charged():
    """
    One that was given back before is nobody's.
    """
    outage, account = known(Concurrency(8), clients=1)
    outage.begin(NOW, NOW)
    booking = outage.grant(account, (1,), NOW)
    (share,) = outage.shares(account, NOW)
    assert share.left(NOW) == 7
    assert outage.settle(account, booking, (0,)) is None
    assert share.left(NOW) == 8
    sent, units = repaid(outage, account, NOW + 1)
    assert (sent, units) == ([], 0)


def test_a_child_owes_nothing():
    """
    What a parent of a fork spent is not its child's to pay.
    """
    outage, account = known(WINDOW)
    outage.begin(NOW, NOW)
    outage.grant(account, (3,), NOW)
    outage.forget()
    assert not outage.debtors()
    assert not outage.out
