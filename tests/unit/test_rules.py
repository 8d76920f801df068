"""Which limits apply to a model, and what a call costs under them."""

import operator
import pickle
import threading
from collections import Counter, OrderedDict
from types import MappingProxyType

import pytest
from hypothesis import given, settings, strategies as st

from paceline import (
    CalendarWindow,
    ConfigError,
    CostError,
    CostTooLarge,
    SlidingWindow,
    TokenBucket,
)
from paceline._rules import Policy, Rules

RPM = SlidingWindow(500, 60)
TPM = SlidingWindow(30_000, 60, unit="tokens")
RPD = SlidingWindow(10_000, 86_400)
CHECKS = settings(deadline=None, max_examples=150)


def texts(policy):
    return [limit.name for limit in policy.limits]


# Which limits.


@pytest.mark.parametrize(
    ("limits", "own"),
    [
        ("500/min", (RPM,)),
        (RPM, (RPM,)),
        (["500/min", TPM], (RPM, TPM)),
        ((each for each in [RPM, "30k tokens/min"]), (RPM, TPM)),
        ({"*": "500/min"}, (RPM,)),
        ({"*": RPM}, (RPM,)),
        ({"*": [RPM, TPM]}, (RPM, TPM)),
        (MappingProxyType({"*": (RPM,)}), (RPM,)),
    ],
)
def test_ways_to_give_limits(limits, own):
    """A text, an object, several of them, or a mapping: all give the same values."""
    rules = Rules(limits)
    assert rules.policy(None) == Policy("", own)
    assert rules.policy("gpt-4o") == Policy("gpt-4o", own)


def test_each_model_has_its_own_account():
    """Plain limits apply to every model, and each model is counted by itself."""
    rules = Rules("500/min")
    accounts = [rules.policy(model).account for model in ("a", "b", "a/b c", None)]
    assert accounts == ["a", "b", "a/b c", ""]


def test_shared_limits_come_after_the_own_ones():
    """A policy lists its own limits first, then those over all models."""
    policy = Rules(["500/min"], shared=["30k tokens/min"]).policy("m")
    assert policy == Policy("m", (RPM,), (TPM,))
    assert policy.limits == (RPM, TPM)
    assert policy.units == {"requests", "tokens"}


@pytest.mark.parametrize("shared", [RPM, "500/min", [RPM], ("500/min",)])
def test_shared_limits_may_be_all_there_is(shared):
    """Limits over all models suffice, with and without a mapping for the others."""
    assert Rules((), shared=shared).policy("m") == Policy("m", (), (RPM,))
    assert Rules({}, shared=shared).policy("m") == Policy("m", (), (RPM,))
    assert Rules({"m": []}, shared=shared).policy("m") == Policy("m", (), (RPM,))


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-4o", 1),
        ("gpt-4o-mini", 2),
        ("gpt-4o-2024-08-06", 3),
        ("gpt-4", 4),
        ("gpt-5", 4),
        ("o1", 5),
        ("o3", 5),
        ("O1", 6),
        ("GPT-4o", 6),
        ("ft:gpt-4o:org::id", 6),
        ("meta/llama 3", 6),
        ("literally*", 7),
        ("[x]", 8),
        (None, 6),
    ],
)
def test_the_exact_name_then_the_longest_pattern(model, limit):
    """Patterns are matched with regard to case; the most particular one is taken."""
    rules = Rules(
        {
            "gpt-*": "4/s",
            "gpt-4o-20??-*": "3/s",
            "*": "6/s",
            "gpt-4o": "1/s",
            "gpt-4o-*": "2/s",
            "o[13]": "5/s",
            "literally*": "7/s",
            "[x]": "8/s",
        }
    )
    assert rules.policy(model).limits[0].limit == limit


