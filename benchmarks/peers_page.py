"""The table of all limiters: speed beside what they let through, refuse and lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .harness.pages import listed
from .harness.table import number
from .peers_speed import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .harness import Row
    from .harness.result import Result

_TASKS = f", {TASKS} tasks"
# A column: its head, the question, what follows the limiter's name, the measure.
_COLUMNS = (
    ("1 thread x INCR", "peers_speed", "", "ratio"),
    (f"{TASKS} tasks x INCR", "peers_speed", _TASKS, "ratio"),
    ("server µs", "peers_speed", "", "server_us"),
    ("over, adverse", "peers_proof", "", "over_adverse"),
    ("over, 4 processes", "peers_proof", "", "over"),
    ("over, clocks ahead", "peers_proof", "", "over_skewed"),
    ("false denials", "peers_proof", "", "false_denials"),
    ("after cancel, s", "peers_proof", "", "after_cancel_s"),
    ("lost reply, units", "peers_proof", "", "lost_reply_units"),
    ("round trips", "peers_waiting", "", "round_trips"),
    ("used", "peers_waiting", "", "used"),
    ("overtaken", "peers_waiting", "", "overtaken"),
    ("longest wait, s", "peers_waiting", "", "wait_max_s"),
)
_SHARES = {"false_denials", "used", "overtaken"}


def peers(results: Mapping[str, Result]) -> str:
    """Write the table, and how far the fastest others are."""
    rows = {
        (name, row.name): row for name, result in results.items() for row in result.rows
    }
    kinds = {
        label: row.note.split(";")[0]
        for (question, label), row in rows.items()
        if question == "peers_proof"
    }
    lines = []
    for label, kind in kinds.items():
        cells = [
            _cell(rows.get((question, label + suffix)), measure)
            for _, question, suffix, measure in _COLUMNS
        ]
        lines.append([label, kind, *cells])
    head = ["", "kind", *(column[0] for column in _COLUMNS)]
    text = listed(head, lines)
    speed = results["peers_speed"].rows if "peers_speed" in results else ()
    told = [_against(speed, who) for who in ("one thread", f"{TASKS} tasks")]
    return "\n\n".join([text, *filter(None, told)])


def _cell(row: Row | None, measure: str) -> str:
    got = row.measures.get(measure) if row is not None else None
    if got is None:
        return "-"
    return f"{got.median:.0%}" if measure in _SHARES else number(got.median)


def _against(speed: Sequence[Row], who: str) -> str:
    """Compare our strict window with the fastest of the others."""
    rows = {
        row.name: row.measures["ratio"].median
        for row in speed
        if "ratio" in row.measures
        and row.name.endswith(_TASKS) == (who == _TASKS.strip(", "))
        and not row.name.startswith("redis-py")
    }
    ours = [v for name, v in rows.items() if name.startswith("paceline")]
    others = {n: v for n, v in rows.items() if not n.startswith("paceline")}
    if not ours or not others:
        return ""
    best = max(others, key=lambda name: others[name])
    name = best.removesuffix(_TASKS)
    return (
        f"With {who}, paceline's slowest row here makes {min(ours) / others[best]:.1f} "
        f"times the decisions of the fastest other limiter, {name}."
    )
