"""The files that the documentation shows make sense."""

import re
from pathlib import Path

import pytest

from paceline._config.files import parse
from paceline._config.read import OPTIONS, read

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ *```toml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["reference/config.md", "how-to/config-file.md"])
def test_the_files_of_the_documentation_can_be_read(page):
    """
    Whoever copies one has a file that works.
    """
    blocks = BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))
    assert blocks
    for block in blocks:
        config = read(parse(block, page))
        assert config.scopes["team-a"].key_env == "OPENAI_API_KEY"


def test_each_option_has_a_row():
    """
    The reference names every option of a file.
    """
    page = (ROOT / "docs/reference/config.md").read_text("utf-8")
    rows = "".join(line.split("|")[1] for line in page.splitlines() if line[:2] == "| ")
    assert [option for option in OPTIONS if f"`{option}`" not in rows] == []
