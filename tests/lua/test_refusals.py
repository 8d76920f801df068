"""The store counts the 429s that processes met on an account."""

import pytest

from paceline import _facts, _wire
from paceline._facts import Refusals, read_facts, read_refusals
from paceline._script import load
from scripts import SECOND, T0, Account

DAY = 86_400 * SECOND


@pytest.fixture
def account(clean_server):
    """Return an account of a model, with limits of its own and a shared one."""
    return Account(clean_server.client(), ["9/min"], model="m", shared=["99/min"])


def seen(account, field="f:m"):
    facts = read_facts(account.state().get(field, ""), account.now)
    return read_refusals(facts, account.now)


def note(account, name, value, seconds):
    facts = [_facts.Fact(name, value, seconds)]
    call = _facts.encode_note(account.scope, account.policy, facts, account.clock())
    return account.client.eval(load("note").source, 1, call.key, *call.args)


def test_each_429_is_counted_with_the_moments_of_the_first_and_the_last(account):
    """
    Also where a longer cool-down runs already; no other cool-down counts.
    """
    for seconds in (30, 2, 0):
        account.cool_down(seconds, refused=True)
        account.now += 5 * SECOND
    account.cool_down(40)
    account.cool_down(0)
    assert seen(account) == Refusals(3, 15 * SECOND, 5 * SECOND)
    assert list(account.state()).count("f:m") == 1


def test_a_count_is_of_one_model(account):
    """
    Neither another one's nor that of calls without a model.
    """
    others = [Account(account.client, ["9/min"], model=model) for model in ("o", None)]
    account.cool_down(1, refused=True)
    for each in others:
        each.cool_down(1, refused=True)
        each.cool_down(1, refused=True)
    counts = [seen(account, f"f:{model}").count for model in ("m", "o", "")]
    assert counts == [1, 2, 2]


def test_429s_are_forgotten_a_day_after_the_last_one(account):
    """
    A microsecond before, one more still counts to the same row.
    """
    account.cool_down(1, refused=True)
    account.now += DAY - 1
    assert seen(account) == Refusals(1, DAY - 1, DAY - 1)
    account.cool_down(1, refused=True)
    assert seen(account) == Refusals(2, DAY - 1, 0)
    account.now += DAY
    assert seen(account) == Refusals()
    account.cool_down(1, refused=True)
    assert seen(account) == Refusals(1, 0, 0)


def test_a_count_outlives_the_cool_down_and_has_an_end(account):
    """
    The hash is kept as long as the count holds, and not for ever.
    """
    account.cool_down(0.001, refused=True)
    for _ in range(2):
        left = account.client.pttl(account.key)
        assert DAY / 1000 - 2_000 <= left <= DAY / 1000 + 2_000
        account.acquire()


def test_counting_touches_no_limit_and_no_other_fact(account):
    """
    The accounts stand as before, facts hold as long as they did.
    """
    account.acquire(4)
    note(account, "ratio", "1.5", 90.0)
    before = account.peek()
    account.cool_down(0, refused=True)
    account.cool_down(0, refused=True)
    assert account.peek() == before
    told = dict(_facts.decode_note(note(account, "slow", "1", 5.0)))
    assert told["ratio"] == ("1.5", 90.0)
    assert seen(account).count == 2


def test_a_reset_forgets_the_429s_and_leaves_what_was_learnt(account):
    """
    Of that model alone, whether its account was in use or not.
    """
    bare = Account(account.client, ["9/min"], model=None)
    bare.cool_down(1, refused=True)
    for used in (True, False):
        if used:
            account.acquire()
        note(account, "ratio", "1.5", 90.0)
        account.cool_down(0, refused=True)
        account.reset()
        assert seen(account) == Refusals()
        assert "429s" not in read_facts(account.state()["f:m"], account.now)
        told = _facts.decode_note(note(account, "ratio", "1.5", 90.0))
        assert told["ratio"].value == "1.5"
    assert seen(account, "f:").count == 1
    assert account.acquire(9).booking


def test_a_clock_that_steps_back_makes_no_moment_lie_ahead(account):
    """
    The count goes on; the first was at the latest when the last was.
    """
    account.cool_down(1, refused=True)
    account.now -= 3_600 * SECOND
    assert seen(account) == Refusals(1, 0, 0)
    account.cool_down(1, refused=True)
    account.now += 9 * SECOND
    assert seen(account) == Refusals(2, 9 * SECOND, 9 * SECOND)


@pytest.mark.parametrize("value", ["", "7", "a word", "x" * 45])
def test_what_a_later_release_may_write_in_its_place_is_no_error(account, value):
    """
    It is read as none, and the next 429 begins anew.
    """
    note(account, "429s", value, 90.0)
    assert seen(account) == Refusals()
    account.cool_down(3, refused=True)
    assert seen(account) == Refusals(1, 0, 0)
    assert account.acquire().decision.limit == "cool-down"


def test_releases_that_know_nothing_of_it_carry_it_along(account):
    """
    A fact among others: who tells another one hears of it, and keeps it.
    """
    account.cool_down(1, refused=True)
    account.now += SECOND
    told = _facts.decode_note(note(account, "ratio", "1.5", 90.0))
    assert told["429s"].seconds == DAY / SECOND - 1
    assert seen(account) == Refusals(1, SECOND, SECOND)


def test_an_account_from_before_is_counted_on(account):
    """
    What an older release wrote holds no count; the first 429 begins one.
    """
    account.acquire(4)
    assert not any(name.startswith("f") for name in account.state())
    account.now = T0 + SECOND
    account.cool_down(1, refused=True)
    assert seen(account) == Refusals(1, 0, 0)
    assert _wire.own_field(account.policy) in account.state()
