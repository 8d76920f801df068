"""Corrected limits as values: what is told, how long it holds, what is made of it."""

from paceline import Concurrency, SlidingWindow, TokenBucket
from paceline._corrections import Corrections, configured, fact_of, with_figure
from paceline._facts import Known
from paceline._policy import Policy

RPM = SlidingWindow(10, 60, name="rpm")
POLICY = Policy("m", (RPM, Concurrency(4)), (TokenBucket(9, 1, 3),))


def told(name="rpm", units=5, seconds=10.0, policy=POLICY):
    fact = fact_of(policy, name, units, seconds)
    return {fact.name: Known(fact.value, seconds)}


def test_a_correction_holds_until_its_end():
    """
    Unless it is told again, or another one takes its place.
    """
    corrections = Corrections()
    assert corrections.adopt("k", POLICY, told(), 100.0)
    assert corrections.of("k", POLICY).limits[0].limit == 5
    assert not corrections.adopt("k", POLICY, {}, 109.0)
    assert corrections.adopt("k", POLICY, told(units=6), 109.0)
    assert corrections.of("k", POLICY).limits[0].limit == 6
    assert corrections.adopt("k", POLICY, {}, 119.0)
    assert corrections.of("k", POLICY) is POLICY


def test_a_policy_that_was_corrected_is_corrected_from_what_was_configured():
    """
    However often: bursts do not shrink by rounding, and the former figure stays known.
    """
    corrections = Corrections()
    (bucket,) = POLICY.shared
    policy = POLICY
    for units in (1, 5, 2, 9):
        corrections.adopt("k", policy, told(bucket.name, units), 0.0)
        policy = corrections.of("k", policy)
    assert policy is POLICY
    corrections.adopt("k", policy, told(bucket.name, 3), 0.0)
    (bucket,) = corrections.of("k", policy).shared
    assert (bucket.rate, bucket.burst, configured(bucket)) == (3, 1, 9)


def test_a_policy_is_made_once_and_what_was_looked_up_is_forgotten():
    """
    What is packed of it is packed once.
    """
    corrections = Corrections()
    corrections.found["a"] = ("scope", POLICY)
    corrections.adopt("k", POLICY, told(), 0.0)
    assert not corrections.found
    first = corrections.of("k", POLICY)
    assert corrections.of("k", POLICY) is corrections.of("k", first) is first
    assert corrections.of("other", POLICY) is POLICY


def test_what_another_release_tells_is_left_alone():
    """
    Figures that no limit can have, limits that are none of ours, other facts.
    """
    corrections = Corrections()
    corrections.adopt(
        "k",
        POLICY,
        {
            f"limit:{RPM.tag}": Known(str(10**15), 9.0),
            "limit:z/strange": Known("5", 9.0),
            "limit:c": Known("many", 9.0),
            "ratio": Known("1.5", 9.0),
        },
        0.0,
    )
    assert corrections.of("k", POLICY) is POLICY


def test_a_corrected_limit_is_the_same_as_one_that_was_made_so():
    """
    It only remembers; and its account is the same.
    """
    limit = with_figure(RPM, 5)
    assert limit == SlidingWindow(5, 60, name="rpm")
    assert (limit.configured, limit.tag, repr(limit)) == (
        10,
        RPM.tag,
        repr(SlidingWindow(5, 60, name="rpm")),
    )
