"""``paceline doctor``: whether a store is fit for a limiter."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .options import json_option, store_option

if TYPE_CHECKING:
    from paceline.ops.patient import Finding

_UNFIT = 4
_INDENT = 18


@click.command(
    epilog="""
\b
Examples:
  paceline doctor
  paceline doctor --store redis://limiter:secret@redis.internal:6379/0
  paceline doctor --json | jq '.findings[] | select(.level != "ok")'
"""
)
@store_option
@json_option
def command(*, store: str | None, as_json: bool) -> int:
    """
    Check a store: reach, version, role, rights, speed, eviction, persistence.

    Run it as the user that the limiters use: it tells which commands that user lacks.
    It writes to one throw-away key of its own, reads no foreign one, and takes about a
    second. Exits with 4 if a finding is a failure; warnings are 0.
    """
    from paceline.ops.accounts import Reader  # noqa: PLC0415 -- not for help
    from paceline.ops.doctor import examine  # noqa: PLC0415

    findings = []
    with closing(Reader(store)) as reader:
        for finding in examine(reader.sync):
            findings.append(finding)
            if not as_json:
                click.echo(_lines(finding))
        where = reader.where
    levels: Counter[str] = Counter(finding.level for finding in findings)
    if as_json:
        told = {"store": where, "findings": [asdict(each) for each in findings]}
        click.echo(json.dumps(told, default=str))
    else:
        click.echo(_sum_up(levels), err=True)
    return _UNFIT if levels["fail"] else 0


def _lines(finding: Finding) -> str:
    level = "FAIL" if finding.level == "fail" else finding.level
    line = f" {level:<4}  {finding.name:<11} {finding.text}"
    return f"{line}\n{' ' * _INDENT} {finding.remedy}" if finding.remedy else line


def _sum_up(levels: Counter[str]) -> str:
    if levels["fail"]:
        return f"\n{levels['fail']} failed, {levels['warn']} to look at."
    if levels["warn"]:
        return f"\nFit for a limiter; {levels['warn']} to look at."
    return "\nFit for a limiter."
