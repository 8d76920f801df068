"""What the documentation shows can be typed."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from paceline._parse import parse_limit
from paceline.cli import main
from rig_batch import row, write

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


PLAN = re.compile(r"^   \$ (paceline plan .*?)^   ```", re.MULTILINE | re.DOTALL)


def test_the_plan_that_is_shown_is_printed(tmp_path, capsys, monkeypatch):
    """
    For 8,000 rows that allow 200 tokens each.
    """
    page = (ROOT / "docs/how-to/batch.md").read_text("utf-8")
    command, *lines = PLAN.search(page)[1].rstrip().splitlines()
    monkeypatch.chdir(tmp_path)
    rows = [row(f"r{i}", max_tokens=200) for i in range(8_000)]
    write(Path("requests.jsonl"), rows)
    assert main(shlex.split(command)[1:]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [line[3:] for line in lines]
