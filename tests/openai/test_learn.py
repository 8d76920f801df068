"""What headers teach. Answers are values; where it matters there is a provider."""

import random

import pytest

from paceline._provider.feedback import Reading
from paceline.openai._learn import Answered, Limits, Refunds, gap

LIMIT = 6000  # 100 a second


class Provider:
    """
    A token bucket, as OpenAI's is seen to be, with or without settlement.
    """

    def __init__(self, *, gives_back, late_header=False):
        self.gives_back, self.late_header = gives_back, late_header
        self.left, self.at = float(LIMIT), 0.0

    def refill(self, now):
        self.left = min(LIMIT, self.left + (now - self.at) * LIMIT / 60)
        self.at = now

    def call(self, sent, seconds, reserved, used):
        self.refill(sent)
        self.left -= reserved
        early = int(self.left)
        self.refill(sent + seconds)
        if self.gives_back:
            self.left = min(LIMIT, self.left + reserved - used)
        remaining = int(self.left) if self.late_header else early
        remaining = max(0, remaining)
        reading = Reading("tokens", LIMIT, remaining, self.reset(remaining), 60.0)
        return Answered(sent, sent + seconds, reserved, used, reading)

    def reset(self, remaining):
        return (LIMIT - remaining) * 60 / LIMIT


class Windows(Provider):
    """A limit whose windows begin anew, full, with each minute."""

    def refill(self, now):
        if int(now / 60) > int(self.at / 60):
            self.left = float(LIMIT)
        self.at = now

    def reset(self, _):
        return 60 - self.at % 60


def judge(provider, calls, seed, others=0):
    dice, now, refunds = random.Random(seed), 0.0, Refunds()
    for _ in range(calls):
        now += dice.uniform(0.01, 1.0)
        reserved = dice.randint(200, 900)
        seconds = dice.uniform(0.05, 3.0)
        used = dice.randint(20, reserved)
        refunds.witness(provider.call(now, seconds, reserved, used))
        now += seconds
        provider.refill(now)
        provider.left -= min(provider.left, dice.randint(0, others))
    return refunds.shown


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("others", [0, 300])
@pytest.mark.parametrize("seed", range(5))
def test_a_provider_that_keeps_everything_is_never_believed_to_give_back(
    late, others, seed
):
    """
    Whatever the headers' moment and however long answers take, over 1,000 calls.
    """
    provider = Provider(gives_back=False, late_header=late)
    assert not judge(provider, 1000, seed, others)


@pytest.mark.parametrize("seed", range(2))
def test_a_window_that_begins_anew_gives_nothing_back(seed):
    """
    From one answer to the next all of it is there again, some sixty times over.
    """
    assert not judge(Windows(gives_back=False), 2000, seed)


def test_headers_without_a_reset_prove_nothing():
    """
    Nobody knows whether a bucket or a window speaks.
    """
    provider, refunds = Provider(gives_back=True), Refunds()
    provider.reset = lambda _: None
    for number in range(20):
        refunds.witness(provider.call(number * 0.2, 0.1, 1000, 100))
    assert not refunds.shown


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_provider_that_gives_back_is_found_out(late, seed):
    """
    From what remains, within some hundred calls.
    """
    assert judge(Provider(gives_back=True, late_header=late), 400, seed)


def test_one_header_is_no_proof():
    """
    Three answers must show it.
    """
    provider, refunds = Provider(gives_back=True), Refunds()
    shown = []
    for number in range(5):
        refunds.witness(provider.call(number * 0.2, 0.1, 1000, 100))
        shown.append(refunds.shown)
    assert shown == [False, False, False, True, True]


def test_answers_without_usage_or_headers_prove_nothing():
    """
    An aborted stream may have used all of it.
    """
    refunds = Refunds()
    reading = Reading("tokens", LIMIT, LIMIT, None, 60.0)
    for number in range(10):
        refunds.witness(Answered(number, number + 0.1, 1000, None, reading))
        refunds.witness(Answered(number, number + 0.1, 1000, 0, Reading("tokens")))
    assert not refunds.shown


def test_a_limit_goes_down_at_once_and_up_when_ten_answers_in_a_row_say_so():
    """
    Azure lowers its limits for hours; a higher number may be another tier's. Of ten
    higher ones the least counts.
    """
    limits = Limits()

    def see(limit):
        return limits.see(Reading("tokens", limit, 0, 60.0, 60.0))

    name = ("tokens", 60.0)
    assert (see(1000), see(1000)) == (True, False)
    assert (see(600), limits.known) == (True, {name: 600})
    assert [see(900) for _ in range(9)] == [False] * 9
    assert not see(600)
    assert [see(900) for _ in range(8)] == [False] * 8
    assert not see(700)
    assert (see(900), limits.known) == (True, {name: 700})
    assert (see(500), limits.known) == (True, {name: 500})
    assert not limits.see(Reading("tokens", 5, 0))
    assert not limits.see(Reading("tokens", None, 0, None, 60.0))


def test_what_was_told_is_told_again_only_if_it_was_in_vain():
    """
    Of many answers at a time one tells; half a minute later another may.
    """
    limits, name = Limits(), ("tokens", 60.0)
    told = [limits.may_tell(name, 600, at) for at in (0.0, 0.1, 29.9, 30.0, 31.0)]
    assert told == [True, False, False, True, False]
    assert limits.may_tell(name, 500, 31.0)


@pytest.mark.parametrize(
    ("said", "elapsed", "ours", "charge"),
    [
        (1000, 0.0, 3000, 1999),
        (1000, 10.0, 3000, 999),
        (1000, 60.0, 3000, 0),
        (1000, 0.0, 900, 0),
        (1000, 0.0, 1100, 0),
        (0, 0.0, 6000, 5999),
    ],
)
def test_our_account_is_only_ever_tightened(said, elapsed, ours, charge):
    """
    By what it has more than the provider's could have by now, unless that is noise.
    """
    assert (
        gap(Reading("tokens", LIMIT, said, None, 60.0), elapsed, LIMIT, ours) == charge
    )


def test_an_unknown_remainder_tightens_nothing():
    """
    Absent is not 0.
    """
    assert gap(Reading("tokens", LIMIT), 0.0, LIMIT, LIMIT) == 0
