"""
What a provider charges a request on arrival, and what it gives back later. Pure.

OpenAI documents the larger of max_tokens and an estimate of the request; Azure their
sum; Anthropic counts input and output apart and max_tokens not at all. What happens to
the part of max_tokens that was not used is documented by nobody but Anthropic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from .request import Ask
    from .usage import Usage

CostName: TypeAlias = Literal["openai", "azure", "anthropic"]
CostRule: TypeAlias = Callable[[Mapping[str, object]], Mapping[str, int]]
Refund: TypeAlias = Literal["shown", "always", "never"]

COSTS: tuple[CostName, ...] = ("openai", "azure", "anthropic")
REFUNDS: tuple[Refund, ...] = ("shown", "always", "never")

# What each provider gives back, unless the user says so outright.
DEFAULT_REFUND: Mapping[str, Refund] = {
    "openai": "shown",
    "azure": "never",
    "anthropic": "always",
}


def price(
    rule: CostName | CostRule, ask: Ask, prompt: int, usual_output: float
) -> dict[str, int]:
    """
    Return what to reserve for a request, by unit.

    Args:
        rule: A provider's name, or a callable of the JSON body.

        prompt: The estimate of the request, in tokens.

        usual_output: How long answers were of late, in tokens.
    """
    images = ask.choices if ask.endpoint == "images" else 0
    cost = {"requests": 1, "tokens": 0, "images": images}
    cost |= {"input_tokens": 0, "output_tokens": 0}
    if not ask.metered:
        return cost
    if callable(rule):
        return {**cost, **rule(ask.body)}
    longest = ask.max_output
    cost["input_tokens"] = prompt
    if ask.endpoint != "embeddings":
        # Nobody charges it on arrival; reserving the usual length keeps calls that run
        # at the same time from overrunning the limit together.
        usual = round(usual_output)
        cost["output_tokens"] = usual if longest is None else min(usual, longest)
    if rule == "azure":
        cost["tokens"] = prompt + (longest or 0) * ask.choices
    elif rule == "openai":
        cost["tokens"] = max(prompt, longest or 0)
    else:
        cost["tokens"] = prompt + cost["output_tokens"]
    return cost


def counted(cost: Mapping[str, int], units: Iterable[str]) -> dict[str, int]:
    """Keep the units that the limits count; what is missing stays missing."""
    return {unit: cost[unit] for unit in units if unit in cost}


def spent(
    reserved: Mapping[str, int], usage: Usage | None, *, gives_back: bool
) -> dict[str, int]:
    """
    Return what to post for a call that was answered.

    Args:
        reserved: What was reserved, by unit.

        usage: What the answer told. None leaves the reservation.

        gives_back: Whether the provider gives the unused part back. If it does not, no
            less is posted than was reserved; more is posted in any case.
    """
    if usage is None:
        return {}
    used = {
        "tokens": usage.total,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
    }
    return {
        unit: amount if gives_back else max(amount, reserved[unit])
        for unit, amount in used.items()
        if unit in reserved
    }


def refused(reserved: Mapping[str, int], *, admitted: bool) -> dict[str, int]:
    """
    Return what to post for a call that the provider answered with an error.

    A limit that refuses charges no tokens; that the request counts is OpenAI's word.
    What was admitted and failed then may have been charged, so it stays.
    """
    if admitted:
        return {}
    return {unit: 0 for unit in reserved if unit != "requests"}
