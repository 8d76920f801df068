"""Which node of a cluster has which keys, as far as is known: no I/O."""

from __future__ import annotations

from random import sample
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, MovedError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Address: TypeAlias = "tuple[str, int]"


class Redirection(NamedTuple):
    """
    Where a node sends a call instead.

    Attributes:
        once: Whether for this call only (ASK), and not from now on (MOVED).
    """

    once: bool
    slot: int
    address: Address


def redirection(error: ResponseError, asked: Address) -> Redirection | None:
    """Return where an error sends a call that *asked* a node, if it does."""
    words = str(error).split()
    # redis-py takes the first word away where it knows it; before 5.1 it does not.
    if isinstance(error, AskError | MovedError):
        once = not isinstance(error, MovedError)
        words = [f"{error.slot_id}", f"{error.host}:{error.port}"]
    elif words[:1] in (["ASK"], ["MOVED"]) and len(words) > 2:  # noqa: PLR2004 -- with its slot and node
        once, words = words[0] == "ASK", words[1:]
    else:
        return None
    host, _, port = words[1].rpartition(":")
    # A node that does not know the name of another one means its own.
    return Redirection(once, int(words[0]), (host or asked[0], int(port)))


class Atlas:
    """
    The nodes of a cluster and their slots; used from any thread.

    Attributes:
        stale: Whether something has shown that it is not as is written here.
    """

    def __init__(
        self,
        seeds: Sequence[Address],
        remap: Callable[[Address], Address] | None = None,
    ) -> None:
        self._seeds = tuple(seeds)
        self._remap = remap or (lambda address: address)
        self._owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._nodes: tuple[Address, ...] = ()
        self._doubtful: Address | None = None
        self.stale: bool = True

    def owner(self, key: str) -> Address | None:
        """Return the node that has a key."""
        return self._owners[key_slot(key.encode())]

    def doubt(self, address: Address) -> None:
        """Note that a node did not answer."""
        self._doubtful, self.stale = address, True

    def moved(self, redirection: Redirection) -> None:
        """Note what a node said of a slot; more may have moved than this one."""
        self._owners[redirection.slot] = self._remap(redirection.address)
        self.stale = True

    def guides(self) -> list[Address]:
        """Return whom to ask for the slots, who did not answer last of all."""
        known = dict.fromkeys((*sample(self._nodes, len(self._nodes)), *self._seeds))
        return sorted(known, key=lambda address: address == self._doubtful)

    def draw(self, reply: Any, asked: Address) -> set[Address]:
        """Take over a reply of CLUSTER SLOTS; return all nodes that it names."""
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes: dict[Address, None] = {}
        for first, last, *members in reply:
            named = [self._remap(_address(member, asked)) for member in members]
            nodes |= dict.fromkeys(named)
            owners[first : last + 1] = [named[0]] * (last + 1 - first)
        self._owners, self._nodes = owners, tuple(nodes)
        self._doubtful, self.stale = None, False
        return set(nodes)


def _address(member: Any, asked: Address) -> Address:
    host, port = member[0], int(member[1])
    text = host.decode() if isinstance(host, bytes) else host
    # Neither an address nor a name is known: it is the one that was asked.
    return (text if text and text != "?" else asked[0], port)
