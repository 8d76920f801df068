"""The settings that all doors share: checked, and made a Site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from paceline._errors import ConfigError
from paceline._options import seconds
from paceline._provider.cost import (
    COSTS,
    DEFAULT_REFUND,
    REFUNDS,
    CostName,
    CostRule,
    Refund,
)
from paceline._suggest import listed

from ._site import Site, Tokens

if TYPE_CHECKING:
    from paceline import RateLimiter


class Terms(TypedDict, total=False):
    """The settings of :func:`paceline.openai.limit` that hold for any client."""

    scope: str | None
    timeout: float | None
    cost: CostName | CostRule
    refund: Refund | None
    tokens: Tokens
    usage: Literal["as_asked", "inject"]
    learn: bool


def site_of(limiter: RateLimiter, terms: Terms, *, host_scope: bool = False) -> Site:
    """
    Make a site of settings; what is not there has its default.

    Raises:
        ConfigError: If one is none (P111, P113).
    """
    given: Any = terms
    unknown = [name for name in given if name not in Terms.__annotations__]
    if unknown:
        raise TypeError(f"unexpected settings: {listed(unknown)}")
    timeout = terms.get("timeout", 60.0)
    if timeout is not None:
        timeout = seconds("timeout", timeout)
    cost = terms.get("cost", "openai")
    refund, tokens = terms.get("refund"), terms.get("tokens", "learnt")
    usage = terms.get("usage", "as_asked")
    check_prices(cost, refund, tokens)
    _check_option("usage", usage, ("as_asked", "inject"))
    named = cost if isinstance(cost, str) else "openai"
    return Site(
        limiter=limiter,
        scope=terms.get("scope"),
        timeout=timeout,
        cost=cost,
        refund=refund or DEFAULT_REFUND[named],
        tokens=tokens,
        inject=usage == "inject",
        learn=terms.get("learn", True),
        host_scope=host_scope,
    )


def check_prices(
    cost: object, refund: object, tokens: object, *, where: str = ""
) -> None:
    """
    Check how requests are priced.

    Args:
        where: Whose settings they are, for the words of the error.

    Raises:
        ConfigError: If one is none (P113).
    """
    of = f"{where}: " if where else ""
    _check_option(f"{of}cost", cost, COSTS, also_callable=True)
    _check_option(f"{of}refund", refund, (None, *REFUNDS))
    _check_option(f"{of}tokens", tokens, ("learnt", "exact"), also_callable=True)


def _check_option(
    name: str,
    value: object,
    known: tuple[object, ...],
    *,
    also_callable: bool = False,
) -> None:
    if value in known or (also_callable and callable(value)):
        return
    words = [str(each) for each in known if each is not None]
    raise ConfigError(
        f"{name} is {value!r}",
        code="P113",
        hint=f"Give {listed(words)}" + (", or a callable." if also_callable else "."),
    )
