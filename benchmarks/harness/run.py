"""What a question is given: a server, an event loop, how long and how often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import slices
from .measure import Row, interleave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from .measure import Sample
    from .server import BenchServer


@dataclass(frozen=True, slots=True)
class Run:
    """
    One run of a question.

    Attributes:
        server: Nobody else uses it.

        loop: Runs coroutines, all on one event loop.

        quick: Whether only the working is checked: the numbers mean little.

        tick: Is told what is measured now.
    """

    server: BenchServer
    loop: asyncio.Runner
    quick: bool = False
    tick: Callable[[str], None] = field(default=lambda _: None)

    def pick(self, plain: Any, quick: Any) -> Any:
        """Choose between a plain run and a quick one."""
        return quick if self.quick else plain

    @property
    def repeats(self) -> int:
        """How many rounds are counted."""
        return int(self.pick(15, 3))

    @property
    def seconds(self) -> float:
        """Length of a slice."""
        return float(self.pick(0.25, 0.05))

    def settings(self) -> dict[str, Any]:
        """Return what belongs into the result."""
        return {"quick": self.quick, "rounds": self.repeats, "slice_s": self.seconds}

    def rounds(
        self,
        contenders: Mapping[str, Callable[[], Sample]],
        *,
        base: str | None = None,
        of: str = "per_second",
        repeats: int | None = None,
    ) -> list[Row]:
        """Let the contenders take turns, as often as :attr:`repeats` says."""
        return interleave(
            contenders, repeats or self.repeats, base=base, of=of, tick=self.tick
        )

    def slice(self, call: Callable[[], object]) -> Sample:
        """Measure one thread that repeats *call*."""
        return slices.one_thread(self.server, self.seconds, call)

    def threads(self, call: Callable[[], object], number: int) -> Sample:
        """Measure so many threads that repeat *call*."""
        return slices.threads(self.server, self.seconds, call, number)

    def tasks(self, call: Callable[[], Awaitable[object]], number: int) -> Sample:
        """Measure so many tasks that repeat *call*."""
        return self.wait(slices.tasks(self.server, self.seconds, call, number))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run(work)
