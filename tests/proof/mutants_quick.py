"""What can go wrong on the quick way, which must be the other way cut short."""

from __future__ import annotations

from proof.mutants import Mutant

TWINS = ("lua/test_quick.py::test_the_quick_way_is_the_other_way_at_the_edges",)

QUICK = (
    Mutant(
        "quick window one over",
        "no window holds more than the limit, on the quick way too",
        "lib/quick_limit",
        "if sum + cost - limit.capacity > limit.first then",
        "if sum + cost - limit.capacity > limit.first + 1 then",
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
        "math.floor(limit.t / slot) == math.floor(now / slot)",
        "limit.t == now",
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
        "(cost - limit.capacity) * QUICK_UNIT) / rate) > now then",
        "(cost - limit.capacity) * QUICK_UNIT) / rate) > now + 1 then",
        ("lua/test_quick.py::test_a_bucket_is_as_exact_on_the_quick_way",),
    ),
    Mutant(
        "quick lows not popped",
        "the least debts since stay minima on the quick way",
        "lib/quick_limit",
        "quick_sub(limit.text, kept - 15, kept) + 0 >= low do",
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
        "if quick_sub(still, 17, 32) + 0 > now then",
        "if false then",
        TWINS,
    ),
    Mutant(
        "quick and nameless",
        "an account that is made on the quick way tells its name",
        "lib/quick",
        'if field.new and ARGV[6] ~= "" then',
        "if false then",
        (
            "lua/test_quick.py::test_an_account_that_was_idle_is_named_again_on_the_quick_way",
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
        "place + k) then\n                return false",
        "place + k) then\n                break",
        TWINS,
    ),
)
