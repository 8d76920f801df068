"""What a question is given: a server, an event loop, how long, how often, and who."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import slices
from .measure import Row, interleave

if TYPE_CHECKING:
    from collections.abc import (
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
    )

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

        peers: The other limiters to measure, by their distribution. None takes all.

        tick: Is told what is measured now.
    """

    server: BenchServer
    loop: asyncio.Runner
    quick: bool = False
    peers: frozenset[str] | None = None
    tick: Callable[[str], None] = field(default=lambda _: None)

    def pick(self, plain: Any, quick: Any) -> Any:
        """Choose between a plain run and a quick one."""
        return quick if self.quick else plain

    @property
    def repeats(self) -> int:
        """How many rounds are counted."""
        return int(self.pick(9, 3))

    @property
    def seconds(self) -> float:
        """Length of a slice."""
        return float(self.pick(0.2, 0.05))

    def settings(self) -> dict[str, Any]:
        """Return what belongs into the result."""
        peers = {} if self.peers is None else {"peers": sorted(self.peers)}
        rest = {"rounds": self.repeats, "slice_s": self.seconds}
        return {"quick": self.quick, **rest, **peers}

    @contextmanager
    def one_core(self) -> Iterator[None]:
        """
        Keep this process and the server on one CPU while the block lasts.

        The calmest ratios: what is compared is work, and not how fast a sleeping CPU
        wakes up. Where threads cannot be kept (macOS, Windows) nothing happens, and
        :attr:`can_pin` says so.
        """
        if not self.can_pin:
            yield
            return
        before = os.sched_getaffinity(0)
        _keep((os.getpid(), self.server.pid), {max(before)})
        try:
            yield
        finally:
            _keep((os.getpid(), self.server.pid), before)

    @property
    def can_pin(self) -> bool:
        """Whether :meth:`one_core` does anything here."""
        return hasattr(os, "sched_setaffinity") and Path("/proc/self/task").is_dir()

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


def _keep(processes: Iterable[int], cpus: set[int]) -> None:
    """Keep all threads of *processes* on *cpus*; threads to come inherit it."""
    for process in processes:
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), cpus)
