"""What all processes spent proves that tokens come back, and nothing else does."""

import random

import pytest
from hypothesis import example, given, settings, strategies as st

from paceline._provider.feedback import Reading
from paceline.openai._epochs import Epochs
from rig_epochs import Board, Bucket, Fixed, Fleet, Sliding, Trouble

LIMIT, PER = 240_000, 60.0
RATE = LIMIT / PER
LATENCY, SIZE, USED = (0.3, 0.8), (400, 400), (0.2, 0.3)


def busy(_):
    return 20 * RATE


def fleet(provider=None, processes=4, seed=1, burst=LIMIT, trouble=None, **how):
    how = {"gives_back": True, "late": True, **how}
    provider = provider or Bucket(LIMIT, PER, burst, **how)
    dice = random.Random(seed)
    return Fleet(dice, provider, processes, (burst, RATE), PER, trouble)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("processes", "burst"),
    [(1, LIMIT), (4, LIMIT), (32, LIMIT), (1, LIMIT // 6), (4, LIMIT // 6)],
)
def test_a_fleet_that_starts_with_a_full_bucket_finds_out_in_seconds(
    processes, burst, late
):
    """
    With calls that always overlap, whenever the headers are written, and also where
    the bucket is smaller than the limit that they name.
    """
    calls = fleet(processes=processes, burst=burst, late=late)
    assert calls.run(30.0, busy, LATENCY, SIZE, USED) < 15.0


@pytest.mark.parametrize("processes", [1, 4])
def test_a_fleet_finds_out_although_much_goes_wrong(processes):
    """
    Others use a fifth of the account; replies of the store are lost, processes die.
    """
    trouble = Trouble(lost=0.1, death=0.05, failed=0.1)
    calls = fleet(processes=processes, trouble=trouble)
    assert calls.run(60.0, busy, LATENCY, SIZE, USED, rivals=0.2) is not None


def test_a_fleet_that_was_saturated_before_finds_out_after_its_next_pause():
    """
    What is spent as fast as it is refilled proves nothing; the burst after a pause of
    20 s does.
    """

    def demand(now):
        return 0.0 if 60.0 <= now < 80.0 else busy(now)

    calls = fleet()
    calls.ours = 0.0
    assert 80.0 < calls.run(120.0, demand, LATENCY, SIZE, USED) < 100.0


def test_a_fleet_that_stays_saturated_does_not_find_out():
    """
    The price of believing nothing that could be otherwise.
    """
    calls = fleet()
    calls.ours = 0.0
    assert calls.run(200.0, busy, LATENCY, SIZE, USED) is None


def strangers(dice, kind):
    """Return a provider that gives nothing back, and how the fleet meets it."""
    limit = dice.choice([6_000, 60_000, LIMIT])
    burst = int(limit * dice.choice([1, 1, 1 / 2, 1 / 6]))
    how = {"gives_back": False, "late": dice.random() < 0.5}
    how["digits"] = dice.choice([3, 3, 0])
    if kind == "fixed":
        return Fixed(limit, PER, limit, **how)
    if kind == "sliding":
        return Sliding(limit, PER, limit, whole=dice.random() < 0.5, **how)
    # Its headers lag behind; it refills sooner or later than its limit suggests.
    lag = dice.uniform(0.0, 2.0) if kind == "late" else 0.0
    per = PER * dice.choice(
        [1 / 60, 0.1, 0.5, 0.7, 60, 1440] if kind == "other" else [1]
    )
    return Bucket(limit, per, burst, lag=lag, **how)


def meet_a_stranger(seed):
    """Return when a fleet believed of a provider what is not so, or None."""
    dice = random.Random(seed)
    kinds = ["bucket", "bucket", "fixed", "sliding", "late", "other"]
    provider = strangers(dice, dice.choice(kinds))
    limit, burst = provider.limit, provider.burst
    rate = limit / PER
    trouble = Trouble(
        lost=dice.choice([0.0, 0.1, 0.5]),
        flush=dice.choice([0.0, 0.02, 0.2]),
        step=dice.choice([0.0, 0.02]),
        death=dice.choice([0.0, 0.1]),
        sleep=dice.choice([0.0, 0.02]),
        failed=dice.choice([0.0, 0.2]),
        change=dice.choice([0.0, 0.02]),
    )
    # Our own limits may be those of the provider, or no limits at all.
    factor = dice.choice([0.5, 1, 10])
    cap = (factor * dice.choice([burst, limit]), max(1, factor) * rate)
    calls = Fleet(dice, provider, dice.choice([1, 2, 4, 8]), cap, PER, trouble)
    period = dice.uniform(5.0, 60.0)
    demand = dice.choice(
        [
            lambda _: 3 * rate,
            lambda now: rate * (8 if now % period < period / 3 else 0.05),
            lambda now: rate * (1.2 if int(now / period) % 2 else 0.3),
        ]
    )
    latency = dice.choice([(0.1, 0.6), (0.5, 1.0), (1.0, 8.0), (5.0, 30.0)])
    least = max(20, int(rate / 20))
    size = dice.choice(
        [(least, 4 * least), (4 * least, 4 * least), (least, 20 * least)]
    )
    rivals = dice.choice([0.0, 0.0, 0.3])
    return calls.run(150.0, demand, latency, size, (0.05, 0.9), rivals)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**64))
