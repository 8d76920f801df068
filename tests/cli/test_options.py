"""Options that several commands share."""

import click
import pytest

from paceline.cli.options import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02),
        ("0.02", 0.02),
        (".5", 0.5),
        ("1.5s", 1.5),
        ("2 min", 120.0),
        ("2m", 120.0),
        ("0", 0.0),
        (3, 3.0),
    ],
)
def test_times_are_read_with_and_without_a_unit(text, seconds):
    """
    Without one they are seconds.
    """
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "ms", "-1", "1e3", "nan", "inf", "20 minutes"])
def test_what_is_no_time_is_refused(text):
    """
    The message shows how to write one.
    """
    with pytest.raises(click.BadParameter, match="Write it like 20ms"):
        Duration().convert(text, None, None)
