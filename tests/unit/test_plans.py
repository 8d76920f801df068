"""Plans without a store and without a clock: what they ask for, and in which order."""

from copy import copy
from dataclasses import replace

import pytest

from paceline import (
    CostTooLarge,
    RateLimitExceeded,
    SlidingWindow,
    StoreError,
    StoreUnavailable,
)
from paceline._almanac import Almanac
from paceline._batch import serve
from paceline._calls import Place
from paceline._desk import Desk
from paceline._effects import Ask, Now, Sleep, Stir
from paceline._plans import try_acquire
from paceline._reply import decode_acquire
from paceline._rules import Rules
from paceline._turns import Wish, acquire
from paceline._unheard import Unheard, note, note_answer
from paceline._wire import Call, Post, Request, Scope

SCOPE = Scope("paceline:1:{x}", "team-a")
POLICY = Rules(SlidingWindow(5, 1.0)).policy("m")
NOW_US = 1_800_000_000_000_000


def desk():
    return Desk(Almanac(lambda: 7))


def reply(code, wait_us=0, why=1, cool_us=0):
    return [1, NOW_US, b"e" * 20, 1, 0, cool_us, code, wait_us, why, 3, 500_000]


class Steps:
    """
    Drives a plan by hand; the clock stands where the test puts it.

    Whoever asks is served alone: the test sees the call.
    """

    def __init__(self, plan):
        self.plan, self.now, self.batch = plan, 100.0, None
        self.effect = next(plan)
        self.skip()

    def skip(self):
        while isinstance(self.effect, Now | Stir):
            self.effect = self.plan.send(self.now)
        if isinstance(self.effect, Ask):
            self.batch = serve([self.effect])
            self.effect = next(self.batch)

    def go(self, step, value):
        if self.batch is None:
            return step(self.plan)(value)
        try:
            return step(self.batch)(value)
        except StopIteration as stop:
            self.batch = None
            return self.plan.send(stop.value[0])
        except BaseException as error:  # noqa: BLE001 -- the plan decides
            self.batch = None
            return self.plan.throw(error)

    def answer(self, value):
        self.effect = self.go(lambda plan: plan.send, value)
        self.skip()
        return self.effect

    def end(self, value):
        with pytest.raises(StopIteration) as stop:
            self.answer(value)
        return stop.value.value

    def fail(self, error):
        self.effect = self.go(lambda plan: plan.throw, error)
        self.skip()
        return self.effect


def waiting(timeout=10.0):
    return Steps(acquire(desk(), SCOPE, POLICY, (1,), Wish(timeout)))


def test_a_free_permit_takes_one_call():
    """
    One script, no sleep.
    """
    steps = waiting()
    assert steps.effect.script == "acquire"
    granted = steps.end(reply(1))
    assert granted.waited == 0
    assert granted.booking.posts == (Post(NOW_US, 1, "e" * 20, 0, stamp=1_001),)


def test_a_booked_turn_is_slept_for_and_not_asked_for_again():
    """
    One script and one sleep; the booking is charged within its grace.
    """
    steps = waiting()
    assert steps.answer(reply(1, wait_us=250_000)) == Sleep(0.25)
    steps.now += 0.25
    granted = steps.end(None)
    assert granted.waited == 0.25
    assert granted.booking.posts[0][0] == NOW_US + 250_000 + 5_000


def test_a_sleeper_that_heard_nothing_for_long_asks_before_it_goes():
    """
    After more than a second a booked sleeper looks whether a cool-down was called.
    """
    steps = waiting()
    steps.answer(reply(1, wait_us=3_000_000))
    steps.now += 3.0
    look = steps.answer(None)
    assert look.script == "peek"
    assert steps.end([1, NOW_US, b"e" * 20, 1, 0, 0, 3, 0]).waited == 3.0


def test_a_cool_down_sends_the_sleeper_back():
    """
    The booking is given back and a new turn is asked for.
    """
    steps = waiting()
    steps.answer(reply(1, wait_us=3_000_000))
    steps.now += 3.0
    steps.answer(None)
    assert steps.answer([1, NOW_US, b"e" * 20, 1, 0, 500_000, 3, 0]).script == "settle"
    assert steps.answer([1, NOW_US, b"e" * 20, 2, 0, 500_000]).script == "acquire"
    assert steps.answer(reply(0, wait_us=500_000, why=-1)) == Sleep(0.5)


def test_a_hint_is_slept_for_and_asked_again():
    """
    What only a calendar or a cool-down demands is not booked.
    """
    steps = waiting()
    assert steps.answer(reply(0, wait_us=2_000_000, why=-1)) == Sleep(2.0)
    steps.now += 2.0
    again = steps.answer(None)
    assert (again.script, again.args[-8]) == ("acquire", 8_000_000)


