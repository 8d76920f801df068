"""What the documentation shows can be typed."""

import re
import shlex
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from paceline import Key, RateLimiter, events
from paceline._gauges import GAUGES, labels_of
from paceline._meter import NAMES
from paceline._parse import parse_limit
from paceline.cli import app, main
from paceline.prometheus import accounts, metrics
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
    assert len(code) == 4
    for block in code:
        exec(STORES.sub('"memory://docs-openai"', block), names)
    assert names["learnt"](names["client"]) == ()


def test_the_example_for_pools_runs(monkeypatch):
    """
    Keys come from the variables that it names; nothing is called.
    """
    for name in ("OPENAI_KEY_EU", "OPENAI_KEY_US"):
        monkeypatch.setenv(name, f"sk-of-the-docs-{name}")
    names = {}
    (block,) = blocks("docs/how-to/pools.md")
    exec(STORES.sub('"memory://docs-pools"', block), names)
    assert dict(names["pool"].resting) == {}


def test_the_examples_for_other_clients_run():
    """
    Where a library is not there, one like it is enough; nothing is sent.
    """
    httpx = pytest.importorskip("httpx2")
    anthropic = SimpleNamespace(
        DefaultHttpxClient=httpx.Client, Anthropic=lambda http_client: http_client
    )
    names = {"anthropic": anthropic}
    code = blocks("docs/how-to/other-clients.md")
    assert len(code) == 4
    for block in code:
        shown = block.replace("import anthropic\n", "")
        exec(STORES.sub('"memory://docs-others"', shown), names)
    names["client"].close()
    seen = names["call"](lambda: (429, {"retry-after": "2"}, b""))
    assert (seen.what, 2 <= seen.wait <= 2.2) == ("later", True)
    names["limiter"].close()


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
    cells = re.findall(r"^\| (`--.*?) \| ", section, re.MULTILINE)
    documented = set(re.findall(r"`(--[a-z-]+)", " ".join(cells)))
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


def test_the_page_on_metrics_has_every_instrument_and_event():
    """
    Under both names; and its examples run.
    """
    page = (ROOT / "docs/how-to/observe.md").read_text("utf-8")
    for name in NAMES:
        assert f"| `paceline.{name.name}`" in page
        assert f"| `paceline_{name.name.replace('.', '_')}" in page
    leaves = {"Ended", "Event", "EventHandler"}
    assert set(re.findall(r"^\| `([A-Z]\w+)`", page, re.MULTILINE)) == (
        set(events.__all__) - leaves
    )
    for name in GAUGES:
        row = f"| `paceline.{name.name}`"
        assert row in page
        line = page.split(row)[1].splitlines()[0]
        assert line.split(" | ")[-1].strip(" |") == ", ".join(labels_of(name))
    first, second, *rest = blocks("docs/how-to/observe.md")
    names = {"CollectorRegistry": CollectorRegistry}
    exec(first.replace("metrics()", "metrics(CollectorRegistry())"), names)
    assert len(rest) == 2
    for block in (second, rest[1]):
        exec(block, {})
    shown = STORES.sub('"memory://docs-observe", registry=CollectorRegistry()', rest[0])
    exec(shown, names)


PROMQL = re.compile(r"^```promql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_alerts_ask_for_what_is_shown():
    """
    Every name, label and value that they match stands in a real exposition.
    """
    page = (ROOT / "docs/how-to/observe.md").read_text("utf-8")
    alerts = PROMQL.findall(page)
    assert len(alerts) == 4
    registry, store = CollectorRegistry(), "memory://docs-alerts"
    observe = metrics(registry)
    with RateLimiter(store, limits="9/min", shared="9/day", on_event=observe) as ours:
        ours.acquire(Key(scope="team-a", model="gpt-4o"))
        ours.answered(Key(scope="team-a", model="gpt-4o"), 200)
    observe(events.Waiting("team-a", "gpt-4o"))
    with closing(accounts(store, registry=registry)):
        text = generate_latest(registry).decode()
    shown = {
        each.name: [
            sample.labels for sample in family.samples if sample.name == each.name
        ]
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }
    asked = set()
    for alert in alerts:
        for name, selector in re.findall(r"(paceline_\w+)(?:\{(.*?)\})?", alert):
            asked.add(name)
            wanted = dict(re.findall(r'(\w+)="(.*?)"', selector))
            assert [each for each in shown[name] if wanted.items() <= each.items()]
        for labels in re.findall(r"(?:by|on) \((.*?)\)", alert):
            names = re.findall(r"paceline_\w+", alert)
            for label in labels.split(", "):
                assert all(label in each for name in names for each in shown[name])
    assert len(asked) == 8


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
