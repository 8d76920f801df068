"""
Small facts that processes tell each other through the store, for a while.

No limit depends on them: whoever misses one learns it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ._calls import Arg, Call, Clock, Scope
from ._errors import StoreError
from ._limits import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._policy import Policy

FACT = ("account", "name", "value", "life")
LIFE = ("life",)

# Facts of the whole scope, whatever the model.
SCOPE = "f"

# The name of the fact that a provider gives unused tokens back.
GIVES_BACK = "gives_back"

# The name of the fact that lua/lib/refusals.lua keeps, and the width of its numbers.
REFUSALS = "429s"
_COUNT, _MOMENT = 13, 16

_UNTIL, _ROW = 16, 22


class Fact(NamedTuple):
    """
    Something that one process tells the others.

    Attributes:
        name: What it is about.

        value: What is so.

        seconds: For how long it holds. 0.0 withdraws it.

        everywhere: Whether it holds for all models of the scope.

        yields: Whether one of its name that holds already stays as it is.
    """

    name: str
    value: str
    seconds: float
    everywhere: bool = False
    yields: bool = False


class Known(NamedTuple):
    """A fact that is kept: its value, and for how many seconds more it holds."""

    value: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refusals:
    """
    The 429s that processes met on an account, until none came for a day.

    Attributes:
        count: How many there were.

        since_us: How long ago the first one was, in microseconds.

        last_us: How long ago the last one was.
    """

    count: int = 0
    since_us: int = 0
    last_us: int = 0


def encode_note(
    scope: Scope, policy: Policy, facts: Sequence[Fact], clock: Clock
) -> Call:
    """Encode a call of ``lua/note.lua``."""
    args: list[Arg] = [clock.now, *_fields(policy), len(facts)]
    for fact in facts:
        life = round(fact.seconds * SECOND_US) * (-1 if fact.yields else 1)
        args += (1 if fact.everywhere else 2, fact.name, fact.value, life)
    return Call("note", scope.key, tuple(args))


def decode_note(reply: Any) -> Mapping[str, Known]:
    """
    Decode the reply of ``lua/note.lua``; what holds for the model comes before.

    Raises:
        StoreError: If the reply is none of that script (P209).
    """
    try:
        return _known(reply[2:])
    except (TypeError, ValueError, StopIteration) as error:
        raise _strange(reply) from error


def encode_clients(scope: Scope, policy: Policy, life_us: int, clock: Clock) -> Call:
    """Encode a call of ``lua/clients.lua``."""
    args = (clock.now, life_us, *_fields(policy))
    return Call("clients", scope.key, args)


def decode_clients(reply: Any) -> tuple[int, Mapping[str, Known]]:
    """
    Decode the reply of ``lua/clients.lua``: how many there are, and what they told.

    Raises:
        StoreError: If the reply is none of that script (P209).
    """
    try:
        return int(reply[2]), _known(reply[3:])
    except (TypeError, ValueError, IndexError, StopIteration) as error:
        raise _strange(reply) from error


def _fields(policy: Policy) -> tuple[Arg, ...]:
    return 2, SCOPE, f"f:{policy.account}"


def _known(reply: Sequence[Any]) -> Mapping[str, Known]:
    known: dict[str, Known] = {}
    values = iter(reply)
    for count in values:
        for _ in range(int(count)):
            name, value, left = next(values), next(values), int(next(values))
            if left > 0:
                known[_text(name)] = Known(_text(value), left / SECOND_US)
    return known


def _strange(reply: Any) -> StoreError:
    what = type(reply).__name__
    return StoreError(f"the store's reply makes no sense ({what})", code="P209")


def read_facts(field: bytes | str, now: int) -> Mapping[str, str]:
    """
    Read a field of facts at the server's moment *now*, in microseconds.

    The Python twin of ``facts_decode`` in ``lua/lib/facts.lua``.

    Raises:
        ValueError: If it is no field of facts.
    """
    text = field.encode() if isinstance(field, str) else field
    facts: dict[str, str] = {}
    start = _UNTIL
    while start < len(text):
        name_from = start + _ROW
        row = text[start:name_from]
        value_from = name_from + int(row[16:18])
        end = value_from + int(row[18:])
        if end > len(text):
            raise ValueError("a field of facts that ends too soon")
        if int(row[:16]) > now:
            facts[text[name_from:value_from].decode()] = text[value_from:end].decode()
        start = end
    return facts


def read_refusals(facts: Mapping[str, str], now: int) -> Refusals:
    """
    Read the 429s among an account's facts at the server's moment *now*.

    What a later release may write in another way is taken for none.
    """
    value = facts.get(REFUSALS, "")
    ends = (_COUNT, _COUNT + _MOMENT, _COUNT + 2 * _MOMENT)
    if len(value) != ends[-1] or not value.isdecimal():
        return Refusals()
    since, last = int(value[ends[0] : ends[1]]), int(value[ends[1] :])
    # The clock may have stepped back.
    return Refusals(int(value[: ends[0]]), max(0, now - since), max(0, now - last))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