def test_a_tie_between_patterns_is_an_error():
    """Two patterns of the same length leave open which limits were meant."""
    rules = Rules({"gpt-*": "1/s", "*-mini": "2/s", "*-mono": "1/s", "x-mini": "3/s"})
    assert Rules({"a-*": "1/s", "*-b": "1/s"}).policy("a-b").limits[0].limit == 1
    assert rules.policy("gpt-mono").limits[0].limit == 1
    assert rules.policy("x-mini").limits[0].limit == 3
    rules = Rules({"gpt-4*": "1/s", "*-mini": "2/s"})
    with pytest.raises(ConfigError) as caught:
        rules.policy("gpt-4-mini")
    assert caught.value.code == "P104"
    assert caught.value.message == (
        'limits: "gpt-4*", "*-mini" fit the model "gpt-4-mini" equally well'
    )


def test_no_limits_for_a_model():
    """An unknown model is an error that lists what is known, and offers the nearest."""
    rules = Rules({"gpt-4o": "5/s", "o1-*": "5/s"})
    with pytest.raises(ConfigError) as caught:
        rules.policy("gtp-4o")
    assert str(caught.value) == (
        '[P104] no limits apply to the model "gtp-4o"; there are some for '
        '"gpt-4o", "o1-*"\n'
        '  Did you mean "gpt-4o"? '
        'For all other models, and calls without one, add "*": ["60/min"].'
    )
    with pytest.raises(ConfigError) as caught:
        rules.policy(None)
    assert "no limits apply to a call without a model" in caught.value.message
    assert caught.value.hint.startswith("For all other models")


def test_a_long_list_of_patterns_is_cut_short():
    """An error stays readable however many models are configured."""
    rules = Rules({f"model-{number}": "5/s" for number in range(1000)})
    with pytest.raises(ConfigError) as caught:
        rules.policy("x" * 10_000)
    assert "and 980 more" in caught.value.message
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("model", ["", 5, b"gpt-4o", ["gpt-4o"], "a\ud800"])
@pytest.mark.parametrize("limits", ["5/s", {"*": "5/s"}])
def test_what_is_no_model(limits, model):
    """A model is named by a text that is not empty."""
    with pytest.raises(ConfigError) as caught:
        Rules(limits).policy(model)
    assert caught.value.code == "P109"


# Families.


@pytest.mark.parametrize(
    ("model", "account", "limit"),
    [
        ("gpt-4o", "gpt-4o", 1),
        ("gpt-4o-2024-08-06", "gpt-4o", 1),
        ("gpt-4o-mini", "small", 2),
        ("gpt-4o-micro", "small", 2),
        ("o1", "small", 2),
        ("o1-pro", "reasoning", 3),
        ("o3", "reasoning", 4),
        ("whisper", "whisper", 5),
    ],
)
def test_families_share_an_account(model, account, limit):
    """A family has one account, and the limits of its name, or else of the model."""
    rules = Rules(
        {"gpt-4o": "1/s", "small": "2/s", "o1-*": "3/s", "o*": "4/s", "w*": "5/s"},
        families={
            "gpt-4o": ["gpt-4o-20*"],
            "small": ("gpt-4o-mini", "gpt-4o-mi*", "gpt-*", "o1"),
            "reasoning": {"o1-*", "o3"},
            "unused": [],
        },
    )
    policy = rules.policy(model)
    assert (policy.account, policy.limits[0].limit) == (account, limit)


def test_one_member_needs_no_list():
    """A family of one pattern may be written as a text, which is not taken apart."""
    rules = Rules("5/s", families={"gpt": "gpt-*", "all": "*"})
    assert rules.policy("gpt-4o").account == "gpt"
    assert rules.policy("g").account == "all"


def test_calls_without_a_model_have_no_family():
    """No pattern of a family matches where there is no model."""
    assert Rules("5/s", families={"all": "*"}).policy(None).account == ""