def test_too_late_is_said_before_any_sleep():
    """
    A refusal beyond the timeout ends the plan at once.
    """
    steps = waiting(timeout=0.5)
    with pytest.raises(RateLimitExceeded, match=r"requests/s of team-a/m .* 2\.000 s"):
        steps.answer(reply(0, wait_us=2_000_000))


def test_a_slow_answer_counts_against_the_timeout():
    """
    A turn that the answer's own delay made too late is given back.
    """
    steps = waiting(timeout=1.0)
    steps.now += 0.5
    effect = steps.answer(reply(1, wait_us=900_000))
    assert effect.script == "settle"
    with pytest.raises(RateLimitExceeded):
        steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0])


def span_of(call):
    """Return what an acquire's only request asks for beyond the limit's grace."""
    return call.args[-6]


def test_a_late_sleeper_books_anew_with_twice_the_lag_to_spare():
    """
    Woken 30 ms late where 5 ms are allowed: back it goes, and 60 ms are asked for.
    """
    steps = waiting()
    assert steps.answer(reply(1, wait_us=250_000)) == Sleep(0.25)
    steps.now += 0.28
    assert steps.answer(None).script == "settle"
    again = steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0])
    assert (again.script, span_of(again)) == ("acquire", pytest.approx(60_000, abs=1))


def test_a_sleeper_is_sent_back_once_only():
    """
    Late again, it goes: whoever is always late must not wait for ever.
    """
    steps = waiting()
    steps.answer(reply(1, wait_us=250_000))
    steps.now += 0.28
    steps.answer(None)
    steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0])
    assert steps.answer(reply(1, wait_us=250_000)) == Sleep(0.25)
    steps.now += 1.25
    assert steps.end(None).waited == pytest.approx(1.53)


def test_a_process_that_wakes_late_allows_for_it():
    """
    The next turn is booked with more to spare, up to five times the limit's grace.
    """
    the_desk = desk()
    for _ in range(40):
        the_desk.note_lag(8_000)
    late = Steps(acquire(the_desk, SCOPE, POLICY, (1,), Wish(10.0)))
    assert span_of(late.effect) == pytest.approx(12_000, abs=20)
    for _ in range(40):
        the_desk.note_lag(400_000)
    late = Steps(acquire(the_desk, SCOPE, POLICY, (1,), Wish(10.0)))
    assert span_of(late.effect) == 25_000
    late.answer(reply(1, wait_us=250_000))
    late.now += 0.274
    assert late.end(None).booking.posts[0].moment == NOW_US + 250_000 + 25_000


def test_a_grant_whose_reply_came_back_late_is_asked_for_anew():
    """
    The store granted it half a second ago; used now, it would be half a second late.
    """
    steps = Steps(try_acquire(desk(), SCOPE, POLICY, (1,)))
    assert steps.answer([2, 500_000, *reply(1)]).script == "settle"
    assert steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0]).script == "acquire"
    assert steps.end(reply(1)).allowed


def test_a_turn_that_a_lost_reply_told_of_comes_when_it_was_booked():
    """
    Half of the wait went by with the lost reply: only the rest is slept for.
    """
    steps = waiting()
    pause = steps.answer([2, 100_000, *reply(1, wait_us=250_000)])
    assert pause.seconds == pytest.approx(0.15)


def test_an_answer_that_the_store_forgot_is_an_error():
    """
    Nobody knows what was charged: one clear error, and no second charge.
    """
    steps = Steps(try_acquire(desk(), SCOPE, POLICY, (1,)))
    with pytest.raises(StoreError, match="P212"):
        steps.answer([3, NOW_US])


def test_what_a_given_up_call_booked_goes_back_with_the_next_one():
    """
    The next call sends the old one again, on its lane, and cancels what it booked.
    """
    the_desk = desk()
    steps = Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))
    error = StoreUnavailable("gone")
    note(error, Unheard(replace(steps.effect, lane=Place("x", 5, 5))))
    with pytest.raises(StoreUnavailable):
        steps.fail(error)
    steps = Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))
    assert steps.effect.lane == Place("x", 5, 5)
    assert steps.answer([2, 9_000_000, *reply(1)]).script == "settle"
    own = steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0])
    assert (own.script, own.lane) == ("acquire", None)
    assert steps.end(reply(1)).allowed
    assert not the_desk.owed


def test_a_call_that_served_several_goes_back_once():
    """
    Each who shared it fails with the same error, or a copy, and some do so late.
    """
    the_desk = desk()
    steps = Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))
    error = StoreUnavailable("gone")
    note(error, Unheard(replace(steps.effect, lane=Place("x", 5, 5))))
    the_desk.owed.note(error, SCOPE)
    the_desk.owed.note(copy(error), SCOPE)
    assert len(the_desk.owed) == 1
    assert the_desk.owed.take(SCOPE).call.lane == Place("x", 5, 5)
    the_desk.owed.note(copy(error), SCOPE)
    the_desk.owed.note(error, SCOPE)
    assert not the_desk.owed


