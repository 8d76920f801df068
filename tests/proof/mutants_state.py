"""What can go wrong in what is kept: lanes, expiry, purging, clocks, neighbours."""

from __future__ import annotations

from proof.mutants import Mutant

SCOPE_TESTS = "lua/test_scope.py"

STATE = (
    Mutant(
        "place not in the stamp",
        "bookings of one batch are told apart",
        "lib/scope",
        "return (field.seq + 1) * 1000 + place",
        "return (field.seq + 1) * 1000",
        ("proof/test_counterexamples.py::test_waiters_of_one_batch_are_told_apart",),
    ),
    Mutant(
        "settle not recalled",
        "a settlement that is sent again refunds once",
        "settle",
        "local known = replay(scope, {})",
        "local known",
        (
            "proof/test_counterexamples_state.py::test_a_settlement_that_is_sent_again_refunds_once",
        ),
    ),
    Mutant(
        "acquire not recalled",
        "a request that is sent again is charged once",
        "acquire",
        "local known = replay(scope, requests)",
        "local known",
        (
            "proof/test_counterexamples_state.py::test_a_request_that_is_sent_again_is_charged_once",
        ),
    ),
    Mutant(
        "renewal not recalled",
        "a renewal that is sent again moves one holder",
        "renew",
        "local known = replay(scope, rows)",
        "local known",
        (
            "proof/test_counterexamples_state.py::test_a_renewal_that_is_sent_again_moves_one_holder",
        ),
    ),
    Mutant(
        "lane forgets too early",
        "the answers that may be asked for are kept",
        "lib/lane",
        "if number >= lane.oldest then",
        "if number > lane.oldest then",
        ("lua/test_quick.py::test_the_quick_way_is_the_other_way_at_the_edges",),
    ),
    Mutant(
        "too old taken for new",
        "what is too old to be known is not decided anew",
        "lib/lane",
        "        return false\n",
        "        return nil\n",
        (
            "proof/test_counterexamples_state.py::test_what_is_too_old_to_be_known_is_not_charged_anew",
        ),
    ),
    Mutant(
        "lane forgets what was answered",
        "a late copy of a call that was answered changes nothing",
        "lib/lane",
        "math.max(oldest, value and tonumber(string.sub(value, 17, 29)) or 0)",
        "oldest",
        (
            "proof/test_counterexamples_state.py::test_what_is_too_old_to_be_known_is_not_charged_anew",
        ),
    ),
    Mutant(
        "reply without its age",
        "a wait that is told again is counted from when it was decided",
        "lib/replay",
        "{ 2, scope.now - decided, 1, decided }",
        "{ 2, 0, 1, decided }",
        (
            "proof/test_counterexamples_state.py::test_a_request_that_is_sent_again_is_charged_once",
        ),
    ),
    Mutant(
        "silent lanes purged at once",
        "a lane outlives its client's last chance to send again",
        "lib/scope",
        "local SCOPE_LANE_LIFE = 600000000",
        "local SCOPE_LANE_LIFE = 0",
        (
            "proof/test_counterexamples_state.py::test_a_lane_outlives_its_clients_patience",
        ),
    ),
    Mutant(
        "nothing purged",
        "idle fields and silent lanes go",
        "lib/scope",
        "if scope.purge then",
        "if false then",
        (
            "proof/test_counterexamples_state.py::test_idle_fields_and_silent_lanes_go_and_the_others_stay",
        ),
    ),
    Mutant(
        "purged in use",
        "only what is as if never used goes",
        "lib/scope",
        'kind == "s") and field_number(value, 98, 16) < scope.now',
        'kind == "s")',
        (
            "proof/test_counterexamples_state.py::test_idle_fields_and_silent_lanes_go_and_the_others_stay",
        ),
    ),
    Mutant(
        "expiry moves earlier",
        "the expiry of a hash only ever moves later",
        "lib/scope",
        'local late = redis.call("PTTL", KEYS[1]) < ttl - SCOPE_SLACK_MS / 2',
        "local late = true",
        ("lua/test_quick.py::test_the_quick_way_is_the_other_way_at_the_edges",),
    ),
    Mutant(
        "clock not followed",
        "a clock that steps back delays nobody",
        "lib/field",
        "if back <= 0 then",
        "if true then",
        ("lua/test_scope.py::test_a_clock_that_steps_back_delays_nobody",),
    ),
    Mutant(
        "cool-down not moved back",
        "a clock that steps back lengthens no cool-down",
        "lib/field",
        "field.cool = math.max(0, field.cool - back)",
        "field.cool = field.cool",
        (
            "proof/test_counterexamples_state.py::test_a_clock_that_steps_back_lengthens_no_cool_down",
        ),
    ),
    Mutant(
        "calendars moved",
        "midnight stays midnight when the clock steps back",
        "lib/field",
        'if kind ~= "d" then',
        "if true then",
        (
            "proof/test_counterexamples_state.py::test_a_clock_that_steps_back_moves_no_midnight",
        ),
    ),
    Mutant(
        "unknown limits dropped",
        "limits that a client does not know are kept",
        "lib/field",
        "        if section.body then\n",
        "        if section.body and (section.n or section.start) then\n",
        ("lua/test_quick.py::test_the_quick_way_is_the_other_way_at_the_edges",),
    ),
    Mutant(
        "unknown limits kept for ever",
        "limits that nobody uses any more go",
        "lib/field",
        "if section.stop > math.max(field.last, field.now) then",
        "if true then",
        ("lua/test_quick.py::test_the_quick_way_is_the_other_way_at_the_edges",),
    ),
    Mutant(
        "facts shorten the expiry",
        "the hash is kept as long as its facts hold",
        "lib/facts",
        "if late then",
        "if false then",
        (
            "openai/test_tell.py::test_facts_touch_no_limit_and_keep_the_hash_as_long_as_they_hold",
        ),
    ),
    Mutant(
        "old facts stay",
        "facts of models that nobody calls leave a hash that is in use",
        "lib/scope",
        'if kind == "f" or kind == "f:" then',
        'if kind == "f" then',
        ("openai/test_tell.py::test_old_facts_are_purged_from_a_hash_that_is_in_use",),
    ),
    Mutant(
        "facts told without their end",
        "who hears of a fact knows for how long it holds",
        "lib/facts",
        "reply[#reply + 1] = fact.stop - now",
        "reply[#reply + 1] = fact.stop",
        (
            "openai/test_tell.py::test_a_fact_holds_until_its_end_and_a_new_value_takes_its_place",
        ),
    ),
    Mutant(
        "a fact that never yields",
        "who is the first to name an epoch names it",
        "note",
        "if life >= 0 or not facts_has(facts, row.name) then",
        "if true then",
        ("openai/test_tell.py::test_a_fact_that_yields_takes_nobodys_place",),
    ),
    Mutant(
        "corrections not told",
        "who counts the processes hears what they tell",
        "clients",
        "facts_decode(values[row.field], now)",
        "{}",
        (
            "integration/test_corrections.py::test_two_processes_agree_and_nobody_is_warned",
        ),
    ),
)
