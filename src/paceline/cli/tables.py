"""Accounts as tables and as JSON; shared by ``status`` and ``top``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from paceline._facts import Refusals
    from paceline._standing import Standing
    from paceline.ops.accounts import Account, Look

Rates = dict[tuple[str, str, str], float]

_KINDS = {"w": "window", "b": "bucket", "d": "calendar", "c": "concurrency"}
_NONE = "-"
# From this many seconds on, and how it is said.
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_BRIEF = 10

HEAD = (
    "scope",
    "model",
    "limit",
    "used",
    "free",
    "waiting",
    "reset",
    "cool-down",
    "429s",
)
_UNLIMITED = (_NONE,) * 5
# The columns before are words.
_NUMBERS = 3


def rows(look: Look, rates: Rates | None = None) -> list[tuple[str, ...]]:
    """
    Return a row per limit; what is the same as above it is left out.

    An account of which no limit is known, but a cool-down or 429s, has a row, too.

    Args:
        rates: Units per second; with them the rows have a last column of these.
    """
    found = []
    for scope in look.scopes:
        who = scope.label
        for account in scope.accounts:
            what, cool = _model(account), duration(account.cool_us / 1_000_000)
            seen = _refusals(account.refusals)
            for each in account.standings or (None,):
                numbers = (each.text, *_numbers(each)) if each else _UNLIMITED
                row = (who, what, *numbers, cool, seen)
                if rates is not None:
                    tag = each.limit.tag if each else ""
                    rate = rates.get((scope.tag, account.field, tag))
                    row = (*row, _NONE if rate is None else f"{rate:,.3g}/s")
                found.append(row)
                who, what, cool, seen = "", "", "", ""
    return found


def _refusals(seen: Refusals) -> str:
    if not seen.count:
        return _NONE
    return f"{seen.count:,}, {rough(seen.last_us / 1_000_000)} ago"


def _model(account: Account) -> str:
    return "(all models)" if account.shared else account.model or _NONE


def _numbers(each: Standing) -> tuple[str, ...]:
    part = each.used / each.limit.capacity
    return (
        f"{each.used:,} ({part:.0%})",
        f"{each.remaining:,}",
        f"{each.ahead:,}" if each.ahead else _NONE,
        duration(each.reset_us / 1_000_000),
    )


def duration(seconds: float) -> str:
    """Write a time as people say it: "1.4 s", "3 min 20 s", "-" for none."""
    if seconds <= 0:
        return _NONE
    if seconds < _BRIEF:
        return f"{max(seconds, 0.1):.1f} s"
    whole = round(seconds)
    for number, (length, word) in enumerate(_STEPS):
        if whole >= length:
            rest, below = whole % length, [*_STEPS, (1, "s")][number + 1]
            part = rest // below[0]
            more = f" {part} {below[1]}" if part else ""
            return f"{whole // length} {word}{more}"
    return f"{whole} s"


def rough(seconds: float) -> str:
    """Write a time by its largest unit alone, and less rather than more of it."""
    whole = max(1, int(seconds))
    for length, word in _STEPS:
        if whole >= length:
            return f"{whole // length} {word}"
    return f"{whole} s"


def fitting(
    head: Sequence[str], lines: Sequence[Sequence[str]], width: float
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Leave out columns with nothing in them, where the table would be too wide."""
    columns = list(zip(head, *lines, strict=True))
    if sum(max(map(len, column)) + 2 for column in columns) - 2 <= width:
        return head, lines
    kept = [
        column
        for number, column in enumerate(columns)
        if number < _NUMBERS or not {*column[1:]} <= {_NONE, ""}
    ]
    found = list(zip(*kept, strict=True))
    return found[0], found[1:]


def grid(head: Sequence[str], **how: Any) -> Table:
    """Return an empty table for a terminal, in whose cells no digit is left out."""
    from rich.table import Table  # noqa: PLC0415 -- only on a terminal

    made = Table(box=None, **how)
    for number, name in enumerate(head):
        side: Literal["left", "right"] = "left" if number < _NUMBERS else "right"
        made.add_column(name, justify=side, overflow="fold")
    return made


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Write lines under a head, those with numbers to the right."""
    columns = list(zip(head, *lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number < _NUMBERS else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, *lines)
    )


def moment(seconds: float) -> str:
    """Write a moment, in seconds since 1970, as JSON has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def as_json(look: Look, where: str, rates: Rates | None = None) -> dict[str, object]:
    """Return a look as a document; times are in seconds."""
    return {
        "store": where,
        "at": moment(look.now_us / 1_000_000),
        "scopes": [
            {
                "name": scope.name,
                "tag": scope.tag,
                "accounts": [
                    _account(account, scope.tag, rates) for account in scope.accounts
                ],
            }
            for scope in look.scopes
        ],
    }


def _account(account: Account, tag: str, rates: Rates | None) -> dict[str, object]:
    limits = []
    for each in account.standings:
        limit: dict[str, object] = {
            "limit": each.text,
            "kind": _KINDS[each.limit.tag[0]],
            "unit": each.limit.unit,
            "capacity": each.limit.capacity,
            "used": each.used,
            "free": each.remaining,
            "waiting": each.ahead,
            "reset_after": each.reset_us / 1_000_000,
        }
        if rates is not None:
            limit["per_second"] = rates.get((tag, account.field, each.limit.tag))
        limits.append(limit)
    return {
        "model": account.model,
        "shared": account.shared,
        "cool_down": account.cool_us / 1_000_000,
        "limits": limits,
        "unknown": list(account.unknown),
        "gives_back": account.gives_back,
        "refusals": _moments(account.refusals),
    }


def _moments(seen: Refusals) -> dict[str, object]:
    since, last = (us / 1_000_000 for us in (seen.since_us, seen.last_us))
    return {
        "count": seen.count,
        "since": since if seen.count else None,
        "last": last if seen.count else None,
    }
