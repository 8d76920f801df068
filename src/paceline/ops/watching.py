"""Look again and again, also while the store is away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._errors import StoreUnavailable
from .rates import rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .accounts import Look


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What was seen.

    Attributes:
        look: The accounts.

        rates: Units per second since the look before; None if there was none, or the
            store was away in between: what it lost then cannot be told from refunds.
    """

    look: Look
    rates: dict[tuple[str, str, str], float] | None


@dataclass(frozen=True, slots=True)
class Absence:
    """
    A look that failed.

    Attributes:
        error: Why; it may pass by itself.

        since: When the first look in a row was begun that failed, by this host's clock.

        at: When this one had failed.
    """

    error: StoreUnavailable
    since: float
    at: float


def watch(
    look: Callable[[], Look | None],
    pause: Callable[[], bool],
    clock: Callable[[], float] = time.time,
) -> Iterator[Sight | Absence]:
    """
    Yield what each look sees, the first at once.

    Args:
        look: Looks; None ends it.

        pause: Waits until it is time for the next look; True ends it.

        clock: Seconds since 1970.

    Raises:
        StoreError: If the first look fails, or one for a reason that will not pass.
    """
    before = look()
    if before is None:
        return
    yield Sight(before, None)
    since: float | None = None
    while not pause():
        begun = clock()
        try:
            after = look()
        except StoreUnavailable as error:
            since = begun if since is None else since
            yield Absence(error, since, clock())
            continue
        if after is None:
            return
        yield Sight(after, rates(before, after) if since is None else None)
        before, since = after, None
