"""How long answers are: fixed or a share, and the same each time."""

import pytest

from paceline import ConfigError
from paceline.mock.output import MOST_TEXT_TOKENS, Ending, Output, OutputLength


@pytest.mark.parametrize(
    ("text", "bound", "tokens", "cut"),
    [
        ("16", None, 16, False),
        ("16", 16, 16, False),
        ("16", 15, 15, True),
        ("0", 10, 0, False),
        ("50%", 100, 50, False),
        ("50%", 3, 1, False),
        ("12.5 %", 1_000, 125, False),
        ("0.000001%", 1_000_000_000, 10, False),
        ("100%", 100, 100, False),
        ("150%", 100, 100, True),
        ("0%", 100, 0, False),
        ("50%", None, 8, False),
        (" 7 ", None, 7, False),
    ],
)
def test_an_answer_is_exactly_so_long(text, bound, tokens, cut):
    """
    A share is rounded down; without a bound it is a share of 16.
    """
    assert OutputLength.read(text).output(bound) == Output(tokens, cut)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "%", "50 %%", "1e3", "1000000001", "٣", "9" * 99]
)
def test_what_is_no_length_is_refused(text):
    """
    With what to write instead.
    """
    with pytest.raises(ConfigError, match="no length") as error:
        OutputLength.read(text)
    assert error.value.code == "P155"
    assert "50%" in error.value.hint


def test_a_text_is_bounded_whatever_it_claims():
    """
    A billion tokens are claimed and not written.
    """
    output = OutputLength.read("1000000000").output(None)
    assert output.tokens == 10**9
    assert len(output.text()) == 4 * MOST_TEXT_TOKENS


@pytest.mark.parametrize(
    ("ending", "delivered"),
    [
        (Ending.COMPLETE, 9),
        (Ending.INCOMPLETE, 9),
        (Ending.FAILED, 4),
        (Ending.ERROR, 4),
        (Ending.DROPPED, 4),
    ],
)
def test_what_breaks_does_so_half_way(ending, delivered):
    """
    The pieces are the text, whatever their size.
    """
    output = Output(9, ending=ending)
    assert output.delivered == delivered
    assert len(output.text()) == 4 * delivered
    for size in (1, 2, 100):
        assert "".join(output.pieces(size)) == output.text()
