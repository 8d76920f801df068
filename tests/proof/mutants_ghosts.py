"""What can go wrong when lost data is told again."""

from __future__ import annotations

from proof.mutants import Mutant

TESTS = "lua/test_ghosts.py"


def _killed_by(test: str) -> tuple[str]:
    return (f"{TESTS}::test_{test}",)


GHOSTS = (
    Mutant(
        "ghosts beyond the capacity",
        "the ghosts of several lives hold no more than the capacity",
        "lib/ghost",
        "return math.max(0, math.min(room, all))",
        "return all",
        _killed_by("several_lives_add_up_to_the_capacity"),
    ),
    Mutant(
        "older sight counts",
        "of one life what was seen last counts",
        "lib/ghost",
        "if old and old.seq >= life.seq then",
        "if old and life.seq < 0 then",
        _killed_by("of_one_life_what_was_seen_last_counts_once"),
    ),
    Mutant(
        "one life counted twice",
        "a later sight of a life takes the place of the earlier one",
        "lib/ghost",
        "window.settle(limit, now, old.moment, -old.units)",
        "",
        _killed_by("of_one_life_what_was_seen_last_counts_once"),
    ),
    Mutant(
        "later ghost crowded out",
        "a ghost that ends sooner makes no room for one that ends later",
        "lib/ghost",
        "if ghost.moment >= moment then",
        "if ghost.moment then",
        _killed_by("who_ends_later_is_not_crowded_out_by_who_ends_sooner"),
    ),
    Mutant(
        "turns ahead told for now",
        "a bucket's debt is paid when it would have been",
        "lib/ghost",
        "local due = math.ceil(paid - (more + held) * per_unit)",
        "local due = now",
        _killed_by("turns_booked_far_ahead_keep_a_bucket_busy"),
    ),
    Mutant(
        "yesterday told today",
        "a period that is over is not told",
        "lib/ghost",
        "local ended = now + want.rest < section.finish - 3600000000",
        "local ended = false",
        _killed_by("a_period_that_is_over_is_not_told"),
    ),
    Mutant(
        "stranger closes what is known",
        "what nobody remembers counts only where nobody does",
        "lib/ghost",
        "if life.seq == 0 and ghost.epoch ~= life.epoch then",
        "if life.seq < 0 then",
        _killed_by("what_nobody_remembers_counts_only_where_nobody_does"),
    ),
    Mutant(
        "older state keeps its life",
        "an older state that was told what it lacks begins another life",
        "heal",
        "if life.adopted and life.epoch == life.field.epoch then",
        "if life.adopted and life.epoch == nil then",
        _killed_by("a_field_that_lacks_its_end_begins_another_life"),
    ),
    Mutant(
        "cool-down not told",
        "a cool-down that was lost holds again",
        "heal",
        "life.field.cool, life.field.dirty = cool_until, true",
        "life.field.dirty = true",
        _killed_by("a_cool_down_is_told_and_never_shortened"),
    ),
    Mutant(
        "reset healed back",
        "what was reset does not come back",
        "reset",
        "ghost_close(field, epoch, stop)",
        "ghost_close(field, epoch, 0)",
        _killed_by("a_reset_closes_all_lives_that_were"),
    ),
    Mutant(
        "what is ahead not told apart",
        "an answer tells what is booked ahead",
        "acquire",
        "scope_ahead(scope, reply)",
        "",
        _killed_by("an_answer_tells_what_is_booked_ahead"),
    ),
)
