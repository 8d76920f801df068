"""Whether the user may do what a limiter needs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..stores._needs import COMMANDS
from ..stores._translate import FAILURES, rule_at, translate
from .patient import Finding

if TYPE_CHECKING:
    from .patient import Patient

_SCRIPT = "return 1"
_SCRIPT_SHA = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
_LIFE_MS = 60_000


def rights(patient: Patient) -> Finding:
    """Find the commands that a limiter needs and the user may not call."""
    user = _user(patient)
    missing, how = _by_dry_run(patient, user), "ACL DRYRUN"
    if missing is None:
        missing, how = _by_trying(patient), "tried"
    needed = rule_at(patient.store.where)
    values: dict[str, object] = {"user": user, "missing": missing, "rule": needed}
    who = f"user {user}" if user else "the user"
    rule = f"ACL SETUSER {user or 'name'} {needed}"
    if missing:
        text = f"{who} may not call {', '.join(missing)} on our keys ({how})"
        return Finding("rights", "fail", text, rule, values)
    text = f"{who} may do all that a limiter needs ({how}): {needed}"
    return Finding("rights", "ok", text, values=values)


def _user(patient: Patient) -> str | None:
    with suppress(*FAILURES):
        found = patient.client.execute_command("ACL", "WHOAMI")
        return found.decode() if isinstance(found, bytes) else str(found)
    return None


def _calls(key: str) -> dict[str, tuple[Any, ...]]:
    """Return a harmless call of each command."""
    return {
        "evalsha": (_SCRIPT_SHA, 1, key),
        "eval": (_SCRIPT, 1, key),
        "time": (),
        "hset": (key, "doctor", "1"),
        "pexpire": (key, _LIFE_MS),
        "hmget": (key, "doctor"),
        "hgetall": (key,),
        "pttl": (key,),
        "hdel": (key, "doctor"),
    }


def _by_dry_run(patient: Patient, user: str | None) -> list[str] | None:
    """Ask the server, where it can tell; else None."""
    missing = []
    for command, args in _calls(patient.key).items():
        try:
            reply = patient.client.execute_command(
                "ACL", "DRYRUN", user, command, *args
            )
        except FAILURES:
            return None  # an old server, or nothing that this user may ask
        if reply not in (b"OK", "OK", True):
            missing.append(command)
    return _sorted(missing) if user else None


def _by_trying(patient: Patient) -> list[str]:
    missing = []
    for command, args in _calls(patient.key).items():
        try:
            patient.client.execute_command(command.upper(), *args)
        except FAILURES as error:
            finding = translate(error, patient.place)
            if finding.code == "P204":
                missing.append(command)
            elif not str(error).startswith(("NOSCRIPT", "No matching script")):
                raise
    return _sorted(missing)


def _sorted(missing: list[str]) -> list[str]:
    return sorted(missing, key=COMMANDS.index)
