"""What can go wrong when several limits are booked, waited for and settled."""

from __future__ import annotations

from proof.mutants import Mutant

SCOPE_TESTS = "lua/test_scope.py"

SCOPE = (
    Mutant(
        "booked at now",
        "every limit is charged at the moment at which the call is made",
        "lib/booking",
        "moment = act + scope.guard + late",
        "moment = scope.now + scope.guard + late",
        ("lua/test_scope.py::test_every_limit_is_charged_at_the_act",),
    ),
    Mutant(
        "grace not added",
        "a permit that waited may be used its grace late",
        "lib/booking",
        "local late = act > scope.now and math.max(limit.grace, request.span) or 0",
        "local late = 0",
        ("lua/test_window.py::test_waiters_are_booked_in_order_and_ahead",),
    ),
    Mutant(
        "span ignored",
        "who is known to wake late is booked to be late",
        "lib/booking",
        "math.max(limit.grace, request.span)",
        "limit.grace",
        (
            "proof/test_counterexamples.py::test_who_is_known_to_wake_late_is_booked_with_that_span",
        ),
    ),
    Mutant(
        "guard ignored",
        "with a guard every permit may be used that late",
        "lib/booking",
        "moment = act + scope.guard + late",
        "moment = act + late",
        ("lua/test_bucket.py::test_the_guard_holds_what_the_rate_refills_within_it",),
    ),
    Mutant(
        "wait beyond the caller's",
        "nobody is booked later than he would wait",
        "lib/booking",
        "or act - scope.now > request.max_wait then",
        "then",
        (
            "proof/test_counterexamples.py::test_an_exact_cost_books_up_to_the_callers_patience_and_no_further",
        ),
    ),
    Mutant(
        "cost above the limit",
        "what a limit can never hold is refused for good",
        "lib/booking",
        "if charge.cost > limit.capacity then",
        "if false then",
        ("lua/test_bucket.py::test_a_cost_above_the_burst_is_never",),
    ),
    Mutant(
        "a calendar's hint booked",
        "a wait that only a calendar demands is not booked",
        "lib/booking",
        """        if moment > act then
            act, why = moment, reason
        else""",
        """        act, why = moment, reason
        if act - scope.now <= request.max_wait or act == scope.now then""",
        ("lua/test_calendar.py::test_a_wait_for_tomorrow_is_not_booked",),
    ),
    Mutant(
        "cool-down ignored",
        "nobody goes before the cool-down ends",
        "lib/booking",
        "if cool > moment then",
        "if false then",
        (
            f"{SCOPE_TESTS}::test_a_cool_down_holds_everybody_and_is_a_hint_not_a_booking",
        ),
    ),
    Mutant(
        "cool-down shortened",
        "an earlier end never shortens a cool-down",
        "cool_down",
        "if until_us > field.cool then",
        "if true then",
        (
            f"{SCOPE_TESTS}::test_a_cool_down_holds_everybody_and_is_a_hint_not_a_booking",
        ),
    ),
    Mutant(
        "leases booked ahead",
        "a place is taken only when it is used",
        "lib/booking",
        "if booking_only_now(scope, request) or",
        "lease.full = function() end\n        if",
        (
            "proof/test_counterexamples.py::test_a_place_is_not_held_while_waiting_for_something_else",
        ),
    ),
    Mutant(
        "priority ignored",
        "a low priority leaves its part of every limit to others",
        "lib/booking",
        "math.floor(limit.capacity * request.part / 1000)",
        "limit.capacity",
        ("proof/test_killers.py::test_a_low_priority_leaves_the_rest_to_others",),
    ),
    Mutant(
        "priority starves",
        "a cost above the part fits an otherwise empty limit",
        "lib/booking",
        "if charge.cost > limit.capacity then",
        "if charge.cost > limit.capacity * request.part / 1000 then",
        (
            "proof/test_killers.py::test_a_cost_above_its_part_goes_when_nobody_else_does",
        ),
    ),
    Mutant(
        "horizon ignored",
        "estimated costs book no further ahead than the horizon",
        "lib/booking",
        "if due <= scope.now then",
        "if true then",
        (
            "proof/test_counterexamples.py::test_an_estimated_cost_books_its_horizon_and_its_own_service_ahead",
        ),
    ),
    Mutant(
        "one turn for all",
        "who is told to come back has a turn of his own",
        "lib/booking",
        "field.tail = turn + service + scope.limits[why].grace",
        "field.tail = turn",
        (
            "proof/test_killers.py::test_each_who_is_told_to_come_back_has_a_turn_of_his_own",
        ),
    ),
    Mutant(
        "turn counted again",
        "who comes back too early does not push the others' turns",
        "lib/booking",
        "if request.again == 1 and due - scope.now <= service then",
        "if false then",
        (
            "proof/test_killers.py::test_each_who_is_told_to_come_back_has_a_turn_of_his_own",
        ),
    ),
    Mutant(
        "refund across lives",
        "a refund of a forgotten life is dropped",
        "settle",
        "(change < 0 and same_life)",
        "(change < 0)",
        (
            f"{SCOPE_TESTS}::test_a_refund_of_a_forgotten_life_is_dropped_and_an_overrun_charged",
        ),
    ),
    Mutant(
        "overrun dropped across lives",
        "an overrun of a forgotten life is charged",
        "settle",
        "(change > 0 and limit.kind ~= lease)",
        "(change > 0 and limit.kind ~= lease and same_life)",
        (
            f"{SCOPE_TESTS}::test_a_refund_of_a_forgotten_life_is_dropped_and_an_overrun_charged",
        ),
    ),
    Mutant(
        "settled where it was",
        "a settlement follows its booking when the clock has stepped back",
        "settle",
        "moment = moment + tonumber(row.shift) - field.shift",
        "moment = moment + 0",
        (f"{SCOPE_TESTS}::test_a_refund_finds_its_slot_after_the_clock_stepped_back",),
    ),
)
