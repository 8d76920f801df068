"""What can go wrong in counting the processes that use a scope."""

from __future__ import annotations

from proof.mutants import Mutant

TESTS = "lua/test_clients.py"


def _killed_by(test: str) -> tuple[str, ...]:
    return (f"{TESTS}::test_{test}",)


CLIENTS = (
    Mutant(
        "connections counted",
        "the lanes of one client are one client",
        "clients",
        'string.match(all[i], "^l:([^-]*)")',
        'string.match(all[i], "^l:(.*)")',
        _killed_by("connections_of_one_client_are_one"),
    ),
    Mutant(
        "everything counted",
        "only lanes are clients",
        "clients",
        'string.match(all[i], "^l:([^-]*)")',
        'string.match(all[i], "^.:?([^-]*)")',
        _killed_by("connections_of_one_client_are_one"),
    ),
    Mutant(
        "gone clients counted",
        "who was not there lately does not count",
        "clients",
        "+ tonumber(head.life) > now then",
        "+ tonumber(head.life) > 0 then",
        _killed_by("who_was_not_there_lately_does_not_count"),
    ),
    Mutant(
        "clients go too early",
        "who was there within the time counts",
        "clients",
        "+ tonumber(head.life) > now then",
        "+ tonumber(head.life) > now + 1 then",
        _killed_by("who_was_not_there_lately_does_not_count"),
    ),
    Mutant(
        "first lane decides",
        "a client with one lane in use counts",
        "clients",
        "        if tonumber(",
        "        seen[client] = true\n        if tonumber(",
        _killed_by("who_was_not_there_lately_does_not_count"),
    ),
)