def owing(the_desk, requests=1):
    """Let a call of so many callers be owed, and send it again with the next one."""
    call = replace(
        Steps(try_acquire(the_desk, SCOPE, POLICY, (1,))).effect, lane=Place("x", 5, 5)
    )
    unheard = Unheard(call)
    unheard.requests = (Request(POLICY, (1,), 0),) * requests
    error = StoreUnavailable("gone")
    note(error, unheard)
    the_desk.owed.note(error, SCOPE)
    return Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))


def test_who_is_interrupted_leaves_what_is_to_go_back_to_the_next():
    """
    Of a shared call that comes back booked for three, in the middle.
    """
    the_desk = desk()
    steps = owing(the_desk, requests=3)
    booked = reply(1) + reply(1)[6:] * 2
    assert steps.answer([2, 9_000_000, *booked]).script == "settle"
    with pytest.raises(KeyboardInterrupt):
        steps.fail(KeyboardInterrupt())
    assert [owed.call.script for owed in the_desk.owed] == ["settle", "settle"]


def test_what_cannot_be_given_back_now_goes_back_later():
    """
    On no lane yet: it was not sent. Once it was, its lane stays.
    """
    the_desk = desk()
    steps = owing(the_desk)
    steps.answer([2, 9_000_000, *reply(1)])
    steps.fail(StoreUnavailable("gone"))
    (later,) = the_desk.owed
    assert (later.call.script, later.call.lane) == ("settle", None)
    steps = Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))
    assert steps.effect.script == "settle"
    error = StoreUnavailable("silent")
    note(error, Unheard(replace(steps.effect, lane=Place("y", 1, 1))))
    with pytest.raises(StoreUnavailable):
        steps.fail(error)
    (again,) = the_desk.owed
    assert again.call.lane == Place("y", 1, 1)


def test_what_may_have_been_given_back_is_not_given_back_again():
    """
    An interruption that tells of no call leaves open whether it was carried out.
    """
    the_desk = desk()
    steps = owing(the_desk)
    steps.answer([2, 9_000_000, *reply(1)])
    steps.fail(StoreUnavailable("gone"))
    steps = Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))
    with pytest.raises(KeyboardInterrupt):
        steps.fail(KeyboardInterrupt())
    assert not the_desk.owed


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_whatever_interrupts_a_sleep_gives_the_booking_back(error):
    """
    The plan cancels its booking and raises what interrupted it.
    """
    steps = waiting()
    steps.answer(reply(1, wait_us=250_000))
    effect = steps.fail(error())
    assert effect.script == "settle"
    assert effect.args[-5:-3] == (NOW_US + 255_000, -1)
    with pytest.raises(error):
        steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0])


def test_a_plan_that_is_closed_calls_nobody():
    """
    Closing a plan in its sleep ends it silently: nobody is there to call for it.
    """
    steps = waiting()
    steps.answer(reply(1, wait_us=250_000))
    steps.plan.close()


def test_a_store_that_is_gone_does_not_hide_the_interruption():
    """
    If the booking cannot be given back, the caller still sees what stopped it.
    """
    steps = waiting()
    steps.answer(reply(1, wait_us=250_000))
    steps.fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        steps.fail(StoreUnavailable("gone"))


def test_an_answer_that_came_after_the_interruption_is_given_back():
    """
    A call that was under way when its caller was cancelled has booked: it goes back.
    """
    steps = waiting()
    error = KeyboardInterrupt()
    (answer,) = decode_acquire(
        reply(1, wait_us=250_000), SCOPE, [Request(POLICY, (1,), 0)]
    )
    note_answer(error, answer)
    effect = steps.fail(error)
    assert effect.script == "settle"
    with pytest.raises(KeyboardInterrupt):
        steps.answer([1, NOW_US, b"e" * 20, 2, 0, 0])


def test_never_is_an_error_not_a_wait():
    """
    The server knows limits that this client does not: it says never, and so do we.
    """
    steps = Steps(try_acquire(desk(), SCOPE, POLICY, (1,)))
    with pytest.raises(CostTooLarge, match="requests/s"):
        steps.answer(reply(-1))


def test_the_servers_day_is_asked_for_once():
    """
    A calendar of another day costs one more call, with the day the server named.
    """
    the_desk = desk()
    steps = Steps(try_acquire(the_desk, SCOPE, POLICY, (1,)))
    again = steps.answer([0, NOW_US])
    assert isinstance(again, Call)
    assert the_desk.almanac.day_us == NOW_US
    assert steps.end(reply(1)).allowed