@example(seed=3513)  # the limit changes, and who saw it dies
@example(seed=5049)
@example(seed=8578)  # the store's clock steps back, and who knew dies
@example(seed=7376)  # it refills faster, and resets are whole seconds
def test_a_provider_that_keeps_everything_is_never_believed_to_give_back(seed):
    """
    Buckets, fixed and sliding windows, headers that lag by two seconds, other windows,
    limits that change; rivals, lost replies, a store that is flushed or whose clock
    steps, processes that die or sleep, failed calls.
    """
    assert meet_a_stranger(seed) is None


@pytest.mark.soak
def test_no_provider_of_many_that_keep_everything_is_believed_to_give_back():
    """
    Three thousand of them, two minutes and a half each.
    """
    assert [seed for seed in range(3_000) if meet_a_stranger(seed)] == []


class Pair:
    """Two processes on one board, by hand."""

    def __init__(self):
        names = iter(f"{number:08x}" for number in range(1, 100))
        self.board = Board()
        self.all = [Epochs(lambda: next(names)) for _ in range(2)]

    def meet(self, number, now):
        epochs = self.all[number]
        known = self.board.exchange(epochs.facts(now), now)
        return epochs.meet(known, now, now)

    def call(self, number, sent, remaining, reset, limit=6_000):
        reading = Reading("tokens", limit, remaining, reset)
        self.all[number].count(sent, sent + 0.5, 1_000, reading, PER)

    def spend(self, first, *later, other=6_000):
        """Spend a bucket of 6,000, and two thirds as much again; look, call, look."""
        shown = [self.meet(0, 0.0), self.meet(1, 0.1)]
        for number, limit in enumerate((6_000, other)):
            for _ in range(5):
                self.call(number, 0.2, *first, limit)
        shown += [self.meet(0, 1.0), self.meet(1, 1.1), self.meet(0, 2.0)]
        for turn, said in enumerate(later):
            for each in said:
                self.call(0, 5.0 + turn, *each)
            shown.append(self.meet(0, 6.0 + turn))
        return shown


PROOF = (3_000, 30.0), [(5_000, 10.0), (5_100, 9.0)], [(5_500, 5.0)]


def test_three_answers_between_two_looks_prove_it():
    """
    One process alone can tell, for it knows what both spent. Twice the same answer is
    one, and three between the same looks are not enough.
    """
    assert Pair().spend(*PROOF) == [False] * 6 + [True]
    first, two, one = PROOF
    assert not any(Pair().spend(first, two, two[:1]))
    assert not any(Pair().spend(first, two + one))


@pytest.mark.parametrize(
    "answers",
    [
        ((3_000, None), [(5_000, None), (5_100, None)], [(5_500, None)]),
        ((3_000, 50.0), [(5_000, 45.0), (5_100, 45.0)], [(5_500, 44.0)]),
        ((3_000, 3_000.0), [(5_000, 1_000.0), (5_100, 900.0)], [(5_500, 500.0)]),
        ((6_000, 0.0), [(6_000, 0.0), (6_000, 0.01)], [(6_000, 0.02)]),
        ((3_000, 30.0), [(5_000, 10.0, 6_001), (5_100, 9.0)], [(5_500, 5.0)]),
        ((0, 60.0), [(0, 61.0), (0, 62.0)], [(0, 63.0)]),
    ],
    ids=["no reset", "window", "day", "always full", "other limit", "nothing left"],
)
def test_headers_that_do_not_speak_of_one_bucket_prove_nothing(answers):
    """
    What remains and what comes back until the reset is one sum, and it was seen to
    come back as fast as the limit says. One other word, and nothing is believed.
    """
    assert not any(Pair().spend(*answers))