def test_a_wider_pattern_does_not_take_a_family_its_name():
    """The model that a family is named after belongs to it, unless listed elsewhere."""
    families = {"gpt-4o": ["gpt-4o-20*"], "all": ["gpt-*"]}
    assert Rules("5/s", families=families).policy("gpt-4o").account == "gpt-4o"
    families["all"].append("gpt-4o")
    assert Rules("5/s", families=families).policy("gpt-4o").account == "all"
    families = {"g*": ["gpt-4o"]}
    assert Rules("5/s", families=families).policy("gemini").account == "gemini"


def test_a_tie_between_families_is_an_error():
    """A model that fits two families equally well has no account."""
    families = {"a": ["gpt-4*"], "b": ["*-mini"], "c": ["x-*", "*-x"]}
    rules = Rules("5/s", families=families)
    assert rules.policy("x-x").account == "c"
    with pytest.raises(ConfigError) as caught:
        rules.policy("gpt-4-mini")
    assert caught.value.code == "P104"
    assert caught.value.message.startswith("families: ")


def test_a_model_in_two_families_is_an_error():
    """The same name or pattern in two families is found when configured."""
    with pytest.raises(ConfigError, match='"gpt-4o" is in "a", "b"') as caught:
        Rules("5/s", families={"a": ["gpt-4o"], "b": ["o1", "gpt-4o"]})
    assert caught.value.code == "P104"


@pytest.mark.parametrize(
    "families",
    [
        ["gpt-4o"],
        "gpt-4o",
        {"a": 5},
        {"a": None},
        {"a": [5]},
        {"a": [""]},
        {"": ["a"]},
        {5: []},
        {"a": ["\ud800"]},
    ],
)
def test_what_is_no_family(families):
    """Families are a mapping of a name to names or patterns."""
    with pytest.raises(ConfigError, match="families: ") as caught:
        Rules("5/s", families=families)
    assert caught.value.code == "P101"
    assert '["gpt-4o", "gpt-4o-2024-*"]' in caught.value.hint


# What is refused when configured.


@pytest.mark.parametrize("limits", [(), [], {}, {"a": "5/s", "b": []}, iter(())])
def test_no_limits_at_all(limits):
    """A model without any limit is refused: it would not be limited in silence."""
    with pytest.raises(ConfigError, match="no limit") as caught:
        Rules(limits)
    assert caught.value.code == "P101"


@pytest.mark.parametrize(
    ("limits", "shared", "where"),
    [
        (5, (), "limits: int is no limit"),
        (None, (), "limits: NoneType is no limit"),
        ([5], (), "limits: int is no limit"),
        (b"5/s", (), "limits: int is no limit"),
        ([["5/s"]], (), "limits: list is no limit"),
        ({"gpt-4o": 5}, (), 'limits["gpt-4o"]: int is no limit'),
        ({"gpt-4o": {"a": "5/s"}}, (), 'limits["gpt-4o"]: dict is no limit'),
        ({"": "5/s"}, (), "limits: the name of a model is empty"),
        ({5: "5/s"}, (), "limits: the name of a model is not a text but int"),
        ("5/s", {"a": "5/s"}, "shared: dict is no limit"),
        ("5/s", 5, "shared: int is no limit"),
    ],
)
def test_what_is_no_limit(limits, shared, where):
    """What cannot be a limit is refused with the place where it stands."""
    with pytest.raises(ConfigError) as caught:
        Rules(limits, shared=shared)
    assert (caught.value.code, caught.value.message) == ("P101", where)


