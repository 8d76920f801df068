"""Events: what is told of a plan, without a store and without a clock."""

import logging
import pickle
from types import SimpleNamespace

import pytest

from paceline import RateLimitExceeded, StoreError, StoreUnavailable, events
from paceline._almanac import Almanac
from paceline._calls import Call, Place, Request, Scope
from paceline._decision import Decision
from paceline._effects import Ask, Now, Sleep
from paceline._rules import Rules
from paceline._watch import Watch, by_unit

SCOPE = Scope("paceline:1:{x}", "team-a")
POLICY = Rules(["9/min", "99 tokens/min", "3 concurrent"]).policy("gpt-4o")
WHO = ("team-a", "gpt-4o")
ASK = Ask(Almanac(lambda: 0), SCOPE, Request(POLICY, (1, 50, 1), 0), 1.0)
GIVE_BACK = Call("settle", "k", ())
DENIED = Decision(allowed=False, retry_after=7.0, limit="rpm", statuses=())
GRANTED = SimpleNamespace(waited=0.5, booking=None)


def told(plan, replies, kind="acquire", *more):
    """Drive a watched plan by replies; return its effects and the events."""
    seen = []
    watch = Watch(seen.append)
    plan = getattr(watch, kind)(plan, SCOPE, POLICY, *(more or ((1, 50, 1),)))
    effects, step, value = [], plan.send, None
    replies = iter(replies)
    try:
        while True:
            effects.append(step(value))
            value = next(replies)
            step = plan.throw if isinstance(value, BaseException) else plan.send
    except StopIteration:
        return effects, seen
    except BaseException as error:  # noqa: BLE001 -- a test looks at it
        return [*effects, error], seen


def plan_of(*effects, ends=GRANTED):
    for effect in effects:  # noqa: UP028 -- a tuple cannot be sent replies
        yield effect
    if isinstance(ends, BaseException):
        raise ends
    return ends


def kinds(seen):
    return [type(event).__name__ for event in seen]


def test_whoever_need_not_wait_is_admitted():
    """
    One event, with what was booked by unit; calls at a time have none.
    """
    effects, (event,) = told(plan_of(Now(), ASK), [1.0, [1, 0]])
    assert effects[1] is ASK
    assert isinstance(event, events.Admitted)
    assert (event.scope, event.model) == WHO
    assert (event.units, event.queued) == ({"requests": 1, "tokens": 50}, False)
    assert event.seconds >= 0


def test_whoever_waits_is_told_of_once():
    """
    However often it sleeps; and the end says that it did wait.
    """
    plan = plan_of(ASK, Sleep(0.5), Sleep(0.2))
    _, seen = told(plan, [[1, 0], None, None])
    assert kinds(seen) == ["Waiting", "Admitted"]
    assert seen[1].queued


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimitExceeded("no", decision=DENIED), "Refused"),
        (StoreError("no", code="P205"), "Failed"),
        (KeyboardInterrupt(), "Abandoned"),
    ],
)
def test_the_end_is_told_whatever_it_is(error, kind):
    """
    And raised as it was.
    """
    effects, seen = told(plan_of(ASK, ends=error), [[1, 0]])
    assert effects[-1] is error
    assert kinds(seen) == [kind]
    if kind == "Refused":
        assert (seen[0].limit, seen[0].retry_after) == ("rpm", 7.0)
    if kind == "Failed":
        assert seen[0].code == "P205"


def test_what_is_thrown_into_a_wait_reaches_the_plan():
    """
    It can still give its booking back.
    """
    seen = []

    def plan():
        try:
            yield Sleep(1.0)
        except KeyboardInterrupt:
            seen.append((yield GIVE_BACK))
            raise

    effects, events_seen = told(plan(), [KeyboardInterrupt(), [1, 0]])
    assert effects[1] is GIVE_BACK
    assert isinstance(effects[-1], KeyboardInterrupt)
    assert seen == [[1, 0]]
    assert kinds(events_seen) == ["Waiting", "Abandoned"]


def test_a_plan_that_is_closed_closes_what_it_follows():
    """
    Its clean-up runs at once, not whenever memory is tidied.
    """
    closed = []

    def plan():
        try:
            yield Now()
        finally:
            closed.append(True)

    watched = Watch(lambda event: None).acquire(plan(), SCOPE, POLICY, (1, 1, 1))
    next(watched)
    watched.close()
    assert closed == [True]


def test_a_turn_given_back_and_booked_anew_is_told():
    """
    What was owed from before, and is asked for on its lane first, is none.
    """
    owed = Call("acquire", "k", (), lane=Place("l", 3, 1))
    plan = plan_of(owed, GIVE_BACK, ASK, Sleep(1.0), GIVE_BACK, ASK)
    _, seen = told(plan, [[2, 5, 1, 0], [1, 0], [1, 0], None, [1, 0], [1, 0]])
    assert kinds(seen) == ["Replayed", "Waiting", "Rebooked", "Admitted"]


def test_an_outage_begins_and_ends_once():
    """
    However many calls meet it; others' errors are none.
    """
    seen = []
    watch = Watch(seen.append)
    gone = StoreUnavailable("gone")
    for answer in (gone, gone, StoreError("other"), [1, 0], [1, 0]):
        plan = watch.settle(
            plan_of(ASK, ends=None), SCOPE, POLICY, (1, 1, 1), (1, 1, 0)
        )
        next(plan)
        try:
            if isinstance(answer, Exception):
                plan.throw(answer)
            else:
                plan.send(answer)
        except (StopIteration, StoreError):
            pass
    assert kinds(seen) == ["OutageBegan", "OutageEnded"]
    assert seen[0].code == "P201"
    assert seen[1].seconds >= 0


def test_a_settlement_that_changes_nothing_is_none():
    """
    The release of a place alone is no news of a cost.
    """
    assert told(plan_of(ASK), [[1, 0]], "settle", (1, 50, 1), (1, 50, 0))[1] == []
    (event,) = told(plan_of(ASK), [[1, 0]], "settle", (1, 50, 1), (1, 20, 0))[1]
    assert event == events.Settled(
        *WHO, {"requests": 1, "tokens": 50}, {"requests": 1, "tokens": 20}
    )


def test_a_handler_that_raises_breaks_nothing(caplog):
    """
    Its error is logged once.
    """

    def broken(event):
        raise ZeroDivisionError

    watch = Watch(broken)
    with caplog.at_level(logging.ERROR, "paceline"):
        for _ in range(3):
            watch.tell(events.Waiting(*WHO))
    assert len(caplog.records) == 1


def test_events_are_values():
    """
    They can be pickled, are named where people import them, and cannot be changed.
    """
    event = events.Rebooked(*WHO)
    assert pickle.loads(pickle.dumps(event)) == event
    assert all(
        getattr(events, n).__module__ == "paceline.events" for n in events.__all__
    )
    assert sorted(events.__all__) == events.__all__
    with pytest.raises(AttributeError):
        event.scope = "other"


def test_units_of_two_limits_are_counted_once():
    """
    Both charge the same call.
    """
    policy = Rules(["9/min", "99/day", "1k tokens/day"]).policy(None)
    assert by_unit(policy, (1, 1, 7)) == {"requests": 1, "tokens": 7}
