"""What kind of server it is, and how it is set up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..stores._translate import FAILURES, translate
from .patient import Finding, unknown

if TYPE_CHECKING:
    from .patient import Patient

_OLDEST = {"Redis": (6, 2), "Valkey": (8, 0)}
_TIMES = 5
_SLOTS = 16_384
# Seconds by which the server's clock may differ before it is worth a word.
_MOST_SKEW = 1.0
# Seconds that a replica may be behind.
_MOST_LAG = 10
_MUCH, _TOO_MUCH = 0.8, 0.98


def reach(patient: Patient) -> Finding:
    """Reach it at all, with a command that every limiter's user has."""
    span = patient.timed(patient.client.time, 2)[0]
    where = patient.store.where
    text = f"{patient.place} answers in {span * 1_000:.2f} ms"
    if patient.local:
        remedy = 'Processes share nothing there: "redis://..." or "embedded://".'
        return Finding("reach", "warn", f"{where} is this process only", remedy)
    values: dict[str, object] = {"where": where, "seconds": span}
    return Finding("reach", "ok", text, values=values)


def server(patient: Patient) -> Finding:
    """Tell the program and its version."""
    info = patient.info
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info["redis_version"])
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    values: dict[str, object] = {"name": name, "version": version}
    oldest = _OLDEST[name]
    if numbers < oldest:
        remedy = f"Use {name} {oldest[0]}.{oldest[1]} or newer."
        return Finding("server", "fail", f"{name} {version} is too old", remedy, values)
    return Finding("server", "ok", f"{name} {version}", values=values)


def role(patient: Patient) -> Finding:
    """A replica refuses to write."""
    found = patient.info.get("role")
    values: dict[str, object] = {"role": found}
    if found != "master":
        primary = f"{patient.info.get('master_host')}:{patient.info.get('master_port')}"
        remedy = f"Point the limiter at the primary, {primary}."
        return Finding("role", "fail", "a replica", remedy, values)
    return Finding("role", "ok", "primary", values=values)


def cluster(patient: Patient) -> Finding:
    """A node of a cluster has a part of the keys."""
    enabled = patient.info.get("cluster_enabled")
    if not enabled:
        return Finding("cluster", "ok", "no cluster", values={"enabled": False})
    try:
        told = patient.client.execute_command("CLUSTER INFO")
    except FAILURES as error:
        if translate(error, patient.place).code != "P204":
            raise
        return unknown("cluster", "CLUSTER INFO")
    health = str(told.get("cluster_state"))
    values: dict[str, object] = {"enabled": True, "state": health}
    if health != "ok":
        remedy = "redis-cli --cluster check HOST:PORT tells which slots have no node."
        return Finding("cluster", "fail", f"a cluster, state {health}", remedy, values)
    lost = _SLOTS - int(told.get("cluster_slots_ok", _SLOTS))
    if lost:
        remedy = "redis-cli --cluster check HOST:PORT tells which, and of what node."
        text = f"a cluster, state ok, but for {lost:,} slots no node answers"
        return Finding("cluster", "fail", text, remedy, values)
    if not patient.address:
        remedy = "A limiter at one node is refused the keys of the others (MOVED)."
        return Finding("cluster", "warn", "one node of a cluster", remedy, values)
    return Finding("cluster", "ok", "a cluster, state ok", values=values)


def clock(patient: Patient) -> Finding:
    """Limits go by the server's clock; a difference confuses people only."""
    closest = float("inf")
    ahead = 0.0
    for _ in range(_TIMES):
        before = time.time()
        seconds, micros = patient.client.time()
        after = time.time()
        if after - before < closest:
            closest = after - before
            ahead = seconds + micros / 1_000_000 - (before + after) / 2
    side = "ahead of" if ahead >= 0 else "behind"
    text = f"the server is {abs(ahead) * 1_000:,.1f} ms {side} this host"
    values: dict[str, object] = {"ahead": ahead, "uncertainty": closest / 2}
    if abs(ahead) > _MOST_SKEW:
        remedy = "Run NTP on both: days and months begin by the server's clock."
        return Finding("clock", "warn", text, remedy, values)
    return Finding("clock", "ok", text, values=values)


def eviction(patient: Patient) -> Finding:
    """An evicted key is a forgotten quota."""
    policy = patient.info.get("maxmemory_policy")
    values: dict[str, object] = {"policy": policy}
    if policy == "noeviction":
        return Finding("eviction", "ok", "noeviction", values=values)
    remedy = "CONFIG SET maxmemory-policy noeviction"
    if not patient.info.get("maxmemory"):
        text = f"{policy}, without effect while maxmemory is 0"
        return Finding("eviction", "warn", text, remedy, values)
    text = f"{policy}: when memory is short, quotas are forgotten"
    return Finding("eviction", "fail", text, remedy, values)


def memory(patient: Patient) -> Finding:
    """A full server refuses to write."""
    used, most = (int(patient.info.get(n, 0)) for n in ("used_memory", "maxmemory"))
    values: dict[str, object] = {"used": used, "maxmemory": most}
    if not most:
        text = f"{_bytes(used)} used, no maxmemory"
        return Finding("memory", "ok", text, values=values)
    text = f"{_bytes(used)} of {_bytes(most)} used ({used / most:.0%})"
    remedy = "Raise maxmemory, or give the limiter a server of its own."
    if used >= _TOO_MUCH * most:
        return Finding("memory", "fail", text, remedy, values)
    if used >= _MUCH * most:
        return Finding("memory", "warn", text, remedy, values)
    return Finding("memory", "ok", text, values=values)


def persistence(patient: Patient) -> Finding:
    """Without it a restart forgets daily quotas; with a broken one writes stop."""
    info = patient.info
    snapshots = patient.setting("save")
    values: dict[str, object] = {"aof": bool(info["aof_enabled"]), "save": snapshots}
    for what, name in (("AOF", "aof_last_write"), ("snapshot", "rdb_last_bgsave")):
        if info.get(f"{name}_status", "ok") != "ok":
            text = f"the last {what} failed: the server refuses to write"
            remedy = "Look at its log and its disk."
            return Finding("persistence", "fail", text, remedy, values)
    if info["aof_enabled"]:
        return Finding("persistence", "ok", "AOF", values=values)
    remedy = "CONFIG SET appendonly yes"
    if snapshots:
        text = f"snapshots only (save {snapshots}): a crash forgets what is newer"
        return Finding("persistence", "warn", text, remedy, values)
    text = "none: a restart forgets every quota"
    return Finding("persistence", "warn", text, remedy, values)


def replicas(patient: Patient) -> Finding:
    """Replicas that are behind lose as much at a failover."""
    info = patient.info
    count = int(info.get("connected_slaves", 0))
    lags = [
        each.get("lag", 0)
        for each in (info.get(f"slave{number}") for number in range(count))
        if isinstance(each, dict)
    ]
    values: dict[str, object] = {"replicas": count, "lags": lags}
    if not count:
        return Finding("replicas", "ok", "none", values=values)
    text = f"{count}, up to {max(lags, default=0)} s behind"
    if max(lags, default=0) > _MOST_LAG:
        remedy = "A failover would forget as much: look at the replica's link."
        return Finding("replicas", "warn", text, remedy, values)
    return Finding("replicas", "ok", text, values=values)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1_000:  # noqa: PLR2004 -- as the units' names say
            return f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:,.3g} GB"