def test_a_limit_that_another_process_saw_change_proves_nothing():
    """
    Who comes after that cannot see it; what each tells has the limit with it.
    """
    assert not any(Pair().spend(*PROOF, other=9_000))


def test_what_was_told_twice_because_a_reply_was_lost_counts_once():
    """
    The place that a process took without knowing it is its own all the same.
    """
    pair = Pair()
    pair.meet(0, 0.0)
    pair.call(0, 0.2, 5_000, 10.0)
    pair.board.exchange(pair.all[0].facts(1.0), 1.0)
    pair.call(0, 1.2, 4_000, 20.0)
    pair.meet(0, 2.0)
    pair.meet(0, 3.0)
    rows = [name for name in pair.board.facts if name.startswith("spent:")]
    assert (len(rows), pair.all[0]._epoch.total) == (2, 2_000)


def test_the_store_that_steps_back_makes_no_epoch_younger():
    """
    Who comes later goes by the age that the others tell.
    """
    pair = Pair()
    pair.spend(PROOF[0])
    pair.call(0, 20.0, 3_000, 30.0)
    pair.meet(0, 30.0)
    pair.board.step = -25.0
    pair.meet(1, 31.0)
    pair.all.append(Epochs(lambda: "abcdef00"))
    pair.meet(2, 31.0)
    assert 31.0 - pair.all[2]._epoch.since >= 30.0
    assert 31.0 - pair.all[1]._epoch.since == pytest.approx(31.0)


def test_an_epoch_ends_with_the_store_that_forgets_it():
    """
    The next one begins a look later, and what was spent before is no part of it.
    """
    pair = Pair()
    pair.spend(PROOF[0])
    before = pair.all[0]._epoch
    pair.board.facts.clear()
    for now in (3.0, 4.0):
        pair.meet(0, now)
    pair.call(0, 3.9, 3_000, 30.0)
    pair.call(0, 4.2, 3_000, 30.0)
    pair.meet(0, 5.0)
    after = pair.all[0]._epoch
    assert (before.spent, after.spent, after.total) == (5_000, 1_000, 1_000)
    assert after.name != before.name


def test_what_was_not_proved_though_it_should_have_been_is_left_alone_for_minutes():
    """
    A provider that keeps everything costs nobody a fact each second for ever.
    """
    pair = Pair()
    pair.spend((500, 55.0), [(100, 59.0)], [(50, 59.5)])
    for now in range(8, 180, 2):
        for number in (0, 1):
            pair.call(number, float(now), 50 + now, 59.0 - now / 100)
            pair.meet(number, now + 0.7)
    assert pair.all[0]._epoch is None
    facts = [each for epochs in pair.all for each in epochs.facts(200.0)]
    assert facts == []
    assert [f.name for f in pair.all[0].facts(500.0)][-1].startswith("epoch:")


def test_the_rows_of_a_store_are_bounded_and_of_no_later_release():
    """
    Of a hundred processes as many tell what they spent as there are rows; words that
    nobody knows are no rows.
    """
    pair = Pair()
    pair.all = [Epochs(lambda n=n: f"{n:08x}") for n in range(100)]
    for turn in range(4):
        for number in range(100):
            pair.meet(number, turn + number / 1000)
            pair.call(number, turn + 0.5, 3_000 - number, 30.0 + number / 100)
    assert len(pair.board.facts) == 1 + 32
    epoch = pair.all[0]._epoch
    most = epoch.total
    pair.board.facts["spent:0:99"] = ("in:other:words", 99.0)
    pair.board.facts["spent:0:98"] = (f"{epoch.name}:me:many:6000:0:0", 99.0)
    pair.meet(0, 5.0)
    assert most <= epoch.total <= 32 * 4_000
