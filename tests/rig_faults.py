"""
What may befall a server and the way to it: each takes the node and its proxy.

``LOSING`` loses data, the others do not: the node must write all it acknowledges. Of a
cluster, each takes it and a key.
"""

import contextlib
import time
from collections import Counter

import redis

import rig_fleet


def drop(node, proxy):
    proxy.cut()


def lose_replies(node, proxy):
    proxy.mode = "reset_on_reply"
    time.sleep(0.3)
    proxy.mode = "pass"


def black_hole(node, proxy):
    proxy.mode = "blackhole"
    time.sleep(1.0)
    proxy.mode = "pass"
    proxy.cut()


def stop(node, proxy):
    node.pause()
    time.sleep(1.4)  # a call gives up sooner
    node.resume()


def kill(node, proxy):
    node.kill()
    time.sleep(0.5)
    node.start().wait()


def forget_scripts(node, proxy):
    node.ask("SCRIPT", "FLUSH")


def pause_clients(node, proxy):
    node.ask("CLIENT", "PAUSE", 700, "WRITE")


def flush(node, proxy):
    node.ask("FLUSHALL")


def move(cluster, key):
    """Move a key's slot to the next primary."""
    owner = cluster.owner(key)
    primaries = cluster.leaders()
    target = primaries[(primaries.index(owner) + 1) % len(primaries)]
    for step in ("begin", "migrate", "end"):
        cluster.move(key, target, step)
        time.sleep(0.05)


def hand_over(cluster, key):
    """Let the replica of a key's owner take over, in good order."""
    owner = cluster.owner(key)
    cluster.replica_of(owner).ask("CLUSTER", "FAILOVER")
    with contextlib.suppress(AssertionError):  # it may be refused
        rig_fleet.until(lambda: cluster.owner(key) is not owner, 2.0)


def stop_owner(cluster, key):
    """Stop a key's owner for less than what its cluster takes for its end."""
    owner = cluster.owner(key)
    owner.pause()
    time.sleep(rig_fleet.NODE_TIMEOUT / 2_000)
    owner.resume()


LOSING = [flush]
OTHERS = [
    drop,
    lose_replies,
    black_hole,
    stop,
    kill,
    forget_scripts,
    pause_clients,
]


def disturb(node, proxy, seconds, chance, faults, pause):
    """Do what *chance* says, *pause* seconds apart; return how often each was done."""
    done = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(chance.uniform(*pause))
        fault = chance.choice(faults)
        with contextlib.suppress(redis.RedisError):  # it is busy with another
            fault(node, proxy)
            done[fault.__name__] += 1
    return done
