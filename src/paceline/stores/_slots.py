"""Which node of a cluster has which keys, as far as is known: no I/O."""

from __future__ import annotations

from random import sample
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, InvalidResponse, MovedError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Address: TypeAlias = "tuple[str, int]"

_PORTS = 65_536
_SLOTS = range(REDIS_CLUSTER_HASH_SLOTS)


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
    """
    Return where an error sends a call that *asked* a node, if it does.

    Raises:
        InvalidResponse: If it sends it nowhere.
    """
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
    try:
        slot = _SLOTS[int(words[0])]
        # A node that does not know the name of another one means its own.
        return Redirection(once, slot, address(host or asked[0], port))
    except (ValueError, LookupError):
        raise InvalidResponse("a node sends a call nowhere") from error


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

    @property
    def owners(self) -> tuple[Address, ...]:
        """Return all nodes that have slots, in the slots' order."""
        return tuple(dict.fromkeys(each for each in self._owners if each is not None))

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
        """
        Take over a reply of CLUSTER SLOTS; return all nodes that it names.

        Raises:
            InvalidResponse: If it is none.
        """
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes: dict[Address, None] = {}
        try:
            for first, last, *members in reply:
                named = [self._remap(_address(member, asked)) for member in members]
                nodes |= dict.fromkeys(named)
                for slot in _SLOTS[first : last + 1]:
                    owners[slot] = named[0]
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise InvalidResponse("no map of a cluster's slots") from error
        self._owners, self._nodes = owners, tuple(nodes)
        self._doubtful, self.stale = None, False
        return set(nodes)


def address(host: Any, port: Any) -> Address:
    """
    Return where a server is said to be.

    Raises:
        TypeError: If that is no place.
        ValueError: If that is no place.
    """
    text, number = host.decode() if isinstance(host, bytes) else host, int(port)
    if not isinstance(text, str) or not 0 < number < _PORTS:
        raise ValueError("no address")
    return text, number


def _address(member: Any, asked: Address) -> Address:
    host, port = member[0] or b"", member[1]
    # Neither an address nor a name is known: it is the one that was asked.
    return address(asked[0] if host in (b"", b"?", "?") else host, port)
