"""
Rounds in which the contenders take turns, and what is left of them: medians.

Neighbours on a machine come and go. Contenders that take turns within a round meet the
same ones, so a ratio is computed within each round, and its median over the rounds is
the number to quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Sample: TypeAlias = "Mapping[str, float]"


@dataclass(frozen=True, slots=True)
class Spread:
    """
    The median of several rounds, and the quartiles around it.

    Attributes:
        rounds: How many values there were. Of less than three, the quartiles are the
            least and the largest.
    """

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Row:
    """
    What was measured of one contender.

    Attributes:
        name: The contender.

        measures: By name; the name says the unit.

        note: What a reader should know about this row. Often empty.
    """

    name: str
    measures: Mapping[str, Spread]
    note: str = ""


def spread(values: Iterable[float]) -> Spread:
    """
    Summarise the values of the rounds.

    Raises:
        ValueError: If there is none.
    """
    known = sorted(values)
    if not known:
        raise ValueError("no round was measured")
    low, high = known[0], known[-1]
    if len(known) > 2:
        low, _, high = quantiles(known, n=4, method="inclusive")
    return Spread(median(known), low, high, len(known))


def single(name: str, sample: Sample, note: str = "") -> Row:
    """Make a row of one measurement."""
    return Row(name, {key: spread([value]) for key, value in sample.items()}, note)


def interleave(
    contenders: Mapping[str, Callable[[], Sample]],
    rounds: int,
    *,
    base: str | None = None,
    of: str = "per_second",
    tick: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """
    Let the contenders take turns and return a row for each.

    Every other round goes backwards: who comes after whom is shared out evenly. One
    round before the first warms up and is not counted.

    Args:
        contenders: Each measures one slice of itself.

        rounds: How many are counted.

        base: The contender to whom the others are compared, as the measure ``ratio``.

        of: The measure whose ratio is taken.

        tick: Is told who is next.
    """
    names = list(contenders)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            tick(name)
            sample = contenders[name]()
            if number:
                samples[name].append(sample)
    against = samples[base] if base is not None else None
    return [Row(name, _measures(samples[name], against, of)) for name in names]


def _measures(
    samples: list[Sample], against: list[Sample] | None, of: str
) -> dict[str, Spread]:
    measures = {
        key: spread(sample[key] for sample in samples) for key in dict(samples[0])
    }
    if against is None:
        return measures
    pairs = zip(samples, against, strict=True)
    ratio = spread(mine[of] / theirs[of] for mine, theirs in pairs if theirs[of])
    return {"ratio": ratio, **measures}
