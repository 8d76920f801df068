"""For how long a refusal is trusted."""

from types import SimpleNamespace

from hypothesis import given, strategies as st

from paceline import Decision
from paceline._calls import Request
from paceline._refusals import LONGEST, Refusal, Refusals, note
from paceline._rules import Rules

POLICY = Rules(["5/min", "9 tokens/min"]).policy(None)
ASKED = Request(POLICY, (1, 4), 0)


def refused(retry_after=60.0):
    """Return an answer that refuses."""
    decision = Decision(
        allowed=False, retry_after=retry_after, limit="5/min", statuses=()
    )
    return SimpleNamespace(decision=decision)


def test_the_first_refusal_is_not_trusted():
    """
    Nor is the next one, if it comes later than a hundredth of a second.
    """
    first = Refusal(ASKED, refused(), None, 1.0)
    assert first.again(ASKED, 1.0) is None
    late = Refusal(ASKED, refused(), first, 1.0 + 1.1 * LONGEST)
    assert late.again(ASKED, 1.0 + 1.1 * LONGEST) is None


def test_a_refusal_is_trusted_for_as_long_as_there_were_only_refusals():
    """
    And then again for as long, until the most.
    """
    first = Refusal(ASKED, refused(), None, 1.0)
    assert first.again(ASKED, 1.001) is None
    second = Refusal(ASKED, refused(), first, 1.001)
    assert not second.again(ASKED, 1.0019)
    assert second.again(ASKED, 1.0021) is None


def test_a_larger_cost_is_refused_with_it():
    """
    In all units; and one of other limits is not.
    """
    first = Refusal(ASKED, refused(), None, 1.0)
    second = Refusal(ASKED, refused(), first, 1.005)
    for charges, answered in [((1, 4), True), ((2, 5), True), ((2, 3), False)]:
        found = second.again(Request(POLICY, charges, 0), 1.006)
        assert (found is not None) == answered
    other = Rules(["5/min", "9 tokens/min"]).policy(None)
    assert second.again(Request(other, (1, 4), 0), 1.006) is None


@given(
    st.lists(st.floats(0, 0.02), min_size=1, max_size=50),
    st.floats(0.0001, 0.05),
)
def test_no_answer_is_older_than_the_most_or_later_than_its_hint(gaps, retry_after):
    """
    Whenever callers come.
    """
    table, now, heard = {}, 100.0, 0.0
    for gap in gaps:
        now += gap
        known = table.get("")
        decision = known and known.again(ASKED, now)
        if decision is None:
            heard = now
            note(table, ASKED, refused(retry_after), now)
        else:
            assert now - heard <= LONGEST
            assert 0 < decision.retry_after <= retry_after
            assert abs(heard + retry_after - now - decision.retry_after) < 1e-9


def test_nothing_is_noted_where_somebody_gave_back_meanwhile():
    """
    A table that was got before does not count any more.
    """
    refusals = Refusals()
    table = refusals.of("scope")
    refusals.forget("scope")
    note(table, ASKED, refused(), 1.0)
    assert not refusals.of("scope")
