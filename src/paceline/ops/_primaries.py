"""The primaries of a cluster: each is examined, and what is found is told together."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from .patient import Finding, Patient, new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..stores import SyncStore

_LEVELS = ("ok", "warn", "fail")
# So many addresses are told one by one.
_FEW = 4


def patients(store: SyncStore) -> list[Patient]:
    """Return what there is to examine: a server, or each primary of a cluster."""
    client = store.client
    if not hasattr(client, "primaries"):
        return [Patient(store)]
    found = []
    for address, node in client.primaries().items():
        key = client.key_of(address, _keys())
        host, port = address
        found.append(Patient(store, key, node=node, address=f"{host}:{port}"))
    return found


def _keys() -> Iterator[str]:
    while True:
        yield new_key(secrets.token_hex(8))


def together(name: str, found: Sequence[tuple[Patient, Finding]]) -> Finding:
    """Make one finding of those of all primaries; a server's own stays as it is."""
    if not found[0][0].address:
        return found[0][1]
    pairs = [(patient.address, finding) for patient, finding in found]
    bad = [pair for pair in pairs if pair[1].level != "ok"]
    chosen = max(bad or pairs, key=lambda pair: _LEVELS.index(pair[1].level))[1]
    alike = len({each.text for _, each in pairs}) == 1
    if bad:
        text = _grouped(bad, len(pairs))
        rest = len(pairs) - len(bad)
        text += f"; the other {rest} in order" if rest else ""
    elif name == "keys":
        text = _summed(pairs)
    elif name in _FARTHEST and not alike:
        word, measure = _FARTHEST[name]
        address, chosen = max(pairs, key=lambda pair: measure(pair[1].values))
        text = f"{chosen.text}, {word} of {_count(len(pairs))}"
        text += "" if address in chosen.text else f" ({address})"
    else:
        text = _grouped(pairs, len(pairs))
    remedy = " ".join(dict.fromkeys(each.remedy for _, each in bad if each.remedy))
    nodes = {
        address: {"level": each.level, "text": each.text, "values": each.values}
        for address, each in pairs
    }
    return Finding(name, chosen.level, text, remedy, {**chosen.values, "nodes": nodes})


def _grouped(pairs: Sequence[tuple[str, Finding]], among: int) -> str:
    """Tell each text once, and of which primaries it is true."""
    groups: dict[str, list[str]] = {}
    for address, finding in pairs:
        groups.setdefault(finding.text, []).append(address)
    return "; ".join(
        text if len(where) == 1 and where[0] in text else f"{text}, {_at(where, among)}"
        for text, where in groups.items()
    )


def _at(where: list[str], among: int) -> str:
    if len(where) == among:
        return f"on all {among} primaries" if among > 1 else "on the only primary"
    few = len(where) <= _FEW
    return f"at {', '.join(where)}" if few else f"on {_count(len(where))}"


def _count(number: int) -> str:
    return "1 primary" if number == 1 else f"{number:,} primaries"


def _summed(pairs: Sequence[tuple[str, Finding]]) -> str:
    total = sum(int(str(finding.values["scopes"])) for _, finding in pairs)
    more = " or more" if any(" or more" in each.text for _, each in pairs) else ""
    return f"{total:,}{more} scopes of ours, on {_count(len(pairs))}"


def _farthest_behind(values: dict[str, Any]) -> tuple[bool, int]:
    return not values["replicas"], max(values["lags"], default=0)


def _latest(values: dict[str, Any]) -> float:
    return max(float(each["p99"]) for each in values.values())


def _fullness(values: dict[str, Any]) -> tuple[float, float]:
    used, most = values["used"], values["maxmemory"]
    return (used / most if most else 0.0, used)


# Where the figures differ by nature: what to call the one that is told, and by what.
_FARTHEST: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "reach": ("the slowest", lambda values: values["seconds"]),
    "latency": ("the slowest", _latest),
    "clock": ("the farthest off", lambda values: abs(values["ahead"])),
    "memory": ("the fullest", _fullness),
    "replicas": ("the worst", _farthest_behind),
}
