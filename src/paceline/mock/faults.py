"""
Errors that a test orders: which, for whom, and how often.

    KIND [key=K] [model=M] [next=N] [after=N]
         [wait=6m0s] [headers=H] [retry=true|false] [status=S]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from paceline._errors import ConfigError

from .answers import read_duration
from .kinds import KINDS, Kind
from .quota import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HEADERS = ("both", "seconds", "ms", "date", "none")
_UNAVAILABLE = 503
_RULES = ("key", "model", "next", "after")
_FORMS = ("wait", "headers", "retry", "status")
_STATUS = range(400, 600)
_MOST = 1_000_000_000
_HOW = 'Write it like "rate_limit_tokens wait=6m0s" or "server_error next=3".'


@dataclass(frozen=True, slots=True)
class Fault:
    """
    An error that was ordered.

    Attributes:
        name: Its kind's name.

        wait_ns: Nanoseconds to be told to wait; None tells nothing.

        headers:
            How headers tell it: ``"seconds"``, ``"ms"``, ``"both"`` of them, a
            ``"date"``, or ``"none"``.

        retry: What ``x-should-retry`` says; None leaves it away.

        status: The answer's status; 0 if there is no answer.

        key: The label of the only key that meets it, or None.

        model: The only model that meets it, or None.

        after: How many requests of theirs pass before.

        left: How many more meet it; None is no bound.
    """

    name: str
    wait_ns: int | None = None
    headers: str = "both"
    retry: str | None = None
    status: int = 0
    key: str | None = None
    model: str | None = None
    after: int = 0
    left: int | None = None

    @property
    def kind(self) -> Kind:
        """What it is an instance of."""
        return KINDS[self.name]

    @classmethod
    def read(cls, text: str, label: Callable[[str], str] | None = None) -> Self:
        """
        Read an order.

        Args:
            text: As above.

            label: Names a key. Without it, the order is for the request that has it.

        Raises:
            ConfigError: If it is no order (P156).
        """
        name, *options = text.split() or [""]
        if name not in KINDS:
            known = ", ".join(KINDS)
            raise _refused(f"no error is called {name[:40]!r}", f"Known are: {known}.")
        known_options = _FORMS if label is None else (*_RULES, *_FORMS)
        given: dict[str, str] = {}
        for option in options:
            key, equals, value = option.partition("=")
            if key not in known_options or not equals or not value or key in given:
                allowed = ", ".join(f"{option}=" for option in known_options)
                raise _refused(
                    f"{name!r} has no option {option[:40]!r}",
                    f"Each of these can be given once: {allowed}. {_HOW}",
                )
            given[key] = value
        fields = _form(KINDS[name], given)
        if label is not None:
            fields |= _rules(given, label)
        return cls(name, **fields)

    def meets(self, label: str, model: str) -> bool:
        """Tell whether it is meant for a request."""
        return self.key in {None, label} and self.model in {None, model}


class Faults:
    """
    All orders, the oldest first.

    Args:
        texts: Those of the beginning.

        label: Names a key.

    Raises:
        ConfigError: If one of them is none (P156).
    """

    def __init__(self, texts: Iterable[str], label: Callable[[str], str]) -> None:
        self._label = label
        self._faults = [Fault.read(text, label) for text in texts]

    def add(self, texts: Iterable[str]) -> None:
        """
        Take more orders, all or none.

        Raises:
            ConfigError: If one of them is none (P156).
        """
        self._faults += [Fault.read(text, self._label) for text in texts]

    def clear(self) -> None:
        """Drop all orders."""
        self._faults.clear()

    def take(self, label: str, model: str) -> Fault | None:
        """Find the error that a request meets, and count it off."""
        for place, fault in enumerate(self._faults):
            if not fault.meets(label, model):
                continue
            if fault.after:
                self._faults[place] = replace(fault, after=fault.after - 1)
                continue
            if fault.left is None:
                return fault
            if fault.left > 1:
                self._faults[place] = replace(fault, left=fault.left - 1)
            else:
                del self._faults[place]
            return fault
        return None

    def report(self) -> list[dict[str, object]]:
        """Tell what is still to come, as values for JSON."""
        return [
            {
                "error": fault.name,
                "key": fault.key,
                "model": fault.model,
                "after": fault.after,
                "next": fault.left,
            }
            for fault in self._faults
        ]


def _form(kind: Kind, given: Mapping[str, str]) -> dict[str, Any]:
    """Read the options that say what the answer looks like."""
    wait_ns = None if kind.wait is None else round(kind.wait * SECOND_NS)
    if "wait" in given:
        wait_ns = read_duration(given["wait"])
        if wait_ns is None:
            raise _refused(f"{given['wait'][:40]!r} is no time", _HOW)
    overloaded = kind.status == _UNAVAILABLE
    headers = given.get("headers", "seconds" if overloaded else "both")
    if headers not in HEADERS:
        raise _refused(
            f"{headers[:40]!r} is no way to tell a wait",
            f"Known are: {', '.join(HEADERS)}.",
        )
    retry = given.get("retry")
    if retry not in {None, "true", "false"}:
        raise _refused(
            f"retry={retry} is neither yes nor no", "Write retry=true or retry=false."
        )
    status = kind.status
    if "status" in given:
        told = given["status"]
        status = int(told) if re.fullmatch("[0-9]{3}", told) else 0
        if status not in _STATUS or kind.status not in _STATUS:
            raise _refused(
                f"status={told[:40]} cannot be answered with",
                "Give 400 to 599, and only to an error that is an answer of its own.",
            )
    return {"wait_ns": wait_ns, "headers": headers, "retry": retry, "status": status}


def _rules(given: Mapping[str, str], label: Callable[[str], str]) -> dict[str, Any]:
    """Read the options that say who meets it, and how often."""
    return {
        "key": label(given["key"]) if "key" in given else None,
        "model": given.get("model"),
        "after": _number(given.get("after", "0")),
        "left": _number(given["next"]) if "next" in given else None,
    }


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:20]) <= _MOST):
        raise _refused(f"{text[:40]!r} is no number of requests", _HOW)
    return int(text)


def _refused(what: str, hint: str) -> ConfigError:
    return ConfigError(
        f"the mock cannot fail like that: {what}", code="P156", hint=hint
    )
