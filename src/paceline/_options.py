"""What the options of a limiter and of its verbs may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from ._alone import POLICIES, OnOutage
from ._errors import ConfigError
from ._suggest import closest, shown
from ._wish import Wish

if TYPE_CHECKING:
    from ._events import EventHandler
    from ._watch import Watch

Amnesia: TypeAlias = Literal["full", "empty"]
AMNESIA = ("full", "empty")
_MOST_SECONDS = 1e15  # beyond it a clock's seconds have no fractions left


def wish(timeout: object, priority: object, *, estimate: bool = False) -> Wish:
    """
    Return how a caller wants to wait.

    Raises:
        ConfigError: If the timeout or the priority is none (P111).
    """
    if type(timeout) is not float or not 0 <= timeout <= _MOST_SECONDS:
        timeout = None if timeout is None else seconds("timeout", timeout)
    if priority not in ("normal", "batch"):
        raise ConfigError(
            f"priority is {shown(priority)}",
            code="P111",
            hint='Give "normal", or "batch" for work that may wait behind others.',
        )
    return Wish(timeout, estimate=estimate, batch=priority == "batch")


def seconds(what: str, value: object, most: float = float("inf")) -> float:
    """
    Return a number of seconds.

    Raises:
        ConfigError: If it is none, below 0 or above *most* (P111).
    """
    number = value if isinstance(value, int | float) else -1
    if isinstance(value, bool) or not 0 <= number <= min(most, _MOST_SECONDS):
        # Python refuses to print an integer of very many digits.
        short = isinstance(value, float) or abs(number) < _MOST_SECONDS
        numeric = isinstance(value, int | float)
        shown = value if numeric and short else type(value).__name__
        bound = f" up to {most:g}" if most < _MOST_SECONDS else " or more"
        hint = f"Give seconds, 0{bound}."
        if what == "timeout":
            hint = "Give seconds, 0 or more; timeout=None waits as long as it takes."
        raise ConfigError(f"{what} is {shown}", code="P111", hint=hint)
    return float(number)


def as_policy(given: object) -> OnOutage:
    """
    Return what to do when the store is gone.

    Raises:
        ConfigError: If it is none of the policies (P111).
    """
    for policy in POLICIES:
        if given == policy:
            return policy
    near = closest(given, POLICIES) if isinstance(given, str) else None
    raise ConfigError(
        f"on_outage is {shown(given)}",
        code="P111",
        hint=(f'Did you mean "{near}"? ' if near else "")
        + 'Give "local", "raise", "wait" or "allow".',
        suggestion=near,
    )


def watch(given: EventHandler | None) -> Watch | None:
    """
    Return who follows plans for a handler of events.

    Raises:
        ConfigError: If it cannot be called (P111).
    """
    if given is None:
        return None
    if not callable(given):
        raise ConfigError(
            f"on_event is a {type(given).__name__}",
            code="P111",
            hint="Give a callable with one argument: the event.",
        )
    from ._watch import Watch  # noqa: PLC0415 -- not everybody's

    return Watch(given)


def counts_as_used(on_amnesia: object) -> bool:
    """
    Return whether an account that nobody remembers counts as used up.

    Raises:
        ConfigError: If the option is neither "full" nor "empty" (P111).
    """
    if on_amnesia not in AMNESIA:
        raise ConfigError(
            f"on_amnesia is {shown(on_amnesia)}",
            code="P111",
            hint='Give "full", or "empty" to close one window where nobody remembers.',
        )
    return on_amnesia == "empty"


def as_secret(given: object) -> bytes | None:
    """
    Return the secret under which keys are hashed.

    Raises:
        ConfigError: If it is empty, or no text or bytes (P111).
    """
    if given is None:
        return None
    try:
        secret = given.encode() if isinstance(given, str) else given
    except UnicodeEncodeError:
        secret = b""
    if not isinstance(secret, bytes) or not secret:
        # An unset variable of the environment must not mean "no secret".
        raise ConfigError(
            "secret is empty, or neither text nor bytes",
            code="P111",
            hint="Give the same secret to every process, or leave it out.",
        )
    return secret
