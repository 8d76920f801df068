"""What can go wrong on the quick way, which must be the other way cut short."""

from __future__ import annotations

from proof.mutants import Mutant

TWINS = ("lua/test_quick.py::test_the_quick_way_is_the_other_way_at_the_edges",)

QUICK = (
    Mutant(
        "quick window one over",
        "no window holds more than the limit, on the quick way too",
        "lib/quick_limit",
        "if sum - limit.capacity > limit.first then",
        "if sum - limit.capacity > limit.first + 1 then",
        TWINS,
    ),
    Mutant(
        "quick window forgets the future",
        "who is booked ahead is not overtaken on the quick way",
        "lib/quick_limit",
        "return limit.t <= now\n    elseif",
        "return true\n    elseif",
        (
            "lua/test_quick.py::test_the_quick_way_does_not_overtake_who_is_booked_ahead",
        ),
    ),
    Mutant(
        "quick slot not shared",
        "acts of one slot share an entry on the quick way",
        "lib/quick_limit",
        "t - t % slot == now - now % slot",
        "t == now",
        TWINS,
    ),
    Mutant(
        "quick bucket forgets waiters",
        "a bucket with waiters is left to the rest of the script",
        "lib/quick_limit",
        '\n            and quick_sub(value, body + 87, body + 90) == "0000"',
        "",
        TWINS,
    ),
    Mutant(
        "quick bucket a tick early",
        "a cost that fits in a microsecond does not fit now",
        "lib/quick_limit",
        "if t + fits + -fits % 1 > now or",
        "if t + fits + -fits % 1 > now + 1 or",
        ("lua/test_quick.py::test_a_bucket_is_as_exact_on_the_quick_way",),
    ),
    Mutant(
        "quick lows not popped",
        "the least debts since stay minima on the quick way",
        "lib/quick_limit",
        "quick_sub(text, kept - 15, kept) + 0 >= low do",
        "false do",
        TWINS,
    ),
    Mutant(
        "quick lows cut",
        "lows that no longer fit merge into the lowest",
        "lib/quick_limit",
        "drop < old and quick_sub(text, 32 * drop + 1, 32 * drop + 16)",
        "drop < old and quick_sub(text, 1, 16)",
        (
            "lua/test_quick.py::test_the_least_debts_of_a_large_batch_are_those_of_single_bookings",
        ),
    ),
    Mutant(
        "quick calendar one over",
        "no day holds more than its limit, on the quick way too",
        "lib/quick_limit",
        "return limit.sum <= limit.capacity",
        "return limit.sum <= limit.capacity + 1",
        TWINS,
    ),
    Mutant(
        "quick cool-down ignored",
        "nobody goes quickly before the cool-down ends",
        "lib/quick",
        "if cool > now then",
        "if false then",
        TWINS,
    ),
    Mutant(
        "quick and nameless",
        "an account that is made on the quick way tells its name",
        "lib/quick",
        'if not field.value and ARGV[6] ~= "" then',
        "if false then",
        (
            "lua/test_quick.py::test_an_account_that_was_idle_is_named_again_on_the_quick_way",
        ),
    ),
    Mutant(
        "quick and never",
        "a cost above what a bucket holds never fits, however long it was idle",
        "lib/quick_limit",
        " or each > most then",
        " then",
        ("lua/test_quick.py::test_what_a_bucket_cannot_hold_never_fits",),
    ),
    Mutant(
        "quick and equal, one over",
        "equal bookings fit if the last of them does",
        "lib/quick_limit",
        "return (times == 1 or sum <= most) and",
        "return",
        TWINS,
    ),
    Mutant(
        "quick and equal, as of the last",
        "each of equal requests is told how the limits stood after it",
        "lib/quick_limit",
        "local left = capacity - sum + cost * times",
        "local left = capacity - sum + cost",
        TWINS,
    ),
    Mutant(
        "quick keeps what left",
        "what has left a window goes when another limit is charged, too",
        "lib/quick_limit",
        "if kind == QUICK_WINDOW and not limit.changed then",
        "if false then",
        (
            "lua/test_quick.py::test_what_has_left_a_window_goes_with_a_charge_elsewhere",
        ),
    ),
    Mutant(
        "quick drops the others",
        "limits of other policies are kept on the quick way",
        "lib/quick",
        "others = others .. quick_sub(value, from, next_from - 1)",
        "others = others",
        TWINS,
    ),
    Mutant(
        "quick and half charged",
        "what does not fit now is not charged on the quick way",
        "lib/quick",
        "times, place) then\n                    return nil",
        "times, place) then\n                    break",
        TWINS,
    ),
)