@pytest.mark.parametrize(
    ("limits", "shared", "where"),
    [
        ("5/mn", (), "limits: cannot read"),
        (["5/s", "5/mn"], (), "limits: cannot read"),
        ({"gpt-4o": ["5/mn"]}, (), 'limits["gpt-4o"]: cannot read'),
        ("5/s", "5/mn", "shared: cannot read"),
    ],
)
def test_a_text_that_is_no_limit(limits, shared, where):
    """A text that cannot be read keeps its mark and hint, and gets its place."""
    with pytest.raises(ConfigError) as caught:
        Rules(limits, shared=shared)
    assert caught.value.code == "P103"
    assert caught.value.message.startswith(where)
    assert '"5/min"' in caught.value.hint
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "limits",
    [
        ["1/s burst 5", "2/s burst 9"],
        ["500/min", "500/min"],
        [RPM, RPM],
        ["10/day calendar", CalendarWindow(20, "day", name="other")],
        ["500/min", SlidingWindow(100, 60, name="other")],
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_limits_that_would_share_an_account(limits, shared):
    """Two limits of one kind, unit and period are refused, and the error says why."""
    arguments = {"limits": (), "shared": limits} if shared else {"limits": limits}
    with pytest.raises(ConfigError, match="would share one account") as caught:
        Rules(**arguments)
    assert caught.value.code == "P105"
    assert "60/min in place of 1/s" in caught.value.hint


def test_limits_that_go_by_one_name():
    """Two limits of one name are refused: a decision would not say which it was."""
    named = [SlidingWindow(5, 60, name="x"), SlidingWindow(5, 1, name="x")]
    for limits, shared in [(named, ()), (named[0], named[1]), ("1/s", named)]:
        with pytest.raises(ConfigError, match='two limits are named "x"') as caught:
            Rules(limits, shared=shared)
        assert caught.value.code == "P105"


def test_kinds_and_units_tell_limits_apart():
    """A window, a bucket and a calendar on one unit and period go together."""
    limits = ["5/day", "5/day burst 9", "5/day calendar", "5 tokens/day"]
    assert len(Rules(limits).policy("m").limits) == 4


def test_a_shared_limit_is_told_apart_by_name():
    """The same rule per model and over all models gets two names, in every policy."""
    rules = Rules({"a": [RPM], "b": "9/s"}, shared=[RPM, SlidingWindow(7, 1, name="x")])
    assert texts(rules.policy("a")) == ["requests/min", "requests/min (shared)", "x"]
    assert texts(rules.policy("b")) == ["requests/s", "requests/min (shared)", "x"]
    own, shared = rules.policy("a").own[0], rules.policy("a").shared[0]
    assert own is not shared
    assert own.tag == shared.tag


# What is remembered.


def test_policies_are_remembered():
    """Asking again for a model gives the same object."""
    rules = Rules({"*": RPM})
    assert rules.policy("m") is rules.policy("m")
    assert rules.policy(None) is rules.policy(None)


def test_what_is_remembered_is_bounded():
    """Models that come from users do not pile up."""
    rules = Rules("5/s")
    for number in range(10_000):
        rules.policy(f"m{number}")
    assert rules._remember.cache_info().currsize <= 5_000


def test_rules_serve_threads():
    """Several threads may ask at once, also beyond what is remembered."""
    rules, wrong = Rules({"*": RPM}), []

    def ask(start):
        models = [f"m{number}" for number in range(start, start + 3_000)]
        wrong.extend(each for each in models if rules.policy(each).account != each)

    threads = [threading.Thread(target=ask, args=(1_500 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_policies_are_values():
    """Policies are equal, hash and pickle by account and limits."""
    policy = Rules([RPM, TPM], shared=RPD).policy("m")
    copy = pickle.loads(pickle.dumps(policy))
    assert (policy, hash(policy)) == (copy, hash(copy))
    assert copy.charges({"tokens": 5}) == (1, 5, 1)
    assert repr(policy) == (
        f"Policy(account='m', own=({RPM!r}, {TPM!r}), shared=({RPD!r},))"
    )


# What a call costs.


class Whole:
    """A number that is no int, like those of numpy."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


ALL = Policy("m", (RPM, TPM), (RPD,))


@pytest.mark.parametrize(
    ("policy", "cost", "charges"),
    [
        (ALL, {"tokens": 850}, (1, 850, 1)),
        (ALL, {"tokens": 0}, (1, 0, 1)),
        (ALL, {"tokens": 850, "requests": 2}, (2, 850, 2)),
        (ALL, {"requests": 0, "tokens": 30_000}, (0, 30_000, 0)),
        (ALL, OrderedDict(tokens=5), (1, 5, 1)),
        (ALL, Counter(tokens=5), (1, 5, 1)),
        (ALL, MappingProxyType({"tokens": 5}), (1, 5, 1)),
        (ALL, {"tokens": Whole(5)}, (1, 5, 1)),
        (Policy("", (RPM,)), 1, (1,)),
        (Policy("", (RPM,)), 0, (0,)),
        (Policy("", (RPM, RPD)), 500, (500, 500)),
        (Policy("", (RPM,)), Whole(3), (3,)),
        (Policy("", (RPM,)), {}, (1,)),
        (Policy("", (RPM,)), {"requests": 7}, (7,)),
        (Policy("", (TPM,)), {"tokens": 5}, (5,)),
        (Policy("", (TPM,)), {"tokens": 5, "requests": 9_999_999}, (5,)),
        (Policy("", (TokenBucket(5, 60, 50),)), 50, (50,)),
    ],
)
def test_charges(policy, cost, charges):
    """Each limit is charged the units that it counts; a request is 1 unless given."""
    assert policy.charges(cost) == charges


@pytest.mark.parametrize(
    ("policy", "cost", "text"),
    [
        (
            ALL,
            {},
            (
                'the cost leaves out "tokens"\n'
                '  Give every unit that is counted; {"tokens": 0} charges none. '
                'The limits count "requests", "tokens".'
            ),
        ),
        (
            ALL,
            5,
            (
                'the cost leaves out "tokens"\n'
                '  Give every unit that is counted; {"tokens": 0} charges none. '
                'The limits count "requests", "tokens".'
            ),
        ),
        (
            ALL,
            {"token": 5},
            (
                'the cost leaves out "tokens" and has "token", which no limit counts\n'
                '  Did you mean "tokens"? The limits count "requests", "tokens".'
            ),
        ),
        (
            ALL,
            {"tokens": 5, "request": 1},
            (
                'the cost has "request", which no limit counts\n'
                '  Did you mean "requests"? The limits count "requests", "tokens".'
            ),
        ),
        (
            ALL,
            {"tokens": 5, "images": 1},
            (
                'the cost has "images", which no limit counts\n'
                '  The limits count "requests", "tokens".'
            ),
        ),
        (
            ALL,
            {"tokens": 5, 7: 1},
            (
                'the cost has "7", which no limit counts\n'
                '  The limits count "requests", "tokens".'
            ),
        ),
        (
            Policy("", (TPM,)),
            {"requests": 5},
            (
                'the cost leaves out "tokens"\n'
                '  Give every unit that is counted; {"tokens": 0} charges none. '
                'The limits count "tokens".'
            ),
        ),
    ],
)
def test_missing_and_unknown_units(policy, cost, text):
    """A unit too few or too many is named, because silence would not limit."""
    with pytest.raises(CostError) as caught:
        policy.charges(cost)
    assert str(caught.value) == f"[P302] {text}"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (-1, "-1"),
        (-1_000, "-1,000"),
        (1.0, "1.0"),
        (float("nan"), "nan"),
        (True, "True"),
        (False, "False"),
        ("5", "of the type str"),
        (None, "of the type NoneType"),
        ([5], "of the type list"),
        (Whole(-1), "of the type Whole"),
        (-(10**19), "a number of many digits"),
    ],
)
@pytest.mark.parametrize("unit", ["requests", "tokens"])
@pytest.mark.parametrize("policy", [ALL, Policy("m", (TPM,))])
def test_amounts_that_are_no_whole_numbers(policy, unit, amount, shown):
    """A charge is a whole number of units, 0 or more, also of what nobody counts."""
    with pytest.raises(CostError) as caught:
        policy.charges({"tokens": 5} | {unit: amount})
    assert caught.value.code == "P302"
    assert caught.value.message == f"the cost in {unit} is {shown}"


@pytest.mark.parametrize("cost", ["tokens", None, 1.5, -1, True, [("tokens", 5)]])
def test_what_is_no_cost(cost):
    """A cost is a mapping or a whole number of requests."""
    with pytest.raises(CostError, match="the cost in requests is") as caught:
        Policy("", (RPM,)).charges(cost)
    assert caught.value.code == "P302"


def test_a_cost_that_could_never_be_granted():
    """A charge above the capacity is refused at once, with limit and capacity."""
    with pytest.raises(CostTooLarge) as caught:
        ALL.charges({"tokens": 41_200})
    assert str(caught.value) == (
        '[P303] the cost in tokens is 41,200, but the limit "tokens/min" of "m" never '
        "holds more than 30,000: no waiting would help\n"
        "  Split the call, lower its cost, or raise the limit."
    )


@pytest.mark.parametrize(
    ("policy", "cost", "limit"),
    [
        (Policy("", (RPM, RPD)), 501, "requests/min"),
        (Policy("", (RPD, RPM)), 501, "requests/min"),
        (Policy("", (RPM,), (SlidingWindow(3, 1),)), 4, "requests/s"),
        (Policy("", (TokenBucket(500, 60, 50),)), 51, "requests/min burst"),
        (ALL, {"tokens": 5, "requests": 501}, "requests/min"),
        (ALL, {"tokens": Whole(30_001)}, "tokens/min"),
    ],
)
def test_the_limit_that_cannot_hold_a_cost(policy, cost, limit):
    """The error names the limit that is too small."""
    with pytest.raises(CostTooLarge, match="no waiting would help") as caught:
        policy.charges(cost)
    assert f'"{limit}"' in caught.value.message
    assert caught.value.code == "P303"


def test_a_number_that_python_refuses_to_print():
    """Amounts of thousands of digits are refused like any other."""
    with pytest.raises(CostTooLarge, match="many digits"):
        ALL.charges({"tokens": 10**5000})
    with pytest.raises(CostError, match="many digits"):
        ALL.charges({"tokens": -(10**5000)})


UNITS = st.sampled_from(["requests", "tokens", "images", "token", "Requests"])
COUNTS = st.integers(-2, 12)
AMOUNTS = st.one_of(COUNTS, st.booleans(), st.floats(), COUNTS.map(Whole))
LIMITS = st.lists(
    st.builds(
        SlidingWindow,
        st.integers(1, 10),
        st.integers(1, 100),
        unit=st.sampled_from(["requests", "tokens", "images"]),
    ),
    min_size=1,
    max_size=4,
)


def charges_by_the_book(limits, cost):
    """Say again, without regard to speed, what ``Policy.charges`` says."""
    given = cost if isinstance(cost, dict) else {"requests": cost}
    units = {limit.unit for limit in limits}
    if not units - {"requests"} <= set(given) <= units | {"requests"}:
        return CostError
    for amount in given.values():
        whole = not isinstance(amount, bool | float) and operator.index(amount) >= 0
        if not whole:
            return CostError
    given = {"requests": 1} | given
    charges = tuple(operator.index(given[limit.unit]) for limit in limits)
    pairs = zip(charges, limits, strict=True)
    return charges if all(n <= limit.limit for n, limit in pairs) else CostTooLarge


@CHECKS
@given(
    LIMITS, st.one_of(AMOUNTS, st.dictionaries(UNITS, AMOUNTS, max_size=4)), st.data()
)
def test_the_quick_way_is_the_careful_way(limits, cost, data):
    """Whatever the cost, the quick path and the rule in words agree."""
    own = data.draw(st.integers(0, len(limits)))
    policy = Policy("m", tuple(limits[:own]), tuple(limits[own:]))
    try:
        answer = policy.charges(cost)
    except CostError as error:
        answer = type(error)
    assert answer == charges_by_the_book(limits, cost)
