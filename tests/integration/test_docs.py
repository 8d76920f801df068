"""What the documentation shows can be typed."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from paceline._parse import parse_limit
from paceline.cli import app

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
STORES = re.compile(r'"(?:embedded://|redis://[^"]*)"')


def blocks(name):
    return BLOCK.findall((ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize(
    "name", ["README.md", "docs/tutorial.md", "docs/how-to/test-your-code.md"]
)
def test_the_examples_run_from_top_to_bottom(name, capsys):
    """
    The blocks of a page run one after the other, on a store in memory.
    """
    reply = SimpleNamespace(usage=SimpleNamespace(total_tokens=412))
    names = {"call": lambda: reply, "store": "memory://docs-store"}
    code = blocks(name)
    assert len(code) > 2
    for number, block in enumerate(code):
        exec(STORES.sub(f'"memory://docs-{name}"', block), names)
        assert number >= 0
    assert "Traceback" not in capsys.readouterr().out


def test_the_examples_for_openai_run(monkeypatch):
    """
    The SDK's clients are made and limited; nothing is called.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-docs")
    names = {}
    code = blocks("docs/how-to/openai.md")
    assert len(code) == 3
    for block in code:
        exec(STORES.sub('"memory://docs-openai"', block), names)
    assert names["learnt"](names["client"]) == ()


def test_the_limits_of_the_reference_can_be_parsed():
    """
    Each text in the table of limits is one.
    """
    page = (ROOT / "docs/reference/limits.md").read_text("utf-8")
    texts = [
        text
        for line in page.splitlines()
        if line.startswith('| `"')
        for text in re.findall(r'`"([^"]+)"`', line)
    ]
    assert len(texts) >= 8
    for text in texts:
        assert parse_limit(text).capacity > 0


@pytest.mark.parametrize("name", ["doctor", "reset", "status", "top"])
def test_the_reference_has_every_option_of_a_command(name):
    """
    And no other.
    """
    page = (ROOT / "docs/reference/command-line.md").read_text("utf-8")
    section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    command = app.group.get_command(None, name)
    options = {each for p in command.params for each in p.opts if each[0] == "-"}
    assert options == documented


def test_the_reference_lists_every_command():
    """
    Each with a line.
    """
    page = (ROOT / "docs/reference/command-line.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `paceline ([a-z]+)`", page, re.MULTILINE))
    assert listed == set(app.COMMANDS)
