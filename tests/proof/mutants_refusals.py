"""Wrong counts of the 429s that processes met."""

from __future__ import annotations

from proof.mutants import Mutant

TESTS = "lua/test_refusals.py"


def _killed_by(*names: str) -> tuple[str, ...]:
    return tuple(f"{TESTS}::test_{name}" for name in names)


REFUSALS = (
    Mutant(
        "cool-downs counted",
        "a cool-down that is for no 429 does not count",
        "cool_down",
        'if why.refused == "1" then',
        "if true then",
        _killed_by("each_429_is_counted_with_the_moments_of_the_first_and_the_last"),
    ),
    Mutant(
        "429 counted when it cools",
        "a 429 counts where a longer cool-down runs already, too",
        "cool_down",
        'if why.refused == "1" then',
        'if why.refused == "1" and scope.fields[1].dirty then',
        _killed_by("each_429_is_counted_with_the_moments_of_the_first_and_the_last"),
    ),
    Mutant(
        "429 that drops the facts",
        "a 429 leaves what else is known of the account",
        "lib/refusals",
        "kept[i] = facts_decode(values[i], now)",
        "kept[i] = {}",
        _killed_by("counting_touches_no_limit_and_no_other_fact"),
    ),
    Mutant(
        "429s since the last",
        "the moment of the first one is kept",
        "lib/refusals",
        "since = math.min(since, now)",
        "since = now",
        _killed_by("each_429_is_counted_with_the_moments_of_the_first_and_the_last"),
    ),
    Mutant(
        "429s ahead of the clock",
        "where the clock stepped back, no moment lies ahead of it",
        "lib/refusals",
        "since = math.min(since, now)",
        "since = since + 0",
        _killed_by("a_clock_that_steps_back_makes_no_moment_lie_ahead"),
    ),
    Mutant(
        "429s kept for two days",
        "429s are forgotten a day after the last one",
        "lib/refusals",
        "now + REFUSALS_LIFE",
        "now + 2 * REFUSALS_LIFE",
        _killed_by("429s_are_forgotten_a_day_after_the_last_one"),
    ),
    Mutant(
        "strange count read",
        "what another release may have put in the count's place is none",
        "lib/refusals",
        "fact.name == REFUSALS and #fact.value == REFUSALS_WIDTH",
        "fact.name == REFUSALS",
        _killed_by("what_a_later_release_may_write_in_its_place_is_no_error"),
    ),
    Mutant(
        "429s survive a reset",
        "a reset forgets the 429s of its model",
        "reset",
        "if refusals_forget(facts, scope.now) then",
        "if false then",
        _killed_by("a_reset_forgets_the_429s_and_leaves_what_was_learnt"),
    ),
    Mutant(
        "429s of others reset",
        "what all models share has no 429s of its own, nor another account's",
        "lib/refusals",
        'if string.sub(field.name, 1, 2) == "m:" then',
        "if true then",
        _killed_by("a_reset_forgets_the_429s_and_leaves_what_was_learnt"),
    ),
)
