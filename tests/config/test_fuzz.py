"""Files that nobody wrote: hundreds, and never a traceback of our own."""

from hypothesis import HealthCheck, given, settings, strategies as st

from paceline import Key, RateLimiter
from rig_bad_files import GOOD, TREES, as_text, check, damaged, mistaken

MANY = settings(
    deadline=None, max_examples=300, suppress_health_check=list(HealthCheck)
)


@MANY
@given(st.one_of(damaged(), mistaken()))
def test_a_damaged_file_is_an_error_with_a_place_or_makes_sense(text):
    """
    Cut, doubled, swapped, misspelt: never anything but a ConfigError with a place.
    """
    check(text)


@MANY
@given(TREES)
def test_any_tables_are_an_error_with_a_place_or_make_sense(tree):
    """
    Valid TOML, right in most of its parts, of any shape in others.
    """
    check(as_text(tree))


def test_the_file_that_is_damaged_is_a_good_one(tmp_path, monkeypatch):
    """
    Without damage it makes a limiter.
    """
    file = tmp_path / "paceline.toml"
    file.write_text(GOOD, "utf-8")
    monkeypatch.setenv("FUZZ_TEAM_A_KEY", "hunter2")
    limiter = RateLimiter.from_config(file)
    names = [each.name for each in limiter.peek(Key(scope="x", model="gpt-4o"))]
    assert names == ["requests/min", "tpm", "requests/day"]
